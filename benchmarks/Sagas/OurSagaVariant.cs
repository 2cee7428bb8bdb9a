using System.ComponentModel.DataAnnotations.Schema;
using MassTransit;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Hosting;
using Npgsql;

namespace ConcertSaga.Benchmarks.Sagas;

/// <summary>
/// A MassTransit state machine and three consumers over <c>Shared.Persistence</c>. Each endpoint has an inbox and an outbox, as in the
/// product.
/// </summary>
internal sealed class OurSagaVariant : ISagaVariant
{
    private readonly IHost _host;
    private readonly NpgsqlDataSource _source;
    private readonly SagaSettings _settings;

    public OurSagaVariant(SagaSettings settings)
    {
        _settings = settings;
        _source = NpgsqlDataSource.Create(settings.Database);
        _host = SagaPersistence.BuildHost(settings, bus =>
        {
            SagaPersistence.AddContext<SagaContext>(bus, _source, settings.RememberSeconds);
            SagaPersistence.AddContext<StepContext<Hold>>(bus, _source, settings.RememberSeconds);
            SagaPersistence.AddContext<StepContext<Deduct>>(bus, _source, settings.RememberSeconds);
            SagaPersistence.AddContext<StepContext<Confirm>>(bus, _source, settings.RememberSeconds);
            bus.AddSagaStateMachine<SagaMachine, SagaRow>().EntityFrameworkRepository(repository =>
                {
                    repository.ConcurrencyMode = ConcurrencyMode.Optimistic;
                    repository.ExistingDbContext<SagaContext>();
                    repository.UsePostgres();
                });
            bus.AddConsumer<HoldConsumer>();
            bus.AddConsumer<DeductConsumer>();
            bus.AddConsumer<ConfirmConsumer>();
            SagaTransport.Use(bus, settings, (context, transport) =>
            {
                SagaTransport.AddEndpoint(transport, settings, SagaDatabase.SagaSchema, endpoint =>
                {
                    SagaTransport.ReportFinal(endpoint);
                    SagaPersistence.UseRetryAndOutbox<SagaContext>(endpoint, context);
                    endpoint.ConfigureSaga<SagaRow>(context);
                });
                AddStep<HoldConsumer, Hold>(SagaDatabase.HoldSchema);
                AddStep<DeductConsumer, Deduct>(SagaDatabase.DeductSchema);
                AddStep<ConfirmConsumer, Confirm>(SagaDatabase.ConfirmSchema);

                void AddStep<TConsumer, TCommand>(string schema)
                    where TConsumer : class, IConsumer =>
                    SagaTransport.AddEndpoint(transport, settings, schema, endpoint =>
                    {
                        SagaPersistence.UseRetryAndOutbox<StepContext<TCommand>>(endpoint, context);
                        endpoint.ConfigureConsumer<TConsumer>(context);
                    });
            });
        });
    }

    public async Task StartAsync()
    {
        await SagaPersistence.CreateTablesAsync<SagaContext>(_host, _source);
        await SagaPersistence.CreateTablesAsync<StepContext<Hold>>(_host, _source);
        await SagaPersistence.CreateTablesAsync<StepContext<Deduct>>(_host, _source);
        await SagaPersistence.CreateTablesAsync<StepContext<Confirm>>(_host, _source);
        await _host.StartAsync();
    }

    public Task SendStartAsync(Guid sagaId) => SagaTransport.SendStartAsync(_host.Services, _settings, sagaId);

    public async ValueTask DisposeAsync()
    {
        await _host.StopAsync();
        _host.Dispose();
        await _source.DisposeAsync();
    }
}

/// <summary>The row of a saga.</summary>
public sealed class SagaRow : SagaStateMachineInstance
{
    public Guid CorrelationId { get; set; }

    public string CurrentState { get; set; } = "";

    public int Version { get; set; }

    public string UserId { get; set; } = "";

    public int ScheduleId { get; set; }

    public int[] SeatNumbers { get; set; } = [];

    public long Amount { get; set; }

    public DateTime UpdatedAt { get; set; }

    public List<SagaTransition> Transitions { get; } = [];
}

/// <summary>A row of a saga's history.</summary>
[Table("Transitions")]
public sealed class SagaTransition
{
    public Guid SagaId { get; set; }

    public int Sequence { get; set; }

    public string Trigger { get; set; } = "";

    public string FromState { get; set; } = "";

    public string ToState { get; set; } = "";

    public Guid? MessageId { get; set; }

    public DateTime OccurredAt { get; set; }
}

/// <summary>A step's decision about a saga.</summary>
[Table("Decisions")]
public sealed class StepDecision
{
    public Guid SagaId { get; set; }

    public string Outcome { get; set; } = "";

    public DateTime DecidedAt { get; set; }
}

internal sealed class SagaContext(DbContextOptions<SagaContext> options) : DbContext(options)
{
    protected override void OnModelCreating(ModelBuilder model)
    {
        model.HasDefaultSchema(SagaDatabase.SagaSchema);
        model.Entity<SagaRow>(saga =>
        {
            saga.ToTable("Sagas");
            saga.HasKey(row => row.CorrelationId);
            saga.Property(row => row.CorrelationId).ValueGeneratedNever();
            saga.Property(row => row.CurrentState).HasMaxLength(32);
            saga.Property(row => row.Version).IsConcurrencyToken();
            saga.HasMany(row => row.Transitions).WithOne().HasForeignKey(row => row.SagaId);
        });
        model.Entity<SagaTransition>(transition =>
        {
            transition.HasKey(row => new { row.SagaId, row.Sequence });
            transition.Property(row => row.Sequence).ValueGeneratedNever();
        });
        model.AddTransactionalOutboxEntities();
    }
}

/// <summary>The database of the step that handles <typeparamref name="TCommand"/>.</summary>
internal sealed class StepContext<TCommand>(DbContextOptions<StepContext<TCommand>> options) : DbContext(options)
{
    protected override void OnModelCreating(ModelBuilder model)
    {
        model.HasDefaultSchema(typeof(TCommand).Name.ToLowerInvariant());
        model.Entity<StepDecision>(decision =>
        {
            decision.HasKey(row => row.SagaId);
            decision.Property(row => row.SagaId).ValueGeneratedNever();
        });
        model.AddTransactionalOutboxEntities();
    }
}

/// <summary>Hold, deduct, confirm, completed; one history row per transition.</summary>
internal sealed class SagaMachine : MassTransitStateMachine<SagaRow>
{
    public SagaMachine(SagaSettings settings)
    {
        InstanceState(saga => saga.CurrentState);
        Event(() => Started, e => e.CorrelateById(m => m.Message.SagaId));
        Event(() => Held, e => e.CorrelateById(m => m.Message.SagaId));
        Event(() => Deducted, e => e.CorrelateById(m => m.Message.SagaId));
        Event(() => Confirmed, e => e.CorrelateById(m => m.Message.SagaId));

        Uri hold = Address(SagaDatabase.HoldSchema), deduct = Address(SagaDatabase.DeductSchema),
            confirm = Address(SagaDatabase.ConfirmSchema);
        Initially(
            When(Started).Then(CopyStart).Then(context => Record(context, Holding))
                .Send(hold, context => HoldOf(context.Saga)).TransitionTo(Holding));
        During(Holding,
            When(Held).Then(context => Record(context, Deducting))
                .Send(deduct, context => DeductOf(context.Saga)).TransitionTo(Deducting));
        During(Deducting,
            When(Deducted).Then(context => Record(context, Confirming))
                .Send(confirm, context => ConfirmOf(context.Saga)).TransitionTo(Confirming));
        During(Confirming,
            When(Confirmed).Then(context => Record(context, Completed)).TransitionTo(Completed));

        Uri Address(string endpoint) => new($"exchange:{settings.QueueOf(endpoint)}");
    }

    public State Holding { get; private set; } = null!;

    public State Deducting { get; private set; } = null!;

    public State Confirming { get; private set; } = null!;

    public State Completed { get; private set; } = null!;

    public Event<StartSaga> Started { get; private set; } = null!;

    public Event<Held> Held { get; private set; } = null!;

    public Event<Deducted> Deducted { get; private set; } = null!;

    public Event<Confirmed> Confirmed { get; private set; } = null!;

    private static Hold HoldOf(SagaRow saga) => new(saga.CorrelationId, saga.UserId, saga.ScheduleId, saga.SeatNumbers);

    private static Deduct DeductOf(SagaRow saga) => new(saga.CorrelationId, saga.UserId, saga.Amount);

    private static Confirm ConfirmOf(SagaRow saga) => new(saga.CorrelationId, saga.UserId, saga.Amount);

    private static void CopyStart(BehaviorContext<SagaRow, StartSaga> context)
    {
        context.Saga.UserId = context.Message.UserId;
        context.Saga.ScheduleId = context.Message.ScheduleId;
        context.Saga.SeatNumbers = context.Message.SeatNumbers;
        context.Saga.Amount = context.Message.Amount;
    }

    private static void Record(BehaviorContext<SagaRow> context, State to)
    {
        var saga = context.Saga;
        saga.Version++;
        saga.UpdatedAt = TimeProvider.System.GetUtcNow().UtcDateTime;
        saga.Transitions.Add(new SagaTransition
        {
            SagaId = saga.CorrelationId,
            Sequence = saga.Version,
            Trigger = context.Event.Name,
            FromState = saga.CurrentState,
            ToState = to.Name,
            MessageId = context.MessageId,
            OccurredAt = saga.UpdatedAt
        });
    }
}

internal sealed class HoldConsumer(StepContext<Hold> database, SagaSettings settings) : IConsumer<Hold>
{
    public Task Consume(ConsumeContext<Hold> context) => Step.DecideAsync(
        context, database, settings, context.Message.SagaId, now => new Held(context.Message.SagaId, now.AddMinutes(5)));
}

internal sealed class DeductConsumer(StepContext<Deduct> database, SagaSettings settings) : IConsumer<Deduct>
{
    public Task Consume(ConsumeContext<Deduct> context) => Step.DecideAsync(
        context, database, settings, context.Message.SagaId, _ => new Deducted(context.Message.SagaId, 200_000));
}

internal sealed class ConfirmConsumer(StepContext<Confirm> database, SagaSettings settings) : IConsumer<Confirm>
{
    public Task Consume(ConsumeContext<Confirm> context) => Step.DecideAsync(
        context, database, settings, context.Message.SagaId, now => new Confirmed(context.Message.SagaId, Guid.CreateVersion7(now)));
}

internal static class Step
{
    /// <summary>Adds one decision row and sends one reply; the outbox commits both.</summary>
    public static Task DecideAsync<TReply>(
        ConsumeContext context, DbContext database, SagaSettings settings, Guid sagaId, Func<DateTime, TReply> reply)
        where TReply : class
    {
        var now = TimeProvider.System.GetUtcNow().UtcDateTime;
        database.Add(new StepDecision { SagaId = sagaId, Outcome = typeof(TReply).Name, DecidedAt = now });
        return context.Send(new Uri($"exchange:{settings.QueueOf(SagaDatabase.SagaSchema)}"), reply(now));
    }
}
