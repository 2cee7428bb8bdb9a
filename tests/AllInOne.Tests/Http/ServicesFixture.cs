using System.Net;
using System.Net.Http.Headers;
using System.Reflection;
using System.Text;
using System.Text.Json;
using ConcertSaga.AllInOne.Tests.Http;
using ConcertSaga.Gateway.Queue;
using ConcertSaga.Gateway.Seats;
using ConcertSaga.Operations;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Shared.Hosting.Http;
using MassTransit;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http.Metadata;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

[assembly: AssemblyFixture(typeof(ServicesFixture))]

namespace ConcertSaga.AllInOne.Tests.Http;

/// <summary>Starts the host of all services, whose endpoints are all routes except the gateway's own.</summary>
public sealed class ServicesFixture : IAsyncLifetime
{
    private const string Secret = "the secret of a test, never of a product";

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("concertsaga-test-");
    private WebApplication? _app;

    /// <summary>A client with the gateway's secret and the role of an operator.</summary>
    public HttpClient Client { get; } = new();

    /// <summary>The service provider of the host.</summary>
    public IServiceProvider Services => _app!.Services;

    /// <summary>Every route handled by the product.</summary>
    public IReadOnlyList<Route> Routes { get; private set; } = [];

    /// <inheritdoc />
    public async ValueTask InitializeAsync()
    {
        _app = EmbeddedSystem.BuildServices(["--Logging:Console:LogLevel:Default=None"], _folder.FullName, Secret,
            new RoomDirectory(TimeProvider.System), new SeatChangeFeed(), []);
        await _app.Services.MigrateAsync(CancellationToken.None);
        await Seats.SeatsService.SeedDemoDataAsync(_app.Services, CancellationToken.None);
        await _app.StartAsync();
        await _app.Services.GetRequiredService<IBusControl>().WaitForHealthStatus(BusHealthStatus.Healthy, TimeSpan.FromSeconds(60));
        Client.BaseAddress = new Uri(_app.Urls.First());
        _app.Services.GetRequiredService<IOptions<OperationsOptions>>().Value.UseAddress(Client.BaseAddress);
        Client.DefaultRequestHeaders.Add(InnerWall.SecretHeader, Secret);
        Client.DefaultRequestHeaders.Add(Caller.UserIdHeader, "mina");
        Client.DefaultRequestHeaders.Add(Caller.UserRolesHeader, "ops");
        Client.DefaultRequestHeaders.Add(IdempotencyKey.Header, Guid.CreateVersion7().ToString());
        Routes = [.. _app.Services.GetRequiredService<EndpointDataSource>().Endpoints.OfType<RouteEndpoint>()
            .Where(endpoint => endpoint.Metadata.GetMetadata<MethodInfo>() is { } handler
                && handler.DeclaringType!.FullName!.StartsWith("ConcertSaga.", StringComparison.Ordinal))
            .SelectMany(endpoint => endpoint.Metadata.GetRequiredMetadata<IHttpMethodMetadata>().HttpMethods.Select(method =>
                new Route(method, endpoint)))];
    }

    /// <summary>Sends a request and reads the response.</summary>
    public async Task<Reply> SendAsync(string method, string address, HttpContent? body = null,
        params (string Name, string Value)[] headers)
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), address) { Content = body };
        foreach (var (name, value) in headers)
            request.Headers.TryAddWithoutValidation(name, value);
        using var response = await Client.SendAsync(request);
        var text = await response.Content.ReadAsStringAsync();
        return new Reply($"{method} {address}", response.StatusCode, response.Content.Headers.ContentType?.ToString(), text, response);
    }

    /// <summary>A body of JSON.</summary>
    public static HttpContent Json(string text, string mediaType = "application/json")
    {
        var content = new ByteArrayContent(Encoding.UTF8.GetBytes(text));
        content.Headers.TryAddWithoutValidation("Content-Type", mediaType);
        return content;
    }

    /// <inheritdoc />
    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await _app!.StopAsync();
        await _app.DisposeAsync();
        Microsoft.Data.Sqlite.SqliteConnection.ClearAllPools();
        _folder.Delete(recursive: true);
    }
}

/// <summary>One method of one endpoint.</summary>
/// <param name="Method">The HTTP method.</param>
/// <param name="Endpoint">The endpoint.</param>
public sealed record Route(string Method, RouteEndpoint Endpoint)
{
    /// <summary>The template of the path.</summary>
    public string Template => Endpoint.RoutePattern.RawText!;

    /// <summary>Whether it changes something.</summary>
    public bool IsChange => Method is not ("GET" or "HEAD");

    /// <summary>The type of the body; null if the route takes none.</summary>
    public Type? Body => Endpoint.Metadata.GetMetadata<IAcceptsMetadata>()?.RequestType;

    /// <summary>The query parameters.</summary>
    public IEnumerable<ParameterInfo> Query => Endpoint.Metadata.GetOrderedMetadata<IParameterBindingMetadata>()
        .Where(parameter => (parameter.HasTryParse || parameter.ParameterInfo.ParameterType == typeof(string)) && !parameter.HasBindAsync
            && Endpoint.RoutePattern.GetParameter(parameter.Name) is null)
        .Select(parameter => parameter.ParameterInfo);

    /// <summary>An address of the route, with 1 or an unknown id for each parameter.</summary>
    public string Address
    {
        get
        {
            var address = Template;
            foreach (var part in Endpoint.RoutePattern.Parameters)
            {
                var kind = part.ParameterPolicies.Select(policy => policy.Content).FirstOrDefault();
                var value = kind == "guid" ? "0199c2f0-5a3e-7c41-9d0b-3f8e6a1b2c4d" : "1";
                address = address.Replace($"{{{part.Name}:{kind}}}", value, StringComparison.Ordinal);
            }
            return address;
        }
    }

    /// <inheritdoc />
    public override string ToString() => $"{Method} {Template}";
}

/// <summary>A response.</summary>
public sealed record Reply(string Request, HttpStatusCode Status, string? MediaType, string Text, HttpResponseMessage Message)
{
    private JsonElement? Body => Text.StartsWith('{') ? JsonDocument.Parse(Text).RootElement : null;

    /// <summary>The problem's code.</summary>
    public string? Code => Body is { } body && body.TryGetProperty("code", out var code) ? code.GetString() : null;

    /// <summary>The members and parameters named in the problem.</summary>
    public IEnumerable<string> Named =>
        Body is { } body && body.TryGetProperty("errors", out var errors) ? errors.EnumerateObject().Select(error => error.Name) : [];

    /// <summary>The headers.</summary>
    public HttpResponseHeaders Headers => Message.Headers;

    /// <summary>Checks that the response is a problem without texts of the framework.</summary>
    public Reply IsProblem(int status, string? member = null, string? code = null)
    {
        Assert.True((int)Status == status, $"{this} instead of {status}");
        Assert.True(MediaType == "application/problem+json", $"{this} is not a problem");
        Assert.True(Body is { } body && body.TryGetProperty("traceId", out _) && body.TryGetProperty("detail", out _),
            $"{this} lacks members");
        Assert.True(Code is not null && (code is null || code == Code), $"{this} instead of {code}");
        Assert.True(member is null || Named.Contains(member), $"{this} does not name {member}");
        foreach (var word in Framework)
            Assert.DoesNotContain(word, Text, StringComparison.Ordinal);
        if (status is 429 or 503)
            Assert.NotNull(Message.Headers.RetryAfter);
        return this;
    }

    /// <inheritdoc />
    public override string ToString() => $"{Request}: {(int)Status} {MediaType} {Text}";

    private static readonly string[] Framework =
        ["System.", "Failed to", "parameter \"", "Implicit body", "could not be", "LineNumber", "BytePosition", "JSON property",
            "Exception", "Nullable<", "JSON value"];
}
