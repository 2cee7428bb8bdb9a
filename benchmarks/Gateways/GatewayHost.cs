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

/// <summary>A server in its own process. It writes its address as one line and stops when its input ends.</summary>
internal static class GatewayHost
{
    public const string Name = "gateway-host", Upstream = "upstream", Ours = "ours", Bare = "bare", Endpoint = "endpoint";

    /// <summary>The secret that the gateway sends to the services.</summary>
    public const string Secret = "secret of a benchmark";

    private static readonly string[] Clusters = ["orchestrator", "seats", "points", "queue"];

    public static Command CreateCommand()
    {
        var kind = new Argument<string>("kind");
        var keys = new Argument<string>("keys");
        var upstream = new Argument<string>("upstream");
        var command = new Command(Name) { kind, keys, upstream };
        command.Hidden = true;
        command.SetAction((parsed, _) => RunAsync(parsed.GetValue(kind)!, TokenFactory.Parse(parsed.GetValue(keys)!),
            parsed.GetValue(upstream)!));
        return command;
    }

    private static async Task<int> RunAsync(string kind, TokenFactory tokens, string upstream)
    {
        await using var app = kind switch
        {
            Upstream => BuildUpstream(tokens),
            Ours => BuildOurs(tokens, upstream),
            Bare => BuildBare(tokens, upstream),
            _ => BuildEndpoint(tokens)
        };
        await app.StartAsync();
        await Console.Out.WriteLineAsync(app.Urls.First());
        await Console.In.ReadToEndAsync();
        await app.StopAsync();
        return 0;
    }

    /// <summary>Replaces the services.</summary>
    private static WebApplication BuildUpstream(TokenFactory tokens)
    {
        var app = Empty().Build();
        app.MapGet("/internal/queue/snapshot", () =>
            Results.Json(tokens.Snapshot(TimeProvider.System.GetUtcNow()), GatewaysJson.Default.QueueSnapshot));
        app.MapGet("/api/concerts/{concertId:int}/schedules",
            (int concertId) => Results.Text("""{"items":[],"nextCursor":null}""", "application/json"));
        return app;
    }

    /// <summary>The gateway with one upstream for all routes. A second address after a comma is the upstream for seats.</summary>
    private static WebApplication BuildOurs(TokenFactory tokens, string upstream)
    {
        var addresses = upstream.Split(',');
        var all = addresses[0];
        var seats = addresses[^1];
        var builder = WebApplication.CreateBuilder(
        [
            "--urls=http://127.0.0.1:0", $"--Gateway:Secret={Secret}", "--Authentication:Demo:Enabled=true",
            $"--Authentication:Demo:Key={tokens.BearerKey}",
            // Each caller polls far more often than a customer would.
            "--RateLimits:Read:Burst=1000000", "--RateLimits:Read:PerSecond=1000000", "--RateLimits:Poll:Burst=1000000",
            "--RateLimits:Poll:PerSecond=1000000",
            .. Clusters.Select(cluster =>
                $"--ReverseProxy:Clusters:{cluster}:Destinations:one:Address={(cluster == "seats" ? seats : all)}")
        ]);
        builder.AddServiceDefaults("benchmark");
        builder.AddGateway();
        var app = builder.Build();
        app.UsePublicDefaults();
        app.MapGateway();
        return app;
    }

    /// <summary>The same process with only YARP and the framework's check of the bearer token.</summary>
    private static WebApplication BuildBare(TokenFactory tokens, string upstream)
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
            bearer.TokenValidationParameters = new()
            {
                ValidIssuer = TokenFactory.Issuer,
                ValidAudience = TokenFactory.Audience,
                IssuerSigningKey = tokens.BearerSecurityKey,
                NameClaimType = "sub"
            };
        });
        builder.Services.AddReverseProxy().LoadFromConfig(builder.Configuration.GetSection("ReverseProxy"));
        var app = builder.Build();
        app.UsePublicDefaults();
        app.UseAuthentication();
        app.UseAuthorization();
        app.MapReverseProxy();
        return app;
    }

    /// <summary>Returns the JSON of a poll without authentication.</summary>
    private static WebApplication BuildEndpoint(TokenFactory tokens)
    {
        var now = TimeProvider.System.GetUtcNow();
        var room = TokenFactory.Room(now);
        var token = tokens.Waiting("user-1", 500_000, now.UtcDateTime);
        var tokenId = Guid.CreateVersion7();
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
