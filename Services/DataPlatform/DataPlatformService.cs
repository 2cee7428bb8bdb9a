using ConcertSaga.DataPlatform.Consumers;
using ConcertSaga.DataPlatform.Data;
using ConcertSaga.DataPlatform.Domain;
using ConcertSaga.DataPlatform.Endpoints;
using ConcertSaga.Shared.Hosting;
using ConcertSaga.Shared.Hosting.Databases;
using MassTransit;
using Microsoft.Extensions.Options;

namespace ConcertSaga.DataPlatform;

/// <summary>The relay: tells the outside data platform of every reservation that was confirmed, and of those that were given back afterwards.</summary>
public static class DataPlatformService
{
    private static readonly TimeSpan LeastBesideTheTimeout = TimeSpan.FromSeconds(5);

    /// <summary>Registers the options, the database and everything that runs by itself.</summary>
    public static IHostApplicationBuilder AddDataPlatform(this IHostApplicationBuilder builder)
    {
        var options = builder.AddOptionsSection<DataPlatformOptions>("DataPlatform");
        // With less nothing would ever be sent.
        if (options.LeaseDuration < options.Timeout + LeastBesideTheTimeout)
            throw new StartupException($"DataPlatform:LeaseDuration is '{options.LeaseDuration}'; allowed: at least five seconds more than DataPlatform:Timeout.");
        builder.Services.AddSingleton(new Signer(options.Secrets));
        builder.Services.AddSingleton(new AddressPolicy(options.AllowedNetworks));
        builder.Services.AddSingleton<RelayMetrics>();
        builder.Services.AddSingleton<Breaker>();
        builder.Services.AddSingleton<Sender>();
        builder.Services.AddSingleton<OutcomeWriter>();
        builder.Services.AddSingleton<Intake>();
        builder.Services.AddRunning<Dispatcher>().AddRunning<Reconciliation>().AddRunning<DeliveryCounts>().AddRunning<DeliveryCleaner>();
        return builder.AddDatabase<DataPlatformDbContext, SqliteDataPlatformDbContext, PostgreSqlDataPlatformDbContext, SqlServerDataPlatformDbContext>("DataPlatform");
    }

    /// <summary>Registers the handlers of what becomes of reservations.</summary>
    public static void AddDataPlatformConsumers(this IBusRegistrationConfigurator bus)
    {
        bus.AddConsumer<ReservationConfirmedConsumer, ReservationConfirmedConsumerDefinition>();
        bus.AddConsumer<ReservationCancelledConsumer, ReservationCancelledConsumerDefinition>();
    }

    /// <summary>Maps what operators do.</summary>
    public static void MapDataPlatform(this IEndpointRouteBuilder routes)
    {
        routes.MapDestination();
        routes.MapDeliveries();
    }

    /// <summary>Stops the start of a process by itself that does not know whom to tell, with which secret, or where the outcomes come from.</summary>
    public static Task RequireSettings(IServiceProvider services, CancellationToken cancellationToken)
    {
        var options = services.GetRequiredService<IOptions<DataPlatformOptions>>().Value;
        return options switch
        {
            { Destination: null } => throw new StartupException("DataPlatform:Destination is missing; allowed: the absolute address deliveries are posted to, such as https://platform.example/reservations."),
            { Secrets: [] } => throw new StartupException($"DataPlatform:Secrets is missing; allowed: {Signer.Allowed}."),
            { OrchestratorAddress: null } => throw new StartupException("DataPlatform:OrchestratorAddress is missing; allowed: the absolute address of the orchestrator, such as http://orchestrator:8080."),
            { Destination.Scheme: not "https", AllowedNetworks: [] } => throw new StartupException("DataPlatform:Destination is not https; allowed: an https address, or one in DataPlatform:AllowedNetworks."),
            _ => Task.CompletedTask
        };
    }

    private static IServiceCollection AddRunning<T>(this IServiceCollection services)
        where T : class, IHostedService =>
        services.AddSingleton<T>().AddHostedService(provider => provider.GetRequiredService<T>());
}
