using ConcertSaga.Gateway.Tests.Hosts;
using ConcertSaga.Shared.Hosting;

namespace ConcertSaga.Gateway.Tests;

public sealed class StartupTests
{
    [Theory]
    [InlineData("Authentication:Authority is missing", "--Authentication:Demo:Enabled=false")]
    [InlineData("Authentication:Audience is missing", "--Authentication:Demo:Enabled=false",
        "--Authentication:Authority=https://login.example")]
    [InlineData("Authentication:Authority is 'http://login.example", "--Authentication:Demo:Enabled=false",
        "--Authentication:Authority=http://login.example")]
    [InlineData("Authentication:Demo:Enabled is 'true' beside", "--Authentication:Authority=https://login.example")]
    [InlineData("Authentication:Demo:Enabled is 'perhaps'; allowed: true, false", "--Authentication:Demo:Enabled=perhaps")]
    [InlineData("Authentication:Demo:Key is too short", "--Authentication:Demo:Key=c2hvcnQ=")]
    [InlineData("Authentication:Demo:Key is too short or not base64", "--Authentication:Demo:Key=#")]
    [InlineData("Authentication:Demo:Enable is not a setting", "--Authentication:Demo:Enable=true")]
    [InlineData("Authentication:Schemes is not a setting", "--Authentication:Schemes:Bearer:ValidAudience=x")]
    [InlineData("Authentication:Pages:KeyFolder is missing", "--Authentication:Demo:Enabled=false",
        "--Authentication:Authority=https://login.example", "--Authentication:Audience=tickets", "--Authentication:Pages:ClientId=gateway")]
    [InlineData("Authentication:Pages:ClientId is missing", "--Authentication:Demo:Enabled=false",
        "--Authentication:Authority=https://login.example", "--Authentication:Audience=tickets", "--Authentication:Pages:ClientSecret=x")]
    [InlineData("Authentication:Pages:SessionLifetime is '02:00:00'", "--Authentication:Pages:SessionLifetime=02:00:00")]
    [InlineData("Authentication:Pages:KeyFolder is '/proc/concertsaga', which cannot be used",
        "--Authentication:Pages:KeyFolder=/proc/concertsaga")]
    [InlineData("RateLimits:Poll:Burst is '0'", "--RateLimits:Poll:Burst=0")]
    [InlineData("RateLimits:Pool is not a setting", "--RateLimits:Pool:Burst=1")]
    [InlineData("RateLimits:Poll is '5'", "--RateLimits:Poll=5")]
    [InlineData("Limits:UpstreamTimeout is 'soon'", "--Limits:UpstreamTimeout=soon")]
    [InlineData("Limits:MaxBodyBytes is '1'", "--Limits:MaxBodyBytes=1")]
    [InlineData("Cors:Origins has 'tickets.example'", "--Cors:Origins=tickets.example")]
    [InlineData("Cors:Origins has 'https://tickets.example/'", "--Cors:Origins:0=https://tickets.example/")]
    [InlineData("Cors:Origins has '*' beside other origins", "--Cors:Origins=*,https://tickets.example")]
    [InlineData("Cors:Origins has ''", "--Cors:Origins:0=")]
    [InlineData("Cors:Origins:one is not a setting", "--Cors:Origins:one=https://tickets.example")]
    [InlineData("Cors:Origin is not a setting; allowed: Cors:Origins.", "--Cors:Origin=https://tickets.example")]
    [InlineData("Cors is '*'", "--Cors=*")]
    [InlineData("ForwardedHeaders:KnownProxies has '10.1'", "--ForwardedHeaders:KnownProxies=10.1")]
    [InlineData("ForwardedHeaders:KnownProxies has '10.0.0'", "--ForwardedHeaders:KnownProxies=10.0.0")]
    [InlineData("ForwardedHeaders:KnownProxies has '10.0.0.7/8'", "--ForwardedHeaders:KnownProxies=10.0.0.7/8")]
    [InlineData("ForwardedHeaders:KnownProxies has '10.0.0.0/33'", "--ForwardedHeaders:KnownProxies=10.0.0.0/33")]
    [InlineData("ForwardedHeaders:KnownProxies has 'http://x'", "--ForwardedHeaders:KnownProxies=http://x")]
    [InlineData("ForwardedHeaders:KnownProxy is not a setting", "--ForwardedHeaders:KnownProxy=10.0.0.7")]
    [InlineData("ForwardedHeaders_Enabled is 'perhaps'; allowed: true, false", "--ForwardedHeaders_Enabled=perhaps")]
    [InlineData("ForwardedHeaders:KnownProxies has 'balancer'", "--ForwardedHeaders:KnownProxies=balancer")]
    [InlineData("ASPNETCORE_FORWARDEDHEADERS_ENABLED is 'true'", "--ForwardedHeaders_Enabled=true")]
    [InlineData("ReverseProxy:Routes:pay:Metadata:QueueToken is 'Paid'; allowed: Any, Book, Pay",
        "--ReverseProxy:Routes:pay:Metadata:QueueToken=Paid")]
    [InlineData("ReverseProxy:Routes:pay:Metadata:QueueToken is ''", "--ReverseProxy:Routes:pay:Metadata:QueueToken=")]
    [InlineData("ReverseProxy:Routes:pay:Metadata:Repeatable is 'True'; allowed: false, true",
        "--ReverseProxy:Routes:pay:Metadata:Repeatable=True")]
    [InlineData("ReverseProxy:Routes:seats:Metadata:Repeatable is 'true'", "--ReverseProxy:Routes:seats:Metadata:Repeatable=true")]
    [InlineData("ReverseProxy:Routes:charge:Metadata:Repeatable is 'true'", "--ReverseProxy:Routes:charge:Metadata:Repeatable=true")]
    [InlineData("ReverseProxy:Routes:seats:Metadata:AnsweredBy is 'Me'", "--ReverseProxy:Routes:seats:Metadata:AnsweredBy=Me")]
    [InlineData("Limits:MaxBody is not a setting", "--Limits:MaxBody=1")]
    [InlineData("Limits:MaxHeaderCount is 'many'; allowed: a whole number", "--Limits:MaxHeaderCount=many")]
    [InlineData("Limits:MaxEventStreams is '0'", "--Limits:MaxEventStreams=0")]
    public void Start_WithAnInvalidSetting_FailsWithOneLine(string line, params string[] settings)
    {
        var failure = Assert.Throws<StartupException>(() => GatewayHost.Builder(settings).AddGateway());

        Assert.StartsWith(line, failure.Message, StringComparison.Ordinal);
        Assert.Contains("; allowed: ", failure.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', failure.Message);
    }

    [Fact]
    public void Routes_AsShipped_DeclareMethodsAndRateLimits()
    {
        var builder = GatewayHost.Builder([]);
        builder.AddGateway();
        var routes = builder.Configuration.GetSection("ReverseProxy:Routes").GetChildren().ToArray();

        Assert.Equal(54, routes.Length);
        Assert.All(routes, route =>
        {
            Assert.NotEmpty(route.GetSection("Match:Methods").GetChildren());
            Assert.Contains(route["RateLimiterPolicy"], new[] { "Read", "Poll", "Booking", "Queue" });
            Assert.Contains(route["Metadata:QueueToken"], new[] { null, "Any", "Book", "Pay" });
            // Each path has its own methods, so that Allow lists exactly those.
            Assert.DoesNotContain('*', route["Match:Path"]!);
            Assert.True(route["AuthorizationPolicy"] is null or "Ops" or "Console"
                || route.Key is "concerts" or "ticket-keys" or "tickets-revoked");
        });
    }
}
