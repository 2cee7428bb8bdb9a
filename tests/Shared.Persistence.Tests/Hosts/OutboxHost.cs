using System.Data.Common;
using System.Runtime.CompilerServices;
using ConcertSaga.Shared.Concurrency;
using ConcertSaga.Testing.Servers;
using MassTransit;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Microsoft.EntityFrameworkCore.Storage;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace ConcertSaga.Shared.Persistence.Tests.Hosts;

/// <summary>The database servers and options that tests run with.</summary>
public enum Store
{
    Sqlite,
    PostgreSql,

    /// <summary>With the execution strategy of <see cref="RetryingStrategy"/>.</summary>
    SqliteRetrying,

    /// <summary>With <c>EnableRetryOnFailure</c>.</summary>
    PostgreSqlRetrying
}

public static class StoreExtensions
{
    public static bool IsSqlite(this Store store) => store is Store.Sqlite or Store.SqliteRetrying;

    public static bool Retries(this Store store) => store is Store.SqliteRetrying or Store.PostgreSqlRetrying;
}

/// <summary>Retries timeouts, as PostgreSQL's strategy does, so that a test can make both retry in the same way.</summary>
public sealed class RetryingStrategy(ExecutionStrategyDependencies dependencies)
    : ExecutionStrategy(dependencies, TestDatabase.MaxRetries, TimeSpan.FromMilliseconds(1))
{
    protected override bool ShouldRetryOn(Exception exception) => exception is TimeoutException;
}

/// <summary>The database of one test. Several hosts can share it, one after the other or as replicas.</summary>
public sealed class TestDatabase : IAsyncDisposable
{
    /// <summary>How often an execution strategy retries.</summary>
    public const int MaxRetries = 3;

    // On each server a database with the tables of TestDbContext, which is copied: a copy takes a fraction of the time that creating the
    // tables takes.
    private static readonly ConditionalWeakTable<PostgreSqlServer, Task<string>> Templates = [];

    private readonly string? _file;
    private readonly Action<DbContextOptionsBuilder> _use;

    private TestDatabase(Store store, string address)
    {
        Store = store;
        Address = address;
        _file = store.IsSqlite() ? address : null;
        _use = store.IsSqlite()
            ? options =>
                options.UseSqlite($"Data Source={address}", sqlite => _ = store.Retries()
                ? sqlite.ExecutionStrategy(dependencies => new RetryingStrategy(dependencies)) : sqlite)
                .AddInterceptors(new SqliteWriterGate())
            : options =>
                options.UseNpgsql(address, postgreSql => _ = store.Retries()
                ? postgreSql.EnableRetryOnFailure(MaxRetries, TimeSpan.FromMilliseconds(1), null) : postgreSql);
    }

    public Store Store { get; }

    /// <summary>The address with which another process can open the database.</summary>
    public string Address { get; }

    /// <summary>Opens a database that another process has created.</summary>
    public static TestDatabase At(Store store, string address) => new(store, address);

    public static async Task<TestDatabase> CreateAsync(Store store, PostgreSqlServer server)
    {
        if (!store.IsSqlite())
            return new TestDatabase(store,
                await server.CreateDatabaseAsync("persistence", await Templates.GetValue(server, CreateTemplateAsync)));
        var database = await CreateEmptyAsync(store, server);
        await using var context = database.Open();
        await context.Database.EnsureCreatedAsync();
        return database;
    }

    /// <summary>Creates a database without tables, for a test's own contexts.</summary>
    public static async Task<TestDatabase> CreateEmptyAsync(Store store, PostgreSqlServer server)
    {
        return new TestDatabase(store, store.IsSqlite()
            ? Path.Combine(Path.GetTempPath(), $"persistence-{Guid.CreateVersion7():n}.db")
            : await server.CreateDatabaseAsync("persistence"));
    }

    public void Use(DbContextOptionsBuilder options) => _use(options);

    public TestDbContext Open() => new(OptionsOf<TestDbContext>());

    public DbContextOptions<TContext> OptionsOf<TContext>()
        where TContext : DbContext
    {
        var options = new DbContextOptionsBuilder<TContext>();
        _use(options);
        return options.Options;
    }

    public async ValueTask DisposeAsync()
    {
        if (_file is null)
        {
            // The database lives as long as the server.
            await using var connection = new Npgsql.NpgsqlConnection(Address);
            Npgsql.NpgsqlConnection.ClearPool(connection);
            return;
        }
        Microsoft.Data.Sqlite.SqliteConnection.ClearAllPools();
        foreach (var file in Directory.EnumerateFiles(Path.GetDirectoryName(_file)!, Path.GetFileName(_file) + "*"))
            File.Delete(file);
    }

    private static async Task<string> CreateTemplateAsync(PostgreSqlServer server)
    {
        // A database with connections cannot be copied.
        var database = new TestDatabase(Store.PostgreSql, await server.CreateDatabaseAsync("persistence") + ";Pooling=false");
        await using var context = database.Open();
        await context.Database.EnsureCreatedAsync();
        return database.Address;
    }
}

/// <summary>The consumers of a host.</summary>
public enum Parts
{
    All,

    /// <summary>The consumers with inbox and outbox.</summary>
    Worker,

    /// <summary>Only <see cref="ReceivingConsumer"/>, without a database.</summary>
    Receiver,

    /// <summary>Only <see cref="AuditingConsumer"/>, with an inbox.</summary>
    Auditor
}

/// <summary>A process with a consumer and a saga under inbox and outbox, and a receiver without.</summary>
public sealed class OutboxHost : IAsyncDisposable
{
    /// <summary>The header with which an outbox marks the first attempt to send a message.</summary>
    public const string FirstAttempt = "Outbox-First-Attempt";

    private readonly IHost _host;

    private OutboxHost(IHost host, Script script)
    {
        _host = host;
        Script = script;
    }

    public Script Script { get; }

    public IServiceProvider Services => _host.Services;

    public IBus Bus => Services.GetRequiredService<IBus>();

    /// <summary>Starts a host with an outbox.</summary>
    /// <param name="database">The database of the host.</param>
    /// <param name="clock">The clock of the outbox; null for the system clock.</param>
    /// <param name="configure">Configures the outbox.</param>
    /// <param name="broker">An AMQP address; null for the in-memory transport.</param>
    /// <param name="script">The behavior of the handlers.</param>
    /// <param name="parts">The consumers of the host.</param>
    /// <param name="endpoint">Configures the endpoints under the outbox; null for a retry outside the outbox.</param>
    /// <param name="log">Receives the log.</param>
    /// <param name="inside">A retry of the consumer and the saga, inside the outbox; null for none.</param>
    /// <param name="intercept">An interceptor of the context.</param>
    public static async Task<OutboxHost> StartAsync(
        TestDatabase database, TimeProvider? clock = null, Action<IEntityFrameworkOutboxConfigurator>? configure = null,
        string? broker = null, Script? script = null,
        Parts parts = Parts.All, Action<IRegistrationContext, IReceiveEndpointConfigurator>? endpoint = null, ILoggerProvider? log = null,
        Action<IRetryConfigurator>? inside = null, IInterceptor? intercept = null)
    {
        endpoint ??= (context, queue) =>
        {
            queue.UseMessageRetry(retry => retry.Interval(20, TimeSpan.FromMilliseconds(20)));
            queue.UseEntityFrameworkOutbox<TestDbContext>(context);
        };
        script ??= new Script();
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        if (Environment.GetEnvironmentVariable("CONCERT_TEST_LOG") is { Length: > 0 })
            builder.Logging.AddConsole();
        if (log is not null)
            builder.Logging.AddProvider(log);
        builder.Services.AddSingleton(clock ?? TimeProvider.System);
        builder.Services.AddSingleton(script);
        builder.Services.AddScoped<ScopeMark>();
        builder.Services.AddDbContext<TestDbContext>(options =>
        {
            database.Use(options);
            options.AddInterceptors(new CommitInterceptor(script));
            if (intercept is not null)
                options.AddInterceptors(intercept);
        });
        builder.Services.AddMassTransit(bus =>
        {
            if (parts != Parts.Receiver)
                AddOutbox(bus, configure);
            if (parts is Parts.All or Parts.Worker)
                AddWorker(bus, inside ?? (retry => retry.None()));
            if (parts == Parts.Auditor)
                bus.AddConsumer<AuditingConsumer>().Endpoint(queue => queue.Name = "auditing");
            if (parts is Parts.All or Parts.Receiver)
                bus.AddConsumer<ReceivingConsumer>().Endpoint(queue => queue.Name = "receiving");
            bus.AddConfigureEndpointsCallback((context, name, queue) =>
            {
                // One at a time, so that messages arrive in the order of sending.
                queue.ConcurrentMessageLimit = name == "receiving" ? 1 : 16;
                if (name != "receiving")
                    endpoint(context, queue);
            });
            if (broker is null)
            {
                bus.UsingInMemory((context, transport) =>
                {
                    transport.ConnectSendObserver(new BeforeSendObserver(script));
                    transport.ConnectPublishObserver(new BeforeSendObserver(script));
                    transport.ConfigureEndpoints(context);
                });
            }
            else
            {
                bus.UsingRabbitMq((context, transport) =>
                {
                    transport.Host(new Uri(broker));
                    transport.ConnectSendObserver(new BeforeSendObserver(script));
                    transport.ConfigureEndpoints(context);
                });
            }
        });
        builder.Services.AddOptions<MassTransitHostOptions>().Configure(options => options.WaitUntilStarted = true);
        var host = builder.Build();
        await host.StartAsync();
        return new OutboxHost(host, script);
    }

    /// <summary>Sends a message to the scripted consumer.</summary>
    /// <param name="message">The message.</param>
    /// <param name="messageId">Its id.</param>
    /// <param name="isFirst">Whether the message carries the header of a first attempt.</param>
    public Task SendToConsumerAsync(WriteNote message, Guid messageId, bool isFirst = false) =>
        SendAsync("scripted", message, messageId, isFirst);

    public async Task SendAsync<T>(string queue, T message, Guid messageId, bool isFirst = false)
        where T : class
    {
        var endpoint = await Bus.GetSendEndpoint(new Uri($"exchange:{queue}"));
        await endpoint.Send(message, context =>
        {
            context.MessageId = messageId;
            if (isFirst)
                context.Headers.Set(FirstAttempt, true);
        });
    }

    private static void AddOutbox(IBusRegistrationConfigurator bus, Action<IEntityFrameworkOutboxConfigurator>? configure) =>
        bus.AddEntityFrameworkOutbox<TestDbContext>(outbox =>
        {
            outbox.QueryDelay = TimeSpan.FromMilliseconds(50);
            outbox.UseBusOutbox();
            configure?.Invoke(outbox);
        });

    private static void AddWorker(IBusRegistrationConfigurator bus, Action<IRetryConfigurator> inside)
    {
        bus.AddConsumer<ScriptedConsumer>((_, consumer) => consumer.UseMessageRetry(inside)).Endpoint(queue => queue.Name = "scripted");
        bus.AddSagaStateMachine<TallyStateMachine, Tally>((_, saga) => saga.UseMessageRetry(inside))
            .EntityFrameworkRepository(repository =>
            {
                repository.ConcurrencyMode = ConcurrencyMode.Optimistic;
                repository.ExistingDbContext<TestDbContext>();
            })
            .Endpoint(queue => queue.Name = "tallies");
    }

    public async ValueTask DisposeAsync()
    {
        await _host.StopAsync();
        _host.Dispose();
    }

    private sealed class CommitInterceptor(Script script) : DbTransactionInterceptor
    {
        public override async ValueTask<InterceptionResult> TransactionCommittingAsync(
            DbTransaction transaction, TransactionEventData eventData, InterceptionResult result,
                CancellationToken cancellationToken = default)
        {
            await script.BeforeCommit(eventData.Context!);
            return result;
        }

        public override Task TransactionCommittedAsync(DbTransaction transaction, TransactionEndEventData eventData,
            CancellationToken cancellationToken = default) =>
            script.AfterCommit(eventData.Context!);
    }

    private sealed class BeforeSendObserver(Script script) : ISendObserver, IPublishObserver
    {
        public Task PreSend<T>(SendContext<T> context)
            where T : class =>
            script.BeforeSend(context);

        public Task PostSend<T>(SendContext<T> context)
            where T : class =>
            Task.CompletedTask;

        public Task SendFault<T>(SendContext<T> context, Exception exception)
            where T : class =>
            Task.CompletedTask;

        public Task PrePublish<T>(PublishContext<T> context)
            where T : class =>
            Task.CompletedTask;

        public Task PostPublish<T>(PublishContext<T> context)
            where T : class =>
            Task.CompletedTask;

        public Task PublishFault<T>(PublishContext<T> context, Exception exception)
            where T : class =>
            Task.CompletedTask;
    }
}
