using ConcertSaga.Orchestrator.Operations;
using ConcertSaga.Orchestrator.Reservations;
using ConcertSaga.Orchestrator.Tickets;
using ConcertSaga.Shared.Hosting;
using ConcertSaga.Shared.Hosting.Background;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Shared.Hosting.Messaging;
using ConcertSaga.Shared.Hosting.Operators;
using MassTransit;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Options;

namespace ConcertSaga.Orchestrator;

/// <summary>Registers the orchestrator, which owns the state of every reservation and drives it through its steps.</summary>
public static class OrchestratorService
{
    /// <summary>Registers the database, the background work and the services of the endpoints.</summary>
    public static IHostApplicationBuilder AddOrchestrator(this IHostApplicationBuilder builder)
    {
        builder.AddOptionsSection<ReservationOptions>("Reservation");
        builder.Services.AddSingleton(TicketKeys.Read(builder.AddOptionsSection<TicketOptions>("Tickets").KeyFile));
        builder.Services.AddSingleton(new SeatLimit(builder.Configuration.Read("Seats:MaxPerReservation", 4, 1, 50)));
        builder.AddDatabase<OrchestratorDbContext,
            SqliteOrchestratorDbContext, PostgreSqlOrchestratorDbContext, SqlServerOrchestratorDbContext>(
            "Orchestrator", (services, options) => options.AddInterceptors(services.GetRequiredService<AnswerSignal>()));
        builder.Services.AddSingleton<ReservationSteps>();
        builder.Services.AddSingleton<AnswerSignal>();
        builder.Services.AddCommandGroups<ReservationAdmission>();
        builder.Services.AddScoped<AnswerWaiter>();
        builder.Services.AddSingleton<RefusalLimit>();
        builder.Services.AddSingleton<ScheduleClient>();
        builder.Services.AddSingleton<DeliveryClient>();
        builder.Services.AddSingleton<MessageBacklog>();
        builder.Services.AddSingleton<ReservationOverviewReader>();
        builder.Services.AddHostedSingleton<BookingGate>().AddHostedSingleton<DeadlineSweeper>().AddHostedSingleton<DeadlineRepair>()
            .AddHostedSingleton<UnpaidCleaner>().AddHostedSingleton<FinishedCleaner>().AddHostedSingleton<ReservationCounter>()
            .AddHostedSingleton<OperatorActionCleaner<OrchestratorDbContext>>();
        builder.Services.AddHealthChecks().AddCheck<BookingGate>("outbox", HealthStatus.Degraded, ["bus"]);
        return builder;
    }

    /// <summary>Registers the saga with its outbox, and the consumer of changes that other replicas commit.</summary>
    public static void AddOrchestratorConsumers(this IBusRegistrationConfigurator bus, IConfiguration configuration)
    {
        var messaging = configuration.GetSection("Messaging").Get<MessagingOptions>() ?? new MessagingOptions();
        bus.AddEntityFrameworkOutbox<OrchestratorDbContext>(outbox =>
        {
            outbox.UseBusOutbox();
            if (messaging.Transport == MessagingTransport.InMemory)
                outbox.RetainDelivered(messaging.InMemoryRetention);
        });
        bus.AddSagaStateMachine<ReservationStateMachine, Reservation, ReservationSagaDefinition>()
            .EntityFrameworkRepository(repository =>
            {
                repository.ConcurrencyMode = ConcurrencyMode.Optimistic;
                repository.ExistingDbContext<OrchestratorDbContext>();
            });
        if (messaging.Transport == MessagingTransport.RabbitMq)
            bus.AddConsumer<ReservationsChangedConsumer, ReservationsChangedConsumerDefinition>();
    }

    /// <summary>Maps <c>/api/reservations</c>, <c>/api/tickets</c> and the routes of operators and other services.</summary>
    public static void MapOrchestrator(this IEndpointRouteBuilder routes)
    {
        routes.MapReservations();
        routes.MapTickets();
        routes.MapReservationOperators();
        routes.MapReservationBulk();
        routes.MapReservationOverview();
        routes.MapReservationFacts();
        routes.MapReservationErasure();
        routes.MapOutcomes();
        routes.MapOperatorActions<OrchestratorDbContext>("orchestrator");
    }

    /// <summary>Stops a standalone process at its start if it has no address of Seats.</summary>
    public static Task RequireSeatsAddress(IServiceProvider services, CancellationToken cancellationToken) =>
        services.GetRequiredService<IOptions<ReservationOptions>>().Value.SeatsAddress is { IsAbsoluteUri: true, Scheme: "http" or "https" }
            ? Task.CompletedTask
            : throw new StartupException(
                "Reservation:SeatsAddress is missing; allowed: the absolute address of the seats service, such as http://seats:8080.");
}
