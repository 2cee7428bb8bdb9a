using ConcertSaga.Contracts;
using ConcertSaga.Orchestrator.Data;
using ConcertSaga.Orchestrator.Reservations;
using ConcertSaga.Shared.Hosting;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Shared.Hosting.Messaging;
using MassTransit;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace ConcertSaga.Orchestrator;

/// <summary>The orchestrator: owns every reservation's state and drives it through its steps.</summary>
public static class OrchestratorService
{
    /// <summary>Registers the database, the deadline sweeper and what the endpoints need.</summary>
    public static IHostApplicationBuilder AddOrchestrator(this IHostApplicationBuilder builder)
    {
        builder.AddOptionsSection<ReservationOptions>("Reservation");
        builder.Services.AddSingleton(new SeatLimit(builder.Configuration.Read("Seats:MaxPerReservation", 4)));
        builder.AddDatabase<OrchestratorDbContext, SqliteOrchestratorDbContext, PostgreSqlOrchestratorDbContext, SqlServerOrchestratorDbContext>(
            "Orchestrator", (services, options) => options.AddInterceptors(services.GetRequiredService<ReservationSignals>()));
        builder.Services.AddSingleton<ReservationSteps>();
        builder.Services.AddSingleton<ReservationSignals>();
        builder.Services.AddScoped<ReservationAnswers>();
        builder.Services.AddSingleton<BusWatch>();
        builder.Services.AddHostedService(services => services.GetRequiredService<BusWatch>());
        builder.Services.AddHostedService<DeadlineSweeper>();
        builder.Services.AddHealthChecks().AddCheck<BusWatch>("outbox", HealthStatus.Degraded, ["bus"]);
        return builder;
    }

    /// <summary>Registers the saga, with its outbox, and the listener for changes on other replicas.</summary>
    public static void AddOrchestratorConsumers(this IBusRegistrationConfigurator bus, IConfiguration configuration)
    {
        var messaging = configuration.GetSection("Messaging").Get<MessagingOptions>() ?? new MessagingOptions();
        bus.AddEntityFrameworkOutbox<OrchestratorDbContext>(outbox =>
        {
            outbox.UseBusOutbox();
#if !OFFICIAL_PERSISTENCE
            if (messaging.Transport == MessagingTransport.InMemory)
                outbox.DeliveredRetention = messaging.InMemoryRetention;
#endif
        });
        bus.AddSagaStateMachine<ReservationStateMachine, Reservation, ReservationSagaDefinition>()
            .EntityFrameworkRepository(repository =>
            {
                repository.ConcurrencyMode = ConcurrencyMode.Optimistic;
                repository.ExistingDbContext<OrchestratorDbContext>();
            });
        if (messaging.Transport == MessagingTransport.RabbitMq)
            bus.AddConsumer<ReservationChangedConsumer, ReservationChangedConsumerDefinition>();
    }

    /// <summary>Maps <c>/api/reservations</c> and what other services ask for.</summary>
    public static void MapOrchestrator(this IEndpointRouteBuilder routes)
    {
        routes.MapReservations();
        routes.MapOutcomes();
    }
}

/// <summary>The saga's queue: everything that concerns a reservation arrives there, through the inbox.</summary>
public sealed class ReservationSagaDefinition : SagaDefinition<Reservation>
{
    public ReservationSagaDefinition() => EndpointName = CommandQueues.Reservations;

    protected override void ConfigureSaga(
        IReceiveEndpointConfigurator endpoint, ISagaConfigurator<Reservation> saga, IRegistrationContext context)
    {
        // Messages under way wait together for one query and one commit, so more of them cost less, and not a connection each.
        endpoint.ConcurrentMessageLimit *= 4;
        endpoint.PrefetchCount *= 4;
        endpoint.UseEntityFrameworkOutbox<OrchestratorDbContext>(context);
    }
}
