using MassTransit;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Hosting;
using Npgsql;

namespace ConcertSaga.Benchmarks.Sagas;

/// <summary>
/// The program as MassTransit's documentation writes it, over <c>Shared.Persistence</c>: sagas with a row lock, pooled contexts, and
/// consumers that load and change a business row and publish their replies. An endpoint fetches as many messages as it handles.
/// </summary>
internal sealed class DocumentedSagaVariant : ISagaVariant
{
    private readonly IHost _host;
    private readonly NpgsqlDataSource _source;
    private readonly SagaSettings _settings;

    public DocumentedSagaVariant(SagaSettings settings)
    {
        _settings = settings;
        _source = NpgsqlDataSource.Create(settings.Database);
        _host = SagaPersistence.BuildHost(settings, bus =>
        {
            SagaPersistence.AddContext<SagaContext>(bus, _source);
            SagaPersistence.AddContext<AccountContext<Hold>>(bus, _source);
            SagaPersistence.AddContext<AccountContext<Deduct>>(bus, _source);
            SagaPersistence.AddContext<AccountContext<Confirm>>(bus, _source);
            bus.AddSagaStateMachine<SagaMachine, SagaRow>().EntityFrameworkRepository(repository =>
            {
                repository.ConcurrencyMode = ConcurrencyMode.Pessimistic;
                repository.ExistingDbContext<SagaContext>();
                repository.UsePostgres();
            });
            bus.AddConsumer<DocumentedHoldConsumer>();
            bus.AddConsumer<DocumentedDeductConsumer>();
            bus.AddConsumer<DocumentedConfirmConsumer>();
            SagaTransport.Use(bus, settings, (context, transport) =>
            {
                SagaTransport.AddEndpoint(transport, settings, SagaDatabase.SagaSchema, endpoint =>
                {
                    // The replies are published, so the queue subscribes to them.
                    endpoint.ConfigureConsumeTopology = true;
                    endpoint.PrefetchCount = settings.Concurrency;
                    SagaTransport.ReportFinal(endpoint);
                    SagaPersistence.UseRetryAndOutbox<SagaContext>(endpoint, context);
                    endpoint.ConfigureSaga<SagaRow>(context);
                });
                AddStep<DocumentedHoldConsumer, Hold>(SagaDatabase.HoldSchema);
                AddStep<DocumentedDeductConsumer, Deduct>(SagaDatabase.DeductSchema);
                AddStep<DocumentedConfirmConsumer, Confirm>(SagaDatabase.ConfirmSchema);

                void AddStep<TConsumer, TCommand>(string schema)
                    where TConsumer : class, IConsumer =>
                    SagaTransport.AddEndpoint(transport, settings, schema, endpoint =>
                    {
                        endpoint.PrefetchCount = settings.Concurrency;
                        SagaPersistence.UseRetryAndOutbox<AccountContext<TCommand>>(endpoint, context);
                        endpoint.ConfigureConsumer<TConsumer>(context);
                    });
            });
        });
    }

    public async Task StartAsync()
    {
        await SagaPersistence.CreateTablesAsync<SagaContext>(_host, _source);
        await SagaPersistence.CreateTablesAsync<AccountContext<Hold>>(_host, _source);
        await SagaPersistence.CreateTablesAsync<AccountContext<Deduct>>(_host, _source);
        await SagaPersistence.CreateTablesAsync<AccountContext<Confirm>>(_host, _source);
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

/// <summary>A business row that exists before the sagas and counts those that used it.</summary>
public sealed class AccountRow
{
    public int Id { get; set; }

    public long Used { get; set; }

    public int Version { get; set; }
}

/// <summary>The database of the step that handles <typeparamref name="TCommand"/>.</summary>
internal sealed class AccountContext<TCommand>(DbContextOptions<AccountContext<TCommand>> options) : DbContext(options)
{
    /// <summary>Loads the row of a saga and changes it. The outbox saves it together with the messages.</summary>
    public async Task UseAsync(Guid sagaId)
    {
        var id = (int)((uint)sagaId.GetHashCode() % SagaDatabase.Accounts);
        var row = await Set<AccountRow>().SingleAsync(row => row.Id == id);
        row.Used++;
        row.Version++;
    }

    protected override void OnModelCreating(ModelBuilder model)
    {
        model.HasDefaultSchema(typeof(TCommand).Name.ToLowerInvariant());
        model.Entity<AccountRow>(account =>
        {
            account.ToTable("Accounts");
            account.Property(row => row.Id).ValueGeneratedNever();
            account.Property(row => row.Version).IsConcurrencyToken();
        });
        model.AddTransactionalOutboxEntities();
    }
}

internal sealed class DocumentedHoldConsumer(AccountContext<Hold> database) : IConsumer<Hold>
{
    public async Task Consume(ConsumeContext<Hold> context)
    {
        await database.UseAsync(context.Message.SagaId);
        await context.Publish(new Held(context.Message.SagaId, TimeProvider.System.GetUtcNow().UtcDateTime.AddMinutes(5)));
    }
}

internal sealed class DocumentedDeductConsumer(AccountContext<Deduct> database) : IConsumer<Deduct>
{
    public async Task Consume(ConsumeContext<Deduct> context)
    {
        await database.UseAsync(context.Message.SagaId);
        await context.Publish(new Deducted(context.Message.SagaId, 200_000));
    }
}

internal sealed class DocumentedConfirmConsumer(AccountContext<Confirm> database) : IConsumer<Confirm>
{
    public async Task Consume(ConsumeContext<Confirm> context)
    {
        await database.UseAsync(context.Message.SagaId);
        await context.Publish(new Confirmed(context.Message.SagaId, Guid.CreateVersion7()));
    }
}
