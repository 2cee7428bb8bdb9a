using System.ComponentModel.DataAnnotations;
using System.Reflection;
using ConcertSaga.Gateway.Proxy;
using ConcertSaga.Gateway.Tests.Hosts;
using ConcertSaga.Shared.Hosting;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Processes;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Configuration.Memory;
using Microsoft.Extensions.Logging;

namespace ConcertSaga.Gateway.Tests.Proxy;

/// <summary>Each invalid setting of the proxy stops the start with one line that names it, and each valid one is accepted.</summary>
public sealed class ProxySettingsTests
{
    private const string Route = "ReverseProxy:Routes:points", Mine = "ReverseProxy:Routes:mine", Seats = "ReverseProxy:Clusters:seats",
        Other = "ReverseProxy:Clusters:other";

    // The beginning of the line, and the settings.
    private static readonly List<(string Line, string[] Settings)> Wrong =
    [
        ("ReverseProxy:Rotes is not a setting; allowed: ReverseProxy:Routes, ReverseProxy:Clusters.",
            ["ReverseProxy:Rotes:x:ClusterId=seats"]),
        ("ReverseProxy is 'x'", ["ReverseProxy=x"]),
        ($"{Route} is 'x'", [$"{Route}=x"]),
        ($"{Route}:Metadata:QueueTokn is not a setting; allowed: {Route}:Metadata:AnsweredBy, {Route}:Metadata:Page, "
            + $"{Route}:Metadata:QueueToken, "
            + $"{Route}:Metadata:Repeatable.", [$"{Route}:Metadata:QueueTokn=Book"]),
        ($"{Mine}:Metadata:QueueTokn is not a setting", [$"{Mine}:Metadata:QueueTokn=Book"]),
        ($"{Route}:Metadata is 'QueueToken=Book'", [$"{Route}:Metadata=QueueToken=Book"]),
        ($"{Route}:Metadata:QueueToken:Book is not a setting", [$"{Route}:Metadata:QueueToken:Book=true"]),
        ($"{Route}:Metdata is not a setting", [$"{Route}:Metdata:QueueToken=Book"]),
        ($"{Route}:ClusterId is 'point'; allowed: dataplatform, operations, orchestrator, points, queue, seats.",
            [$"{Route}:ClusterId=point"]),
        ($"{Mine}:ClusterId is missing", [$"{Mine}:Match:Path=/mine"]),
        ($"{Route}:AuthorizationPolicy is 'Unknown'; allowed: Anonymous, Console, Default, Ops.", [$"{Route}:AuthorizationPolicy=Unknown"]),
        ($"{Route}:AuthorizationPolicy is missing", [$"{Route}:AuthorizationPolicy="]),
        ($"{Route}:AuthorisationPolicy is not a setting", [$"{Route}:AuthorisationPolicy=Ops"]),
        ($"{Route}:RateLimiterPolicy is 'Reed'; allowed: Booking, Disable, Poll, Queue, Read, SignIn.",
            [$"{Route}:RateLimiterPolicy=Reed"]),
        ($"{Route}:RateLimiterPolicy is 'read'", [$"{Route}:RateLimiterPolicy=read"]),
        ($"{Route}:RateLimiterPolicy is 'Default'", [$"{Route}:RateLimiterPolicy=Default"]),
        ($"{Route}:RateLimiterPolicy is missing", [$"{Route}:RateLimiterPolicy="]),
        ($"{Route}:TimeoutPolicy is 'Slow'; allowed: Disable.", [$"{Route}:TimeoutPolicy=Slow"]),
        ($"{Route}:Timeout is not a setting", [$"{Route}:Timeout=soon"]),
        ($"{Route}:CorsPolicy is not a setting", [$"{Route}:CorsPolicy=Default"]),
        ($"{Route}:OutputCachePolicy is not a setting", [$"{Route}:OutputCachePolicy=Any"]),
        ($"{Route}:Transforms is not a setting", [$"{Route}:Transforms:0:PathPrefix=/x"]),
        ($"{Route}:MaxRequestBodySize is not a setting", [$"{Route}:MaxRequestBodySize=1"]),
        ($"{Route}:Order is 'first'; allowed: a whole number.", [$"{Route}:Order=first"]),
        ($"{Route}:Match:Path is '{{points'; allowed: a path such as /api/points", [$"{Route}:Match:Path={{points"]),
        ($"{Route}:Match:Path is '/{{id:integer}}'", [$"{Route}:Match:Path=/{{id:integer}}"]),
        ($"{Route}:Match:Path is '/{{id:range(a,b)}}'", [$"{Route}:Match:Path=/{{id:range(a,b)}}"]),
        ($"{Route}:Match:Path is '/{{id}}/{{id}}'", [$"{Route}:Match:Path=/{{id}}/{{id}}"]),
        ($"{Route}:Match:Path is missing", [$"{Route}:Match:Path="]),
        ($"{Mine}:Match:Path is missing", [$"{Mine}:ClusterId=seats"]),
        ($"{Route}:Match:Hosts is not a setting", [$"{Route}:Match:Hosts:0=a b"]),
        ($"{Route}:Match:Methods:0 is 'FETCH'; allowed: DELETE, GET, OPTIONS, PATCH, POST, PUT, TRACE, each once.",
            [$"{Route}:Match:Methods:0=FETCH"]),
        ($"{Route}:Match:Methods:0 is 'get'", [$"{Route}:Match:Methods:0=get"]),
        ($"{Route}:Match:Methods:0 is 'GET,POST'", [$"{Route}:Match:Methods:0=GET,POST"]),
        ($"{Route}:Match:Methods:0 is ''", [$"{Route}:Match:Methods:0="]),
        ($"{Route}:Match:Methods:1 is 'GET'", [$"{Route}:Match:Methods:1=GET"]),
        ($"{Route}:Match:Methods:one is not a setting", [$"{Route}:Match:Methods:one=GET"]),
        ($"{Mine}:Match:Methods is 'GET'; allowed: {Mine}:Match:Methods:0", [$"{Mine}:Match:Methods=GET", $"{Mine}:ClusterId=seats",
            $"{Mine}:Match:Path=/mine"]),
        ("ReverseProxy:Routes:points:Match has GET /api/points, as the route mine has; allowed:", [$"{Mine}:Match:Path=api/Points/",
            $"{Mine}:ClusterId=seats"]),
        ($"{Seats}:LoadBalancingPolicy is 'Fair'; allowed: FirstAlphabetical, PowerOfTwoChoices, Random, RoundRobin.",
            [$"{Seats}:LoadBalancingPolicy=Fair"]),
        ($"{Seats}:SessionAffinity is not a setting", [$"{Seats}:SessionAffinity:Enabled=true"]),
        ($"{Seats}:Destination is not a setting", [$"{Seats}:Destination:one:Address=http://seats"]),
        ($"{Other}:Destinations is missing; allowed: addresses, such as {Other}:Destinations:one:Address=http://localhost:8080.",
            [$"{Other}:LoadBalancingPolicy=Random"]),
        ($"{Other}:Destinations:one is 'http://seats'", [$"{Other}:Destinations:one=http://seats"]),
        ($"{Other}:Destinations:one:Address is missing; allowed: an absolute address", [$"{Other}:Destinations:one:Health=http://x"]),
        ($"{Seats}:Destinations:one:Adress is not a setting", [$"{Seats}:Destinations:one:Adress=http://seats"]),
        ($"{Seats}:Destinations:one:Address is 'seats'", [$"{Seats}:Destinations:one:Address=seats"]),
        ($"{Seats}:Destinations:one:Address is 'ftp://seats'", [$"{Seats}:Destinations:one:Address=ftp://seats"]),
        ($"{Seats}:Destinations:one:Address is missing", [$"{Seats}:Destinations:one:Address="]),
        ($"{Seats}:Destinations:one:Address is 'http://seats/?***'; allowed: an address without a query.",
            [$"{Seats}:Destinations:one:Address=http://seats/?x=1"]),
        ($"{Seats}:Destinations:one:Address has a user name", [$"{Seats}:Destinations:one:Address=http://u:p@seats/"]),
        ($"{Seats}:Destinations:one:Health is 'health'", [$"{Seats}:Destinations:one:Health=health"]),
        ($"{Seats}:Destinations:one:Host is not a setting", [$"{Seats}:Destinations:one:Host=a b"]),
        ($"{Seats}:HealthCheck:Active:Enabled is 'yes'; allowed: true, false.", [$"{Seats}:HealthCheck:Active:Enabled=yes"]),
        ($"{Seats}:HealthCheck:Active:Interval is '00:00:00'", [$"{Seats}:HealthCheck:Active:Interval=00:00:00"]),
        ($"{Seats}:HealthCheck:Active:Timeout is '5'", [$"{Seats}:HealthCheck:Active:Timeout=5"]),
        ($"{Seats}:HealthCheck:Active:Policy is 'x'; allowed: ConsecutiveFailures.", [$"{Seats}:HealthCheck:Active:Policy=x"]),
        ($"{Seats}:HealthCheck:Active:Path is 'health'; allowed: a path such as /health/ready.",
            [$"{Seats}:HealthCheck:Active:Path=health"]),
        ($"{Seats}:HealthCheck:Passive:Policy is 'x'; allowed: RefusedConnections, TransportFailureRate.",
            [$"{Seats}:HealthCheck:Passive:Policy=x"]),
        ($"{Seats}:HealthCheck:AvailableDestinationsPolicy is 'x'; allowed: HealthyAndUnknown, HealthyOrPanic.",
            [$"{Seats}:HealthCheck:AvailableDestinationsPolicy=x"]),
        ($"{Seats}:HttpClient:MaxConnectionsPerServer is '0'", [$"{Seats}:HttpClient:MaxConnectionsPerServer=0"]),
        ($"{Seats}:HttpClient:SslProtocols is not a setting", [$"{Seats}:HttpClient:SslProtocols:0=Tls"]),
        ($"{Seats}:HttpRequest:ActivityTimeout is '-00:00:01'", [$"{Seats}:HttpRequest:ActivityTimeout=-00:00:01"]),
        ($"{Seats}:HttpRequest:Version is '4'; allowed: 1.0, 1.1, 2.", [$"{Seats}:HttpRequest:Version=4"]),
        ($"{Seats}:HttpRequest:VersionPolicy is 'x'; allowed: RequestVersionOrLower, RequestVersionOrHigher, RequestVersionExact.",
            [$"{Seats}:HttpRequest:VersionPolicy=x"])
    ];

    public static TheoryData<string, string[]> Invalid
    {
        get
        {
            var data = new TheoryData<string, string[]>();
            foreach (var (line, settings) in Wrong)
                data.Add(line, settings);
            return data;
        }
    }

    [Theory, MemberData(nameof(Invalid))]
    public void Start_WithAnInvalidSetting_FailsWithOneLine(string line, string[] settings)
    {
        var failure = Assert.Throws<StartupException>(() =>
            GatewayHost.Builder([.. settings.Select(setting => $"--{setting}")]).AddGateway());

        Assert.StartsWith(line, failure.Message, StringComparison.Ordinal);
        Assert.Contains("; allowed: ", failure.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', failure.Message);
    }

    /// <summary>The proxy accepts every value that the gateway allows.</summary>
    [Fact]
    public async Task Start_WithAnyAllowedValue_Serves()
    {
        var values = Named(typeof(RouteSettings), Mine).Concat(Named(typeof(ClusterSettings), Other)).ToList();
        Assert.True(values.Count >= 20);
        string[] always =
        [
            $"--{Mine}:ClusterId=other", $"--{Mine}:Match:Path=/mine/{{name:regex(^a+$)}}", $"--{Mine}:Match:Methods:0=OPTIONS",
            $"--{Mine}:Match:Methods:1=PUT", $"--{Mine}:Order=5", $"--{Mine}:Metadata:queuetoken=Any",
            $"--{Other}:Destinations:one:Address=http://127.0.0.1:1/x", $"--{Other}:Destinations:one:Health=http://127.0.0.1:1",
            $"--{Other}:HealthCheck:Active:Enabled=true", $"--{Other}:HealthCheck:Active:Path=/health/ready",
            $"--{Other}:HealthCheck:Active:Interval=00:10:00", $"--{Other}:HealthCheck:Passive:ReactivationPeriod=00:00:05",
            $"--{Other}:HttpClient:DangerousAcceptAnyServerCertificate=true", $"--{Other}:HttpClient:MaxConnectionsPerServer=5",
            $"--{Other}:HttpRequest:ActivityTimeout=00:00:05", $"--{Other}:HttpRequest:VersionPolicy=RequestVersionExact"
        ];
        foreach (var (key, value) in values)
        {
            await using var gateway = await GatewayHost.StartAsync("http://127.0.0.1:1", null, [.. always, $"--{key}={value}"]);
            using var response = await gateway.SendAsync("PUT", "/mine/aa", Tokens.For("mina", "ops"), null, ("X-Queue-Token", ""));
            await Problem.IsAsync(response, 400, "QUEUE_TOKEN_MISSING");
        }
    }

    [Fact]
    public async Task Metadata_ChangedToAnUnknownName_KeepsTheRoutes()
    {
        var log = new LogRecorder();
        IConfigurationRoot? configuration = null;
        await using var gateway = await GatewayHost.StartWithAsync("http://127.0.0.1:1", builder =>
        {
            builder.Logging.AddProvider(log);
            configuration = builder.Configuration;
        });

        var source = new MemoryConfigurationSource { InitialData = [KeyValuePair.Create($"{Route}:Metadata:QueueTokn", (string?)"Pay")] };
        ((IConfigurationBuilder)configuration!).Add(source);

        await Eventually.TrueAsync(() => log.Warnings.Any(line => line.Exception?.ToString().Contains($"{Route}:Metadata:QueueTokn",
            StringComparison.Ordinal) == true), TimeSpan.FromSeconds(60), "the change is refused");
        using var response = await gateway.SendAsync("GET", "/api/schedules/1/seats", Tokens.For("mina"), null, ("X-Queue-Token", ""));
        await Problem.IsAsync(response, 400, "QUEUE_TOKEN_MISSING");
    }

    [Theory]
    [InlineData($"--{Route}:Metadata:QueueTokn=Book", $"{Route}:Metadata:QueueTokn is not a setting; allowed: ")]
    [InlineData($"--{Route}:Order=first", $"{Route}:Order is 'first'; allowed: ")]
    [InlineData($"--{Route}:Match:Methods:0=FETCH", $"{Route}:Match:Methods:0 is 'FETCH'; allowed: ")]
    public async Task Process_WithAnInvalidSetting_EndsWithOneLine(string setting, string says)
    {
        var (code, written) = await ServiceProcess.RunAsync("Gateway",
            [$"--Gateway:Secret={GatewayHost.Secret}", "--Authentication:Demo:Enabled=true", "--Messaging:Transport=InMemory",
                $"--urls=http://127.0.0.1:{LoopbackPort.Free()}", setting], limit: TimeSpan.FromSeconds(60));

        var line = Assert.Single(written.Split('\n', StringSplitOptions.RemoveEmptyEntries));
        Assert.Equal(1, code);
        Assert.StartsWith($"concertsaga: {says}", line, StringComparison.Ordinal);
    }

    private static IEnumerable<(string Key, string Value)> Named(Type type, string path) => type.GetProperties().SelectMany(property =>
        property.GetCustomAttribute<AllowedValuesAttribute>() is { } names
            ? names.Values.OfType<string>().Select(value => ($"{path}:{property.Name}", value))
            : property.PropertyType.Namespace == type.Namespace ? Named(property.PropertyType, $"{path}:{property.Name}") : []);
}
