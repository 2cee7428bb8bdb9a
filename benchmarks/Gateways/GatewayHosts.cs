using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Serialization;
using ConcertSaga.Contracts.Queue;
using ConcertSaga.Gateway;
using ConcertSaga.Shared.Hosting;
using Microsoft.AspNetCore.Authentication.JwtBearer;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace ConcertSaga.Benchmarks.Gateways;

[JsonSourceGenerationOptions(JsonSerializerDefaults.Web)]
[JsonSerializable(typeof(QueueTokenView))]
[JsonSerializable(typeof(QueueSnapshot))]
internal sealed partial class GatewaysJson : JsonSerializerContext;

/// <summary>One server in a process of its own: it writes its address in a line, and ends with its input.</summary>
internal static class GatewayHosts
{
    public const string Name = "gateway-host", Upstream = "upstream", Ours = "ours", Bare = "bare", Endpoint = "endpoint";

    /// <summary>What the gateway shows the services.</summary>
    public const string Secret = "secret of a benchmark";

    private static readonly string[] Clusters = ["orchestrator", "seats", "points", "queue"];

    public static Command CreateCommand()
    {
        var kind = new Argument<string>("kind");
        var keys = new Argument<string>("keys");
        var upstream = new Argument<string>("upstream");
        var command = new Command(Name) { kind, keys, upstream };
        command.Hidden = true;
        command.SetAction((parsed, _) => RunAsync(parsed.GetValue(kind)!, Tickets.Parse(parsed.GetValue(keys)!), parsed.GetValue(upstream)!));
        return command;
    }

    private static async Task<int> RunAsync(string kind, Tickets tickets, string upstream)
    {
        await using var app = kind switch
        {
            Upstream => BuildUpstream(tickets),
            Ours => BuildOurs(tickets, upstream),
            Bare => BuildBare(tickets, upstream),
            _ => BuildEndpoint(tickets)
        };
        await app.StartAsync();
        await Console.Out.WriteLineAsync(app.Urls.First());
        await Console.In.ReadToEndAsync();
        await app.StopAsync();
        return 0;
    }

    /// <summary>Stands in for the services.</summary>
    private static WebApplication BuildUpstream(Tickets tickets)
    {
        var app = Empty().Build();
        app.MapGet("/internal/queue/snapshot", () => Results.Json(tickets.Snapshot(TimeProvider.System.GetUtcNow()), GatewaysJson.Default.QueueSnapshot));
        app.MapGet("/api/concerts/{concertId:int}/schedules", (int concertId) => Results.Text("""{"items":[],"nextCursor":null}""", "application/json"));
        return app;
    }

    /// <summary>The gateway before one upstream for all; or, with a second address after a comma, before that one for seats.</summary>
    private static WebApplication BuildOurs(Tickets tickets, string upstream)
    {
        var (all, seats) = upstream.Split(',') is [var first, var second] ? (first, second) : (upstream, upstream);
        var builder = WebApplication.CreateBuilder(
        [
            "--urls=http://127.0.0.1:0", $"--Gateway:Secret={Secret}", "--Authentication:Demo:Enabled=true", $"--Authentication:Demo:Key={tickets.BearerKey}",
            // Few callers ask far more often than people do.
            "--RateLimits:Read:Burst=1000000", "--RateLimits:Read:PerSecond=1000000", "--RateLimits:Poll:Burst=1000000", "--RateLimits:Poll:PerSecond=1000000",
            .. Clusters.Select(cluster => $"--ReverseProxy:Clusters:{cluster}:Destinations:one:Address={(cluster == "seats" ? seats : all)}")
        ]);
        builder.AddServiceDefaults("benchmark");
        builder.AddGateway();
        var app = builder.Build();
        app.UsePublicDefaults();
        app.MapGateway();
        return app;
    }

    /// <summary>The same process with YARP and the framework's own check of the bearer token, and nothing else.</summary>
    private static WebApplication BuildBare(Tickets tickets, string upstream)
    {
        var builder = WebApplication.CreateBuilder(["--urls=http://127.0.0.1:0", $"--Gateway:Secret={Secret}"]);
        builder.AddServiceDefaults("benchmark");
        builder.Logging.AddFilter("Yarp", LogLevel.Warning);
        builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["ReverseProxy:Routes:all:ClusterId"] = "one",
            ["ReverseProxy:Routes:all:Match:Path"] = "{**path}",
            ["ReverseProxy:Routes:all:AuthorizationPolicy"] = "Default",
            ["ReverseProxy:Clusters:one:Destinations:one:Address"] = upstream
        });
        builder.Services.AddAuthorization();
        builder.Services.AddAuthentication(JwtBearerDefaults.AuthenticationScheme).AddJwtBearer(bearer =>
        {
            bearer.MapInboundClaims = false;
            bearer.TokenValidationParameters = new() { ValidIssuer = Tickets.Issuer, ValidAudience = Tickets.Audience, IssuerSigningKey = tickets.BearerSecurityKey, NameClaimType = "sub" };
        });
        builder.Services.AddReverseProxy().LoadFromConfig(builder.Configuration.GetSection("ReverseProxy"));
        var app = builder.Build();
        app.UsePublicDefaults();
        app.UseAuthentication();
        app.UseAuthorization();
        app.MapReverseProxy();
        return app;
    }

    /// <summary>The JSON of a poll, without asking who wants it.</summary>
    private static WebApplication BuildEndpoint(Tickets tickets)
    {
        var now = TimeProvider.System.GetUtcNow();
        var (room, token, tokenId) = (Tickets.Room(now), tickets.Waiting("user-1", 500_000, now.UtcDateTime), Guid.CreateVersion7());
        var app = Empty().Build();
        app.MapGet("/api/queue/tokens/current", context => context.Response.WriteAsJsonAsync(
            QueueTokenView.Waiting(token, tokenId, 500_000, now.AddHours(2), room, 20_000, now, 0), GatewaysJson.Default.QueueTokenView));
        return app;
    }

    private static WebApplicationBuilder Empty()
    {
        var builder = WebApplication.CreateSlimBuilder(["--urls=http://127.0.0.1:0"]);
        builder.Logging.ClearProviders();
        return builder;
    }
}
