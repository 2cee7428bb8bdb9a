using ConcertSaga.Gateway.Tests.Hosts;
using ConcertSaga.Shared.Hosting;

namespace ConcertSaga.Gateway.Tests;

public sealed class StartupTests
{
    [Theory]
    [InlineData("Authentication:Authority is missing", "--Authentication:Demo:Enabled=false")]
    [InlineData("Authentication:Audience is missing", "--Authentication:Demo:Enabled=false", "--Authentication:Authority=https://login.example")]
    [InlineData("Authentication:Authority is 'http://login.example", "--Authentication:Demo:Enabled=false", "--Authentication:Authority=http://login.example")]
    [InlineData("Authentication:Demo:Enabled is 'true' beside", "--Authentication:Authority=https://login.example")]
    [InlineData("Authentication:Demo:Enabled is 'perhaps'; allowed: true, false", "--Authentication:Demo:Enabled=perhaps")]
    [InlineData("Authentication:Demo:Key is too short", "--Authentication:Demo:Key=c2hvcnQ=")]
    [InlineData("Authentication:Demo:Key is too short or not base64", "--Authentication:Demo:Key=#")]
    [InlineData("Authentication:Demo:Enable is not a setting", "--Authentication:Demo:Enable=true")]
    [InlineData("Authentication:Schemes is not a setting", "--Authentication:Schemes:Bearer:ValidAudience=x")]
    [InlineData("RateLimits:Poll:Burst is '0'", "--RateLimits:Poll:Burst=0")]
    [InlineData("RateLimits:Pool is not a setting", "--RateLimits:Pool:Burst=1")]
    [InlineData("RateLimits:Poll is '5'", "--RateLimits:Poll=5")]
    [InlineData("Limits:UpstreamTimeout is 'soon'", "--Limits:UpstreamTimeout=soon")]
    [InlineData("Limits:MaxBodyBytes is '1'", "--Limits:MaxBodyBytes=1")]
    [InlineData("Cors:Origins has 'tickets.example'", "--Cors:Origins=tickets.example")]
    [InlineData("Cors:Origins has 'https://tickets.example/'", "--Cors:Origins:0=https://tickets.example/")]
    [InlineData("ForwardedHeaders:KnownProxies has 'balancer'", "--ForwardedHeaders:KnownProxies=balancer")]
    [InlineData("ASPNETCORE_FORWARDEDHEADERS_ENABLED is 'true'", "--ForwardedHeaders_Enabled=true")]
    [InlineData("ReverseProxy:Clusters:seats:Destinations:one:Address is 'seats'", "--ReverseProxy:Clusters:seats:Destinations:one:Address=seats")]
    [InlineData("ReverseProxy:Clusters:seats:Destinations:one:Address is missing", "--ReverseProxy:Clusters:seats:Destinations:one:Address=")]
    [InlineData("ReverseProxy:Routes:points:ClusterId is 'point'; allowed: dataplatform, orchestrator, points, queue, seats", "--ReverseProxy:Routes:points:ClusterId=point")]
    [InlineData("ReverseProxy:Routes:pay:Metadata:QueueToken is 'Paid'; allowed: Any, Book, Pay", "--ReverseProxy:Routes:pay:Metadata:QueueToken=Paid")]
    [InlineData("ReverseProxy:Routes:pay:Metadata:QueueToken is ''", "--ReverseProxy:Routes:pay:Metadata:QueueToken=")]
    [InlineData("ReverseProxy:Routes:seats:Metadata:AnsweredBy is 'Me'", "--ReverseProxy:Routes:seats:Metadata:AnsweredBy=Me")]
    [InlineData("Limits:MaxEventStreams is '0'", "--Limits:MaxEventStreams=0")]
    public void Start_WrongSetting_StopsWithOneLine(string line, params string[] settings)
    {
        var failure = Assert.Throws<StartupException>(() => GatewayHost.Builder(settings).AddGateway());

        Assert.StartsWith(line, failure.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', failure.Message);
    }

    [Theory]
    [InlineData("ReverseProxy is wrong: ", "--ReverseProxy:Routes:points:RateLimiterPolicy=Reed")]
    [InlineData("ReverseProxy is wrong: ", "--ReverseProxy:Routes:points:AuthorizationPolicy=Nobody")]
    [InlineData("ReverseProxy is wrong: ", "--ReverseProxy:Routes:points:Match:Path={points")]
    public async Task Start_WrongRoute_StopsWithOneLine(string line, string setting)
    {
        var failure = await Assert.ThrowsAsync<StartupException>(() => GatewayHost.StartAsync("http://127.0.0.1:1", null, setting));

        Assert.StartsWith(line, failure.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', failure.Message);
    }

    [Fact]
    public void Routes_AsShipped_SayTheirMethodsAndRateLimits()
    {
        var builder = GatewayHost.Builder([]);
        builder.AddGateway();
        var routes = builder.Configuration.GetSection("ReverseProxy:Routes").GetChildren().ToArray();

        Assert.Equal(18, routes.Length);
        Assert.All(routes, route =>
        {
            Assert.NotEmpty(route.GetSection("Match:Methods").GetChildren());
            Assert.Contains(route["RateLimiterPolicy"], new[] { "Read", "Poll", "Booking", "Queue" });
            Assert.Contains(route["Metadata:QueueToken"], new[] { null, "Any", "Book", "Pay" });
            Assert.True(!route["Match:Path"]!.Contains('*', StringComparison.Ordinal) || route["AuthorizationPolicy"] == "Ops", route.Key);
            Assert.True(route["AuthorizationPolicy"] is null or "Ops" || route.Key == "concerts");
        });
    }
}
