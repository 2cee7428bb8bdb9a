using ConcertSaga.DataPlatform.Data;
using ConcertSaga.DataPlatform.Dispatch;
using ConcertSaga.DataPlatform.Intake;
using ConcertSaga.DataPlatform.Operations;
using ConcertSaga.Shared.Hosting;
using ConcertSaga.Shared.Hosting.Background;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Shared.Hosting.Operators;
using MassTransit;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Options;

namespace ConcertSaga.DataPlatform;

/// <summary>
/// Composes the relay, which notifies the external data platform of confirmed reservations, and of those that are cancelled afterwards.
/// </summary>
public static class DataPlatformService
{
    /// <summary>Registers the options, the database and the background tasks.</summary>
    public static IHostApplicationBuilder AddDataPlatform(this IHostApplicationBuilder builder)
    {
        var options = builder.AddOptionsSection<DataPlatformOptions>("DataPlatform");
        options.Check();
        builder.Services.AddSingleton(new Signer(options.Secrets));
        builder.Services.AddSingleton(new AddressPolicy(options.AllowedNetworks));
        builder.Services.AddSingleton<RelayMetrics>();
        builder.Services.AddSingleton<Breaker>();
        builder.Services.AddSingleton<Sender>();
        builder.Services.AddSingleton<AttemptJudge>();
        builder.Services.AddSingleton<OutcomeWriter>();
        builder.Services.AddSingleton<EventIntake>();
        builder.Services.AddHostedSingleton<InstantRepair>().AddHostedSingleton<Dispatcher>().AddHostedSingleton<Reconciliation>()
            .AddHostedSingleton<DeliveryCounter>().AddHostedSingleton<DeliveryCleaner>()
            .AddHostedSingleton<OperatorActionCleaner<DataPlatformDbContext>>();
        builder.Services.AddHealthChecks().AddCheck<DestinationHealth>("destination", HealthStatus.Degraded);
        return builder.AddDatabase<DataPlatformDbContext, SqliteDataPlatformDbContext, PostgreSqlDataPlatformDbContext,
            SqlServerDataPlatformDbContext>("DataPlatform");
    }

    /// <summary>Registers the message handlers.</summary>
    public static void AddDataPlatformConsumers(this IBusRegistrationConfigurator bus)
    {
        bus.AddConsumer<ReservationConfirmedConsumer, ReservationConfirmedConsumerDefinition>();
        bus.AddConsumer<ReservationCancelledConsumer, ReservationCancelledConsumerDefinition>();
    }

    /// <summary>Maps the routes of operators and of other services.</summary>
    public static void MapDataPlatform(this IEndpointRouteBuilder routes)
    {
        routes.MapDestination();
        routes.MapDeliveries();
        routes.MapDeliveryCheck();
        routes.MapDeliveryBulk();
        routes.MapRelayOverview();
        routes.MapDeliveryFacts();
        routes.MapDeliveryErasure();
        routes.MapOperatorActions<DataPlatformDbContext>("dataplatform");
    }

    /// <summary>
    /// Stops the start of a standalone process without a destination, a secret or the orchestrator's address.
    /// </summary>
    public static Task RequireSettings(IServiceProvider services, CancellationToken cancellationToken)
    {
        var options = services.GetRequiredService<IOptions<DataPlatformOptions>>().Value;
        return options switch
        {
            { Destination: null } =>
                throw new StartupException(
                    "DataPlatform:Destination is missing; allowed: the absolute address that receives deliveries, such as "
                    + "https://platform.example/reservations."),
            { Secrets: [] } => throw new StartupException($"DataPlatform:Secrets is missing; allowed: {Signer.Allowed}."),
            { OrchestratorAddress: null } =>
                throw new StartupException(
                    "DataPlatform:OrchestratorAddress is missing; allowed: the absolute address of the orchestrator, such as "
                    + "http://orchestrator:8080."),
            _ => Task.CompletedTask
        };
    }
}
