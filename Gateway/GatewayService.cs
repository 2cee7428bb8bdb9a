using ConcertSaga.Gateway.Docs;
using ConcertSaga.Gateway.Events;
using ConcertSaga.Gateway.Http;
using ConcertSaga.Gateway.Limits;
using ConcertSaga.Gateway.Pages;
using ConcertSaga.Gateway.Proxy;
using ConcertSaga.Gateway.Queue;
using ConcertSaga.Gateway.Rejections;
using ConcertSaga.Gateway.Seats;
using ConcertSaga.Gateway.SignIn;
using ConcertSaga.Shared.Hosting.Background;
using ConcertSaga.Shared.Hosting.Http;
using MassTransit;
using Microsoft.Extensions.DependencyInjection.Extensions;
using OpenTelemetry.Metrics;

namespace ConcertSaga.Gateway;

/// <summary>
/// The gateway: the only public service, which owns no data. The host adds the service defaults before <see cref="AddGateway"/> and uses
/// the public defaults before <see cref="MapGateway"/>.
/// </summary>
public static class GatewayService
{
    /// <summary>Registers the gateway. A missing or invalid setting throws <see cref="Shared.Hosting.StartupException"/>.</summary>
    public static WebApplicationBuilder AddGateway(this WebApplicationBuilder builder)
    {
        builder.AddRequestLimits();
        builder.AddForwardedAddresses();
        builder.AddCrossOrigin();
        builder.AddRateLimits();
        builder.AddBearerTokens();
        builder.AddProxy();
        builder.AddWaitingRoom();
        builder.AddSeatMaps();
        builder.AddEventStreams();
        builder.AddServerRejections();
        builder.AddRefusalCounter();
        builder.AddDocumentCompression();
        builder.AddStorefront();
        builder.AddQuietLogs();
        builder.DropCostlyMetrics();
        return builder;
    }

    /// <summary>
    /// Registers the gateway's consumers. If another host in the same process has the bus, both hosts must register the same
    /// <see cref="RoomDirectory"/> and <see cref="SeatChangeFeed"/>. Without a bus, the gateway relies on snapshots.
    /// </summary>
    public static void AddGatewayListeners(this IBusRegistrationConfigurator bus)
    {
        bus.AddConsumer<QueueListener, QueueListenerDefinition>();
        bus.AddConsumer<SeatsListener, SeatsListenerDefinition>();
    }

    private static void AddWaitingRoom(this WebApplicationBuilder builder)
    {
        var services = builder.Services;
        services.TryAddSingleton<RoomDirectory>();
        services.AddHostedSingleton<SnapshotReader>();
        services.AddHostedSingleton<QueueMonitor>();
        services.AddSingleton<QueueHealthCheck>().AddHealthChecks().AddCheck<QueueHealthCheck>("queue");
        services.AddSingleton<ConcertLookup>();
        services.AddSingleton<QueueTokenCheck>();
        services.AddSingleton<QueuePollHandler>();
        services.AddSingleton<QuickPollHandler>();
        services.AddSingleton<QueueStreamHandler>();
    }

    private static void AddSeatMaps(this WebApplicationBuilder builder)
    {
        var services = builder.Services;
        services.TryAddSingleton<SeatChangeFeed>();
        services.AddSingleton<SeatMapFetcher>();
        services.AddSingleton<SeatStreamHandler>();
    }

    private static void AddEventStreams(this WebApplicationBuilder builder)
    {
        // These lines contain the whole address, and that of an event stream contains tokens.
        builder.Logging.AddFilter("Microsoft.AspNetCore.Hosting.Diagnostics", LogLevel.Warning);
        builder.Services.AddHostedSingleton<EventStreamRegistry>();
    }

    /// <summary>Drops unused metrics of the framework, because recording them takes a considerable part of the time of a poll.</summary>
    private static void DropCostlyMetrics(this WebApplicationBuilder builder) =>
        builder.Services.ConfigureOpenTelemetryMeterProvider(metrics => metrics
            .AddView("aspnetcore.memory_pool.*", MetricStreamConfiguration.Drop)
            .AddView("aspnetcore.routing.match_attempts", MetricStreamConfiguration.Drop));

    /// <summary>
    /// Adds the steps in their order, cheap ones first. The rate limits follow the authentication: otherwise a caller could use up the
    /// bucket of another user with a forged token. A caller without a valid token shares the bucket of its address. The quick path for
    /// polls makes the same checks, and leaves every refusal to the steps after it.
    /// </summary>
    public static void MapGateway(this WebApplication app)
    {
        app.UseServerRejections();
        app.UseSecurityHeaders();
        // Before every step that can refuse, so that a page of another origin can read each refusal.
        app.UseCrossOrigin();
        app.UseClientDisconnect();
        app.UseHeadAsGet();
        app.UseAddressTokens();
        app.UseForwardedAddresses();
        app.UseRequestLimits();
        app.UseDocumentCompression();
        app.UseDemoSignInGuard();
        app.UseRouting();
        app.UseQuickPolls();
        app.UseRequestTimeouts();
        app.UseAuthentication();
        app.UseCsrfCheck();
        app.UseRateLimiter();
        app.UseAuthorization();
        app.UseRequestChecks();
        app.MapDemoSignIn();
        app.MapSessions();
        app.MapApiReference();
        app.MapStorefront();
        app.MapProxy();
    }
}
