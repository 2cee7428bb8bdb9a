using ConcertSaga.Queue.Admission;
using ConcertSaga.Queue.Catalogue;
using ConcertSaga.Queue.Data;
using ConcertSaga.Queue.Gateways;
using ConcertSaga.Queue.Line;
using ConcertSaga.Queue.Rooms;
using ConcertSaga.Queue.Tokens;
using ConcertSaga.Shared.Hosting;
using ConcertSaga.Shared.Hosting.Background;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Shared.Hosting.Messaging;
using ConcertSaga.Shared.Hosting.Operators;
using MassTransit;
using Microsoft.Extensions.Options;

namespace ConcertSaga.Queue;

/// <summary>The table of contents of the waiting room service, which keeps the lines and admits customers.</summary>
public static class QueueService
{
    /// <summary>Registers the options, the database and the background work.</summary>
    public static IHostApplicationBuilder AddQueue(this IHostApplicationBuilder builder)
    {
        RoomRules.Check(builder.AddOptionsSection<QueueOptions>("Queue"));
        builder.Services.AddSingleton(new PaymentTime(builder.Configuration.Read(
            "Reservation:HoldDuration", TimeSpan.FromMinutes(5), TimeSpan.FromSeconds(1), TimeSpan.FromDays(1))));
        builder.Services.AddSingleton<BookingWatch>();
        builder.Services.AddSingleton<SoldOutConcerts>();
        builder.Services.AddSingleton<RoomDescriber>();
        builder.Services.AddSingleton<QueueMetrics>();
        builder.Services.AddSingleton<EntryWriter>();
        builder.Services.AddSingleton<TokenSigner>();
        builder.Services.AddSingleton<TokenViewFactory>();
        builder.Services.AddScoped<EntryUpdater>();
        builder.Services.AddCommandGroups<PurchasedPasses>();
        builder.Services.AddHealthChecks().AddCheck<WaitingRoomCheck>("waiting-rooms");
        builder.Services.AddHostedSingleton<KeyRing>().AddHostedSingleton<ConcertCatalogue>()
            .AddHostedSingleton<GatewayAnnouncer>().AddHostedSingleton<RoomHeartbeat>().AddHostedSingleton<ClockRepair>()
            .AddHostedSingleton<AdmissionLoop>().AddHostedSingleton<RoomSampler>().AddHostedSingleton<PurchaseReconciliation>()
                .AddHostedSingleton<EntryCleaner>()
            .AddHostedSingleton<OperatorActionCleaner<QueueDbContext>>();
        return builder.AddDatabase<QueueDbContext, SqliteQueueDbContext, PostgreSqlQueueDbContext, SqlServerQueueDbContext>("Queue");
    }

    /// <summary>Registers the consumers of other services' events.</summary>
    public static void AddQueueConsumers(this IBusRegistrationConfigurator bus)
    {
        bus.AddConsumer<ReservationConfirmedConsumer, ReservationConfirmedConsumerDefinition>();
        bus.AddConsumer<ConcertPublishedConsumer, ConcertPublishedConsumerDefinition>();
        bus.AddConsumer<BookingReportedConsumer, BookingReportedConsumerDefinition>();
    }

    /// <summary>Maps the routes for customers, gateways and operators.</summary>
    public static void MapQueue(this IEndpointRouteBuilder routes)
    {
        routes.MapTokens();
        routes.MapSnapshot();
        routes.MapRooms();
        routes.MapWaitingRoomOverview();
        routes.MapQueueFacts();
        routes.MapQueueEntryErasure();
        routes.MapOperatorActions<QueueDbContext>("queue");
    }

    /// <summary>Stops the start of a standalone process that lacks the addresses of the other services.</summary>
    public static Task RequireAddresses(IServiceProvider services, CancellationToken cancellationToken) =>
        services.GetRequiredService<IOptions<QueueOptions>>().Value switch
        {
            { SeatsAddress: null } => throw new StartupException(
                "Queue:SeatsAddress is missing; allowed: the absolute address of the seats service, such as http://seats:8080."),
            { OrchestratorAddress: null } => throw new StartupException(
                "Queue:OrchestratorAddress is missing; allowed: the absolute address of the orchestrator, such as "
                    + "http://orchestrator:8080."),
            _ => Task.CompletedTask
        };
}
