using ConcertSaga.Benchmarks.Sagas;
using MassTransit;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Hosting;
using Npgsql;

namespace ConcertSaga.Benchmarks.Choreographies;

/// <summary>A state machine sends each command, and compensates the finished steps in reverse order.</summary>
internal sealed class OrchestratedForm() : ReservationForm("orchestrated")
{
    private const string Orchestrator = "orchestrator";

    public override string[] Schemas => [.. base.Schemas, OrchestratorContext.Schema];

    public static Uri ReplyAddress(SagaSettings settings) => AddressOf(settings, Orchestrator);

    public static Uri AddressOf(SagaSettings settings, string queue) => new($"exchange:{settings.QueueOf(queue)}");

    public override void Register(IBusRegistrationConfigurator bus, NpgsqlDataSource source)
    {
        base.Register(bus, source);
        SagaPersistence.AddContext<OrchestratorContext>(bus, source);
        bus.AddSagaStateMachine<ReservationMachine, ReservationRow>().EntityFrameworkRepository(repository =>
        {
            repository.ConcurrencyMode = ConcurrencyMode.Optimistic;
            repository.ExistingDbContext<OrchestratorContext>();
            repository.UsePostgres();
        });
        bus.AddConsumer<SeatsCommandConsumer>();
        bus.AddConsumer<PointsCommandConsumer>();
        bus.AddConsumer<PaymentCommandConsumer>();
        bus.AddConsumer<SeatConfirmationCommandConsumer>();
    }

    public override async Task CreateTablesAsync(IHost host, NpgsqlDataSource source)
    {
        await base.CreateTablesAsync(host, source);
        await SagaPersistence.CreateTablesAsync<OrchestratorContext>(host, source);
    }

    public override void AddEndpoints(
        IBusRegistrationContext context, IRabbitMqBusFactoryConfigurator transport, SagaSettings settings)
    {
        SagaTransport.AddEndpoint(transport, settings, Orchestrator, endpoint =>
        {
            SagaPersistence.UseRetryAndOutbox<OrchestratorContext>(endpoint, context);
            endpoint.ConfigureSaga<ReservationRow>(context);
        });
        AddStep<SeatsCommandConsumer, Seats>(context, transport, settings, Holding, subscribes: false);
        AddStep<PointsCommandConsumer, Points>(context, transport, settings, Deducting, subscribes: false);
        AddStep<PaymentCommandConsumer, Payments>(context, transport, settings, Paying, subscribes: false);
        AddStep<SeatConfirmationCommandConsumer, Seats>(context, transport, settings, Confirming, subscribes: false);
    }

    public override async Task RequestAsync(IBus bus, SagaSettings settings, ReservationRequested request) =>
        await (await bus.GetSendEndpoint(ReplyAddress(settings))).Send(request);
}

public sealed record HoldSeats(Guid ReservationId, ReservationDetails Details);

public sealed record DeductPoints(Guid ReservationId, ReservationDetails Details);

public sealed record ConfirmPayment(Guid ReservationId, ReservationDetails Details);

public sealed record ConfirmSeats(Guid ReservationId, ReservationDetails Details);

public sealed record RefundPoints(Guid ReservationId, ReservationDetails Details);

public sealed record ReleaseSeats(Guid ReservationId, ReservationDetails Details);

/// <summary>The row of a reservation's saga: all that an operator needs to see where it is.</summary>
public sealed class ReservationRow : SagaStateMachineInstance
{
    public Guid CorrelationId { get; set; }

    public string CurrentState { get; set; } = "";

    public int Version { get; set; }

    public string UserId { get; set; } = "";

    public int ScheduleId { get; set; }

    public int[] SeatNumbers { get; set; } = [];

    public long Amount { get; set; }

    public bool PaymentFails { get; set; }

    public DateTime ChangedAt { get; set; }
}

internal sealed class OrchestratorContext(DbContextOptions<OrchestratorContext> options) : DbContext(options)
{
    public const string Schema = "orchestrator";

    protected override void OnModelCreating(ModelBuilder model)
    {
        model.HasDefaultSchema(Schema);
        model.Entity<ReservationRow>(reservation =>
        {
            reservation.ToTable("Rows");
            reservation.HasKey(row => row.CorrelationId);
            reservation.Property(row => row.CorrelationId).ValueGeneratedNever();
            reservation.Property(row => row.CurrentState).HasMaxLength(32);
            reservation.Property(row => row.Version).IsConcurrencyToken();
        });
        model.AddTransactionalOutboxEntities();
    }
}

/// <summary>The whole story of a reservation.</summary>
internal sealed class ReservationMachine : MassTransitStateMachine<ReservationRow>
{
    public ReservationMachine(SagaSettings settings)
    {
        InstanceState(reservation => reservation.CurrentState);
        Event(() => Requested, e => e.CorrelateById(m => m.Message.ReservationId));
        Event(() => SeatsHeld, e => e.CorrelateById(m => m.Message.ReservationId));
        Event(() => PointsDeducted, e => e.CorrelateById(m => m.Message.ReservationId));
        Event(() => PaymentConfirmed, e => e.CorrelateById(m => m.Message.ReservationId));
        Event(() => PaymentRejected, e => e.CorrelateById(m => m.Message.ReservationId));
        Event(() => SeatsConfirmed, e => e.CorrelateById(m => m.Message.ReservationId));
        Event(() => PointsRefunded, e => e.CorrelateById(m => m.Message.ReservationId));
        Event(() => SeatsReleased, e => e.CorrelateById(m => m.Message.ReservationId));
        BeforeEnterAny(enter => enter.Then(Advance));

        Uri hold = OrchestratedForm.AddressOf(settings, ReservationForm.Holding),
            points = OrchestratedForm.AddressOf(settings, ReservationForm.Deducting),
            payment = OrchestratedForm.AddressOf(settings, ReservationForm.Paying),
            confirm = OrchestratedForm.AddressOf(settings, ReservationForm.Confirming);
        Initially(
            When(Requested).Then(Keep).Send(hold, saga => new HoldSeats(saga.Saga.CorrelationId, DetailsOf(saga.Saga)))
                .TransitionTo(HoldingSeats));
        During(HoldingSeats,
            When(SeatsHeld).Send(points, saga => new DeductPoints(saga.Saga.CorrelationId, DetailsOf(saga.Saga)))
                .TransitionTo(DeductingPoints));
        During(DeductingPoints,
            When(PointsDeducted).Send(payment, saga => new ConfirmPayment(saga.Saga.CorrelationId, DetailsOf(saga.Saga)))
                .TransitionTo(ConfirmingPayment));
        During(ConfirmingPayment,
            When(PaymentConfirmed).Send(confirm, saga => new ConfirmSeats(saga.Saga.CorrelationId, DetailsOf(saga.Saga)))
                .TransitionTo(ConfirmingSeats),
            When(PaymentRejected).Send(points, saga => new RefundPoints(saga.Saga.CorrelationId, DetailsOf(saga.Saga)))
                .TransitionTo(RefundingPoints));
        During(ConfirmingSeats,
            When(SeatsConfirmed).TransitionTo(Confirmed));
        During(RefundingPoints,
            When(PointsRefunded).Send(hold, saga => new ReleaseSeats(saga.Saga.CorrelationId, DetailsOf(saga.Saga)))
                .TransitionTo(ReleasingSeats));
        During(ReleasingSeats,
            When(SeatsReleased).TransitionTo(Failed));
    }

    public State HoldingSeats { get; private set; } = null!;

    public State DeductingPoints { get; private set; } = null!;

    public State ConfirmingPayment { get; private set; } = null!;

    public State ConfirmingSeats { get; private set; } = null!;

    public State RefundingPoints { get; private set; } = null!;

    public State ReleasingSeats { get; private set; } = null!;

    public State Confirmed { get; private set; } = null!;

    public State Failed { get; private set; } = null!;

    public Event<ReservationRequested> Requested { get; private set; } = null!;

    public Event<SeatsHeld> SeatsHeld { get; private set; } = null!;

    public Event<PointsDeducted> PointsDeducted { get; private set; } = null!;

    public Event<PaymentConfirmed> PaymentConfirmed { get; private set; } = null!;

    public Event<PaymentRejected> PaymentRejected { get; private set; } = null!;

    public Event<SeatsConfirmed> SeatsConfirmed { get; private set; } = null!;

    public Event<PointsRefunded> PointsRefunded { get; private set; } = null!;

    public Event<SeatsReleased> SeatsReleased { get; private set; } = null!;

    private static ReservationDetails DetailsOf(ReservationRow row) =>
        new(row.UserId, row.ScheduleId, row.SeatNumbers, row.Amount, row.PaymentFails);

    private static void Keep(BehaviorContext<ReservationRow, ReservationRequested> context)
    {
        var (row, details) = (context.Saga, context.Message.Details);
        row.UserId = details.UserId;
        row.ScheduleId = details.ScheduleId;
        row.SeatNumbers = details.SeatNumbers;
        row.Amount = details.Amount;
        row.PaymentFails = details.PaymentFails;
    }

    private static void Advance(BehaviorContext<ReservationRow> context)
    {
        context.Saga.Version++;
        context.Saga.ChangedAt = TimeProvider.System.GetUtcNow().UtcDateTime;
    }
}

internal sealed class SeatsCommandConsumer(ServiceContext<Seats> seats, SagaSettings settings)
    : IConsumer<HoldSeats>, IConsumer<ReleaseSeats>
{
    public Task Consume(ConsumeContext<HoldSeats> context)
    {
        seats.Begin(context.Message.ReservationId, context.Message.Details, ServiceStates.Held);
        return context.Send(OrchestratedForm.ReplyAddress(settings),
            new SeatsHeld(context.Message.ReservationId, context.Message.Details));
    }

    public async Task Consume(ConsumeContext<ReleaseSeats> context)
    {
        await seats.ChangeAsync(context.Message.ReservationId, ServiceStates.Released);
        await context.Send(OrchestratedForm.ReplyAddress(settings),
            new SeatsReleased(context.Message.ReservationId, context.Message.Details));
    }
}

internal sealed class PointsCommandConsumer(ServiceContext<Points> points, SagaSettings settings)
    : IConsumer<DeductPoints>, IConsumer<RefundPoints>
{
    public Task Consume(ConsumeContext<DeductPoints> context)
    {
        points.Begin(context.Message.ReservationId, context.Message.Details, ServiceStates.Deducted);
        return context.Send(OrchestratedForm.ReplyAddress(settings),
            new PointsDeducted(context.Message.ReservationId, context.Message.Details));
    }

    public async Task Consume(ConsumeContext<RefundPoints> context)
    {
        await points.ChangeAsync(context.Message.ReservationId, ServiceStates.Refunded);
        await context.Send(OrchestratedForm.ReplyAddress(settings),
            new PointsRefunded(context.Message.ReservationId, context.Message.Details));
    }
}

internal sealed class PaymentCommandConsumer(ServiceContext<Payments> payments, SagaSettings settings) : IConsumer<ConfirmPayment>
{
    public Task Consume(ConsumeContext<ConfirmPayment> context)
    {
        var (id, details) = (context.Message.ReservationId, context.Message.Details);
        payments.Begin(id, details, details.PaymentFails ? ServiceStates.Rejected : ServiceStates.Confirmed);
        return details.PaymentFails
            ? context.Send(OrchestratedForm.ReplyAddress(settings), new PaymentRejected(id, details))
            : context.Send(OrchestratedForm.ReplyAddress(settings), new PaymentConfirmed(id, details));
    }
}

internal sealed class SeatConfirmationCommandConsumer(ServiceContext<Seats> seats, SagaSettings settings) : IConsumer<ConfirmSeats>
{
    public async Task Consume(ConsumeContext<ConfirmSeats> context)
    {
        await seats.ChangeAsync(context.Message.ReservationId, ServiceStates.Confirmed);
        await context.Send(OrchestratedForm.ReplyAddress(settings),
            new SeatsConfirmed(context.Message.ReservationId, context.Message.Details));
    }
}
