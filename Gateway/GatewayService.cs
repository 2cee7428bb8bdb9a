using ConcertSaga.Gateway.Events;
using ConcertSaga.Gateway.Limits;
using ConcertSaga.Gateway.Proxy;
using ConcertSaga.Gateway.Queue;
using ConcertSaga.Gateway.Seats;
using ConcertSaga.Gateway.SignIn;
using MassTransit;
using Microsoft.Extensions.DependencyInjection.Extensions;
using OpenTelemetry.Metrics;

namespace ConcertSaga.Gateway;

/// <summary>
/// The public door: everything from outside comes through here and nothing else is open. It owns no data. The host adds the service
/// defaults before <see cref="AddGateway"/> and uses the public defaults before <see cref="MapGateway"/>.
/// </summary>
public static class GatewayService
{
    /// <summary>Registers the gateway. A setting that is missing or wrong throws <see cref="Shared.Hosting.StartupException"/>.</summary>
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
        builder.AddRefusalCounter();
        builder.DropCostlyMetrics();
        return builder;
    }

    /// <summary>
    /// Registers what listens for the gateway. On the bus of another host of the same process it feeds the same <see cref="WaitingRoom"/>
    /// and <see cref="SeatChanges"/>, which both hosts then register. Without a bus the gateway lives on the snapshots it reads.
    /// </summary>
    public static void AddGatewayListeners(this IBusRegistrationConfigurator bus)
    {
        bus.AddConsumer<QueueListener, QueueListenerDefinition>();
        bus.AddConsumer<SeatsListener, SeatsListenerDefinition>();
    }

    private static void AddWaitingRoom(this WebApplicationBuilder builder)
    {
        var services = builder.Services;
        services.TryAddSingleton<WaitingRoom>();
        services.AddSingleton<SnapshotReader>();
        services.AddHostedService(provider => provider.GetRequiredService<SnapshotReader>());
        services.AddHealthChecks().AddCheck<QueueKnowledgeCheck>("queue");
        services.AddSingleton<QueuePass>();
        services.AddSingleton<QueuePolls>();
        services.AddSingleton<QuickPolls>();
        services.AddSingleton<QueueEvents>();
    }

    private static void AddSeatMaps(this WebApplicationBuilder builder)
    {
        var services = builder.Services;
        services.TryAddSingleton<SeatChanges>();
        services.AddSingleton<ScheduleConcerts>();
        services.AddSingleton<SeatMaps>();
        services.AddSingleton<SeatEvents>();
    }

    private static void AddEventStreams(this WebApplicationBuilder builder)
    {
        // Its lines about a request's start and end have the whole address, with the tokens that event streams take there.
        builder.Logging.AddFilter("Microsoft.AspNetCore.Hosting.Diagnostics", LogLevel.Warning);
        builder.Services.AddSingleton<EventStreams>();
        builder.Services.AddHostedService(provider => provider.GetRequiredService<EventStreams>());
    }

    /// <summary>What the framework counts for every small piece of a request, and nobody asks for, is a good part of what a poll costs.</summary>
    private static void DropCostlyMetrics(this WebApplicationBuilder builder) =>
        builder.Services.ConfigureOpenTelemetryMeterProvider(metrics => metrics
            .AddView("aspnetcore.memory_pool.*", MetricStreamConfiguration.Drop)
            .AddView("aspnetcore.routing.match_attempts", MetricStreamConfiguration.Drop));

    /// <summary>
    /// Puts the steps in their order, cheap before expensive. The token is read before the rate limits, because a bucket belongs to a user
    /// only when the user is proven: a bare claim would let a stranger empty somebody else's bucket. Whoever proves nothing shares the
    /// bucket of their address. The quick way for polls makes the same checks, and leaves everything it would have to refuse to the steps below it.
    /// </summary>
    public static void MapGateway(this WebApplication app)
    {
        app.UseSecurityHeaders();
        app.UseAddressTokens();
        app.UseForwardedAddresses();
        app.UseRequestLimits();
        app.UseCrossOrigin();
        app.UseDemoSignInGuard();
        app.UseRouting();
        app.UseQuickPolls();
        app.UseRequestTimeouts();
        app.UseAuthentication();
        app.UseRateLimiter();
        app.UseAuthorization();
        app.MapDemoSignIn();
        app.MapDocumentation();
        app.MapProxy();
    }
}
