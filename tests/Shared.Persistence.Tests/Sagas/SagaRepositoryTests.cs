using ConcertSaga.Shared.Persistence.Tests.Hosts;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Servers;
using MassTransit;
using MassTransit.Saga;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace ConcertSaga.Shared.Persistence.Tests.Sagas;

/// <summary>Pessimistic sagas behave as documented on each database, with and without the outbox.</summary>
public sealed class SagaRepositoryTests(PostgreSqlServer server) : IAsyncLifetime
{
    private const int Together = 8;

    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    private TestDatabase? _database;

    public static TheoryData<string> Registrations =>
        ["AddDbContext", "AddDbContextPool", "AddDbContextFactory", "AddPooledDbContextFactory", "Derived", "After"];

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public ValueTask DisposeAsync() => _database?.DisposeAsync() ?? ValueTask.CompletedTask;

    [Theory]
    [MemberData(nameof(Stores.AllTwice), MemberType = typeof(Stores))]
    public async Task Events_OfALockedSaga_WaitForEachOther(Store store, bool outbox)
    {
        await using var host = await StartAsync(store, outbox);
        var id = Guid.CreateVersion7();
        await host.SendAsync("orders", new OrderPlaced(id, $"{id}"));
        await ItemsAreAsync(host, id, 1);

        // All messages arrive before the first one changes the saga. Without the lock, all would start from the same count.
        host.Journal.BeforeChange = () =>
            Eventually.TrueAsync(() => host.Journal.Count<Arrival>(_ => true) >= Together, Limit, "all have arrived");
        await Task.WhenAll(Enumerable.Range(1, Together).Select(number => host.SendAsync("orders", new ItemAdded(id, $"{number}"))));

        await ItemsAreAsync(host, id, 1 + Together);
        Assert.Equal(1 + Together, await host.ReadAsync<OrdersDbContext, int>(database => database.Set<OrderLine>().CountAsync()));
        Assert.Equal(Together, host.Journal.Count<string>(item => int.TryParse(item, out _)));
    }

    [Theory]
    [MemberData(nameof(Stores.AllTwice), MemberType = typeof(Stores))]
    public async Task FirstEvents_InsertedOnInitial_MakeOneSaga(Store store, bool outbox)
    {
        await using var host = await StartAsync(store, outbox);
        var id = Guid.CreateVersion7();
        await Task.WhenAll(Enumerable.Range(0, Together).Select(_ => host.SendAsync("orders", new OrderPlaced(id, $"{id}"))));

        await ItemsAreAsync(host, id, Together);
        Assert.Equal(1, host.Journal.Count<string>(item => item == "first"));
        Assert.Equal(Together - 1, host.Journal.Count<string>(item => item == "again"));
    }

    [Theory]
    [MemberData(nameof(Stores.AllTwice), MemberType = typeof(Stores))]
    public async Task Request_CorrelatedByQuery_IsAnsweredByTheSaga(Store store, bool outbox)
    {
        await using var host = await StartAsync(store, outbox);
        var id = Guid.CreateVersion7();
        await host.SendAsync("orders", new OrderPlaced(id, "by number"));
        await ItemsAreAsync(host, id, 1);

        await using var scope = host.Services.CreateAsyncScope();
        var client = scope.ServiceProvider.GetRequiredService<IRequestClient<GetOrder>>();
        var answer = await client.GetResponse<OrderDetails, OrderNotFound>(new GetOrder("by number"),
            TestContext.Current.CancellationToken);
        Assert.True(answer.Is(out Response<OrderDetails>? known));
        Assert.Equal(new OrderDetails(id, 1, 1), known.Message);
    }

    [Theory]
    [MemberData(nameof(Stores.AllTwice), MemberType = typeof(Stores))]
    public async Task Event_WithoutItsSaga_IsHandledAsTheMachineSpecifies(Store store, bool outbox)
    {
        await using var host = await StartAsync(store, outbox);
        await using var scope = host.Services.CreateAsyncScope();
        var client = scope.ServiceProvider.GetRequiredService<IRequestClient<GetOrder>>();
        var answer = await client.GetResponse<OrderDetails, OrderNotFound>(new GetOrder("missing"),
            TestContext.Current.CancellationToken);
        Assert.True(answer.Is(out Response<OrderNotFound>? unknown));
        Assert.Equal("missing", unknown.Message.Number);

        await host.SendAsync("orders", new ItemAdded(Guid.CreateVersion7(), "to nothing"));
        await Eventually.TrueAsync(() => host.Journal.Count<OrderNotFound>(message => message.Number == "to nothing") == 1, Limit,
            "the answer is published");
        Assert.Equal(0, await host.ReadAsync<OrdersDbContext, int>(database => database.Orders.CountAsync()));
    }

    [Theory]
    [MemberData(nameof(Stores.All), MemberType = typeof(Stores))]
    public async Task Saga_OfTheRepository_CanBeLoadedAndQueried(Store store)
    {
        await using var host = await StartAsync(store, outbox: false);
        var id = Guid.CreateVersion7();
        await host.SendAsync("orders", new OrderPlaced(id, "to load"));
        await ItemsAreAsync(host, id, 1);

        await using var scope = host.Services.CreateAsyncScope();
        var loaded = await scope.ServiceProvider.GetRequiredService<ILoadSagaRepository<Order>>().Load(id);
        Assert.Equal("to load", loaded.Number);
        Assert.Single(loaded.Lines);
        var found = await scope.ServiceProvider.GetRequiredService<IQuerySagaRepository<Order>>()
            .Find(new SagaQuery<Order>(order => order.Number == "to load"));
        Assert.Equal(id, Assert.Single(found));
    }

    [Theory]
    [MemberData(nameof(Registrations))]
    public async Task RowLocks_HoweverTheContextIsRegistered_AreTaken(string registration)
    {
        _database = await TestDatabase.CreateEmptyAsync(Store.PostgreSql, server);
        await CreateTablesAsync();
        var statements = new Statements();
        void Use(DbContextOptionsBuilder options)
        {
            _database.Use(options);
            options.AddInterceptors(statements);
        }
        await using var host = await CustomHost.StartAsync(services =>
        {
            if (registration != "After")
                Register();
            services.AddMassTransit(bus =>
            {
                if (registration == "Derived")
                    AddSaga<DbContext>(bus);
                else
                    AddSaga<OrdersDbContext>(bus);
                bus.UsingInMemory((context, transport) => transport.ConfigureEndpoints(context));
            });
            if (registration == "After")
                Register();

            object Register() => registration switch
            {
                "AddDbContextPool" => services.AddDbContextPool<OrdersDbContext>(Use),
                "AddDbContextFactory" => services.AddDbContextFactory<OrdersDbContext>(Use),
                "AddPooledDbContextFactory" => services.AddPooledDbContextFactory<OrdersDbContext>(Use)
                    .AddScoped(provider => provider.GetRequiredService<IDbContextFactory<OrdersDbContext>>().CreateDbContext()),
                "Derived" => services.AddDbContextPool<DbContext, OrdersDbContext>(Use),
                _ => services.AddDbContext<OrdersDbContext>(Use)
            };
        });
        await host.SendAsync("orders", new OrderPlaced(Guid.CreateVersion7(), registration));
        await Eventually.TrueAsync(() => statements.All.Any(text => text.Contains("FOR UPDATE OF o", StringComparison.Ordinal)), Limit,
            "the row is locked");
    }

    [Fact]
    public async Task RowLocks_WithoutTheInterceptor_FailWithAnExplanation()
    {
        _database = await TestDatabase.CreateEmptyAsync(Store.PostgreSql, server);
        await CreateTablesAsync();
        await using var host = await CustomHost.StartAsync(services =>
        {
            services.AddScoped(_ => new OrdersDbContext(_database.OptionsOf<OrdersDbContext>()));
            services.AddMassTransit(bus =>
            {
                AddSaga<OrdersDbContext>(bus);
                bus.AddConsumer<FaultConsumer>();
                bus.UsingInMemory((context, transport) => transport.ConfigureEndpoints(context));
            });
        });
        await host.SendAsync("orders", new OrderPlaced(Guid.CreateVersion7(), "no lock"));
        await Eventually.TrueAsync(
            () => host.Journal.Count<string>(text => text.Contains("OrdersDbContext cannot lock rows", StringComparison.Ordinal)) == 1,
            Limit, "the fault explains it");
    }

    private async Task<CustomHost> StartAsync(Store store, bool outbox)
    {
        _database = await TestDatabase.CreateEmptyAsync(store, server);
        await CreateTablesAsync();
        return await CustomHost.StartAsync(services =>
        {
            services.AddDbContext<OrdersDbContext>(_database.Use);
            services.AddMassTransit(bus =>
            {
                AddSaga<OrdersDbContext>(bus);
                bus.AddConsumer<OrderNotFoundConsumer>();
                bus.AddRequestClient<GetOrder>(new Uri("queue:orders"));
                bus.AddEntityFrameworkOutbox<OrdersDbContext>(o => o.QueryDelay = TimeSpan.FromMilliseconds(50));
                bus.AddConfigureEndpointsCallback((context, name, endpoint) =>
                {
                    endpoint.ConcurrentMessageLimit = 2 * Together;
                    // There is no retry, because a locked saga needs none.
                    if (outbox && name == "orders")
                        endpoint.UseEntityFrameworkOutbox<OrdersDbContext>(context);
                });
                bus.UsingInMemory((context, transport) =>
                {
                    transport.ConnectReceiveObserver(new ArrivalObserver(context.GetRequiredService<Journal>()));
                    transport.ConfigureEndpoints(context);
                });
            });
        });
    }

    private static void AddSaga<TContext>(IBusRegistrationConfigurator bus)
        where TContext : DbContext =>
        bus.AddSagaStateMachine<OrderStateMachine, Order>()
            .EntityFrameworkRepository(repository =>
            {
                repository.ExistingDbContext<TContext>();
                repository.CustomizeQuery(orders => orders.Include(order => order.Lines));
            })
            .Endpoint(endpoint => endpoint.Name = "orders");

    private async Task CreateTablesAsync()
    {
        await using var context = new OrdersDbContext(_database!.OptionsOf<OrdersDbContext>());
        await context.Database.EnsureCreatedAsync();
    }

    private static Task ItemsAreAsync(CustomHost host, Guid id, int items) => Eventually.TrueAsync(
        () => host.ReadAsync<OrdersDbContext, bool>(database =>
            database.Orders.AnyAsync(order => order.CorrelationId == id && order.Items == items)),
        Limit, $"there are {items} items");

    private sealed record Arrival;

    private sealed class OrderNotFoundConsumer(Journal journal) : IConsumer<OrderNotFound>
    {
        public Task Consume(ConsumeContext<OrderNotFound> context)
        {
            journal.Note(context.Message);
            return Task.CompletedTask;
        }
    }

    private sealed class FaultConsumer(Journal journal) : IConsumer<Fault<OrderPlaced>>
    {
        public Task Consume(ConsumeContext<Fault<OrderPlaced>> context)
        {
            journal.Note(context.Message.Exceptions[0].Message);
            return Task.CompletedTask;
        }
    }

    private sealed class ArrivalObserver(Journal journal) : IReceiveObserver
    {
        public Task PreReceive(ReceiveContext context)
        {
            if (context.InputAddress.AbsolutePath.EndsWith("orders", StringComparison.Ordinal) && journal.Count<string>(_ => true) > 0)
                journal.Note(new Arrival());
            return Task.CompletedTask;
        }

        public Task PostReceive(ReceiveContext context) => Task.CompletedTask;

        public Task PostConsume<T>(ConsumeContext<T> context, TimeSpan duration, string consumerType)
            where T : class =>
            Task.CompletedTask;

        public Task ConsumeFault<T>(ConsumeContext<T> context, TimeSpan duration, string consumerType, Exception exception)
            where T : class =>
            Task.CompletedTask;

        public Task ReceiveFault(ReceiveContext context, Exception exception) => Task.CompletedTask;
    }
}
