using ConcertSaga.Benchmarks.Sagas;
using MassTransit;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Hosting;
using Npgsql;

namespace ConcertSaga.Benchmarks.Choreographies;

// The messages that both forms use. One form publishes them as events, the other sends them as replies.

/// <summary>What the participants need to know about a reservation.</summary>
/// <param name="UserId">The customer.</param>
/// <param name="ScheduleId">The schedule.</param>
/// <param name="SeatNumbers">The seats, at least one.</param>
/// <param name="Amount">The price in points.</param>
/// <param name="PaymentFails">Whether the third step refuses.</param>
public sealed record ReservationDetails(string UserId, int ScheduleId, int[] SeatNumbers, long Amount, bool PaymentFails);

public sealed record ReservationRequested(Guid ReservationId, ReservationDetails Details);

public sealed record SeatsHeld(Guid ReservationId, ReservationDetails Details);

public sealed record PointsDeducted(Guid ReservationId, ReservationDetails Details);

public sealed record PaymentConfirmed(Guid ReservationId, ReservationDetails Details);

public sealed record PaymentRejected(Guid ReservationId, ReservationDetails Details);

public sealed record SeatsConfirmed(Guid ReservationId, ReservationDetails Details);

public sealed record PointsRefunded(Guid ReservationId, ReservationDetails Details);

public sealed record SeatsReleased(Guid ReservationId, ReservationDetails Details);

/// <summary>What a service has about a reservation.</summary>
public sealed class ServiceRow
{
    public Guid ReservationId { get; set; }

    public string UserId { get; set; } = "";

    public int ScheduleId { get; set; }

    public int[] SeatNumbers { get; set; } = [];

    public long Amount { get; set; }

    public string State { get; set; } = "";

    public DateTime ChangedAt { get; set; }
}

/// <summary>The states of a <see cref="ServiceRow"/>: Seats, Points, Payments.</summary>
internal static class ServiceStates
{
    public const string Held = "Held", Confirmed = "Confirmed", Released = "Released", Deducted = "Deducted", Refunded = "Refunded",
        Rejected = "Rejected";
}

// Each names a service and its database. Seats has the first and the last step.
internal abstract class Seats;

internal abstract class Points;

internal abstract class Payments;

/// <summary>The database of a service, with the work of its steps. The outbox saves it together with the messages.</summary>
internal sealed class ServiceContext<TService>(DbContextOptions<ServiceContext<TService>> options) : DbContext(options)
{
    public void Begin(Guid reservationId, ReservationDetails details, string state) => Add(new ServiceRow
    {
        ReservationId = reservationId,
        UserId = details.UserId,
        ScheduleId = details.ScheduleId,
        SeatNumbers = details.SeatNumbers,
        Amount = details.Amount,
        State = state,
        ChangedAt = TimeProvider.System.GetUtcNow().UtcDateTime
    });

    public async Task ChangeAsync(Guid reservationId, string state)
    {
        var row = await Set<ServiceRow>().SingleAsync(row => row.ReservationId == reservationId);
        row.State = state;
        row.ChangedAt = TimeProvider.System.GetUtcNow().UtcDateTime;
    }

    protected override void OnModelCreating(ModelBuilder model)
    {
        model.HasDefaultSchema(typeof(TService).Name.ToLowerInvariant());
        model.Entity<ServiceRow>(row =>
        {
            row.ToTable("Rows");
            row.HasKey(row => row.ReservationId);
            row.Property(row => row.ReservationId).ValueGeneratedNever();
        });
        model.AddTransactionalOutboxEntities();
    }
}

/// <summary>One form of coordination. The services, their rows and their transactions are the same in each.</summary>
/// <param name="name">The name in results.</param>
internal abstract class ReservationForm(string name)
{
    /// <summary>The queues of the four steps.</summary>
    public const string Holding = "hold-seats", Deducting = "deduct-points", Paying = "confirm-payment", Confirming = "confirm-seats";

    public string Name => name;

    /// <summary>The schemas of all databases.</summary>
    public virtual string[] Schemas => ["seats", "points", "payments"];

    /// <summary>Registers the databases, consumers and sagas.</summary>
    public virtual void Register(IBusRegistrationConfigurator bus, NpgsqlDataSource source)
    {
        SagaPersistence.AddContext<ServiceContext<Seats>>(bus, source);
        SagaPersistence.AddContext<ServiceContext<Points>>(bus, source);
        SagaPersistence.AddContext<ServiceContext<Payments>>(bus, source);
    }

    public virtual async Task CreateTablesAsync(IHost host, NpgsqlDataSource source)
    {
        await SagaPersistence.CreateTablesAsync<ServiceContext<Seats>>(host, source);
        await SagaPersistence.CreateTablesAsync<ServiceContext<Points>>(host, source);
        await SagaPersistence.CreateTablesAsync<ServiceContext<Payments>>(host, source);
    }

    public abstract void AddEndpoints(
        IBusRegistrationContext context, IRabbitMqBusFactoryConfigurator transport, SagaSettings settings);

    /// <summary>Sends the first message of a reservation; returns when the broker has confirmed it.</summary>
    public abstract Task RequestAsync(IBus bus, SagaSettings settings, ReservationRequested request);

    /// <summary>Adds the queue of a step with its inbox and outbox.</summary>
    /// <param name="context">The registrations.</param>
    /// <param name="transport">The bus.</param>
    /// <param name="settings">The settings of the form.</param>
    /// <param name="queue">The queue's name without the form's.</param>
    /// <param name="subscribes">
    /// Whether the queue subscribes to the messages of its consumer; otherwise it receives only those that are sent to it.
    /// </param>
    protected static void AddStep<TConsumer, TService>(IBusRegistrationContext context, IRabbitMqBusFactoryConfigurator transport,
        SagaSettings settings, string queue, bool subscribes)
        where TConsumer : class, IConsumer =>
        SagaTransport.AddEndpoint(transport, settings, queue, endpoint =>
        {
            endpoint.ConfigureConsumeTopology = subscribes;
            SagaPersistence.UseRetryAndOutbox<ServiceContext<TService>>(endpoint, context);
            endpoint.ConfigureConsumer<TConsumer>(context);
        });
}
