using ConcertSaga.Shared.Persistence.Tests.Hosts;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Servers;
using MassTransit;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace ConcertSaga.Shared.Persistence.Tests.Sagas;

/// <summary>
/// Optimistic sagas behave as documented on each database, with and without the outbox and a customized query.
/// </summary>
public sealed class OptimisticSagaTests(PostgreSqlServer server) : IAsyncLifetime
{
    private const int Together = 8;

    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    private TestDatabase? _database;

    /// <summary>The database, whether there is an outbox, and whether the query includes the lines.</summary>
    public static MatrixTheoryData<Store, bool, bool> Ways => new(Enum.GetValues<Store>(), [true, false], [true, false]);

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public ValueTask DisposeAsync() => _database?.DisposeAsync() ?? ValueTask.CompletedTask;

    [Theory]
    [MemberData(nameof(Ways))]
    public async Task Events_OfAnUnlockedSaga_AllCount(Store store, bool outbox, bool customized)
    {
        await using var host = await StartAsync(store, outbox, customized);
        var id = Guid.CreateVersion7();
        await host.SendAsync("orders", new OrderPlaced(id, $"{id}"));
        await ItemsAreAsync(host, id, 1);

        // All messages load the saga before the first one changes it. Without an outbox SQLite runs one transaction at a time.
        var meet = outbox || !store.IsSqlite();
        if (meet)
            host.Journal.BeforeChange = () => Eventually.TrueAsync(() => NumberedItems(host) >= Together, Limit, "all have loaded it");
        await Task.WhenAll(Enumerable.Range(1, Together).Select(number => host.SendAsync("orders", new ItemAdded(id, $"{number}"))));

        await ItemsAreAsync(host, id, 1 + Together);
        Assert.InRange(NumberedItems(host), meet ? (2 * Together) - 1 : Together, int.MaxValue);
        var lines = await host.ReadAsync<CountedOrdersDbContext, List<string>>(database => database.Set<OrderLine>()
            .Select(line => line.Item).ToListAsync());
        Assert.Equal(Enumerable.Range(1, Together).Select(number => $"{number}").Append("first").Order(), lines.Order());
    }

    [Theory]
    [MemberData(nameof(Ways))]
    public async Task FirstEvents_InsertedOnInitial_MakeOneSaga(Store store, bool outbox, bool customized)
    {
        await using var host = await StartAsync(store, outbox, customized);
        var id = Guid.CreateVersion7();
        await Task.WhenAll(Enumerable.Range(0, Together).Select(_ => host.SendAsync("orders", new OrderPlaced(id, $"{id}"))));

        await ItemsAreAsync(host, id, Together);
        Assert.Equal(1, host.Journal.Count<string>(item => item == "first"));
        var lines = await host.ReadAsync<CountedOrdersDbContext, List<string>>(database => database.Set<OrderLine>()
            .Select(line => line.Item).ToListAsync());
        Assert.Equal(Enumerable.Repeat("again", Together - 1).Append("first"), lines.Order());
    }

    /// <summary>The saga sees exactly the rows that the query includes.</summary>
    [Theory]
    [MemberData(nameof(Ways))]
    public async Task Request_CorrelatedByQuery_IsAnsweredByTheSaga(Store store, bool outbox, bool customized)
    {
        await using var host = await StartAsync(store, outbox, customized);
        var (id, other) = (Guid.CreateVersion7(), Guid.CreateVersion7());
        await host.SendAsync("orders", new OrderPlaced(id, "by number"));
        await host.SendAsync("orders", new OrderPlaced(other, "another"));
        await host.SendAsync("orders", new OrderPlaced(other, "another"));
        await ItemsAreAsync(host, id, 1);
        await ItemsAreAsync(host, other, 2);

        await using var scope = host.Services.CreateAsyncScope();
        var client = scope.ServiceProvider.GetRequiredService<IRequestClient<GetOrder>>();
        foreach (var (number, expected) in new[] { ("by number", new OrderDetails(id, 1, customized ? 1 : 0)),
            ("another", new OrderDetails(other, 2, customized ? 2 : 0)) })
        {
            var answer = await client.GetResponse<OrderDetails, OrderNotFound>(new GetOrder(number),
                TestContext.Current.CancellationToken);
            Assert.True(answer.Is(out Response<OrderDetails>? known));
            Assert.Equal(expected, known.Message);
        }
    }

    [Theory]
    [MemberData(nameof(Ways))]
    public async Task Event_WithoutItsSaga_IsHandledAsTheMachineSpecifies(Store store, bool outbox, bool customized)
    {
        await using var host = await StartAsync(store, outbox, customized);
        await using var scope = host.Services.CreateAsyncScope();
        var client = scope.ServiceProvider.GetRequiredService<IRequestClient<GetOrder>>();
        var answer = await client.GetResponse<OrderDetails, OrderNotFound>(new GetOrder("missing"),
            TestContext.Current.CancellationToken);
        Assert.True(answer.Is(out Response<OrderNotFound>? unknown));
        Assert.Equal("missing", unknown.Message.Number);

        // With the outbox, one query looks for all of them and for an existing saga.
        var id = Guid.CreateVersion7();
        await host.SendAsync("orders", new OrderPlaced(id, $"{id}"));
        await ItemsAreAsync(host, id, 1);
        await Task.WhenAll(Enumerable.Range(1, Together)
            .Select(number => host.SendAsync("orders", new ItemAdded(Guid.CreateVersion7(), $"to nothing {number}")))
            .Append(host.SendAsync("orders", new ItemAdded(id, "to something"))));
        await Eventually.TrueAsync(() => host.Journal.Count<OrderNotFound>(_ => true) >= Together, Limit, "the answers are published");
        await ItemsAreAsync(host, id, 2);
        Assert.All(Enumerable.Range(1, Together),
            number => Assert.Equal(1, host.Journal.Count<OrderNotFound>(message => message.Number == $"to nothing {number}")));
        Assert.Equal(1, await host.ReadAsync<CountedOrdersDbContext, int>(database => database.Orders.CountAsync()));
    }

    private async Task<CustomHost> StartAsync(Store store, bool outbox, bool customized)
    {
        _database = await TestDatabase.CreateEmptyAsync(store, server);
        await using (var context = new CountedOrdersDbContext(_database.OptionsOf<CountedOrdersDbContext>()))
            await context.Database.EnsureCreatedAsync();
        return await CustomHost.StartAsync(services =>
        {
            services.AddDbContext<CountedOrdersDbContext>(_database.Use);
            services.AddMassTransit(bus =>
            {
                bus.AddSagaStateMachine<OrderStateMachine, Order>()
                    .EntityFrameworkRepository(repository =>
                    {
                        repository.ConcurrencyMode = ConcurrencyMode.Optimistic;
                        repository.ExistingDbContext<CountedOrdersDbContext>();
                        if (customized)
                            repository.CustomizeQuery(orders => orders.Include(order => order.Lines));
                    })
                    .Endpoint(endpoint => endpoint.Name = "orders");
                bus.AddConsumer<OrderNotFoundConsumer>();
                bus.AddRequestClient<GetOrder>(new Uri("queue:orders"));
                bus.AddEntityFrameworkOutbox<CountedOrdersDbContext>(o => o.QueryDelay = TimeSpan.FromMilliseconds(50));
                bus.AddConfigureEndpointsCallback((context, name, endpoint) =>
                {
                    endpoint.ConcurrentMessageLimit = 2 * Together;
                    if (name != "orders")
                        return;
                    // Of all messages that load the saga at the same time, only one succeeds.
                    endpoint.UseMessageRetry(retry => retry.Immediate(4 * Together));
                    if (outbox)
                        endpoint.UseEntityFrameworkOutbox<CountedOrdersDbContext>(context);
                });
                bus.UsingInMemory((context, transport) => transport.ConfigureEndpoints(context));
            });
        });
    }

    private static int NumberedItems(CustomHost host) => host.Journal.Count<string>(item => int.TryParse(item, out _));

    private static Task ItemsAreAsync(CustomHost host, Guid id, int items) => Eventually.TrueAsync(
        () => host.ReadAsync<CountedOrdersDbContext, bool>(database =>
            database.Orders.AnyAsync(order => order.CorrelationId == id && order.Items == items)),
        Limit, $"there are {items} items");

    private sealed class OrderNotFoundConsumer(Journal journal) : IConsumer<OrderNotFound>
    {
        public Task Consume(ConsumeContext<OrderNotFound> context)
        {
            journal.Note(context.Message);
            return Task.CompletedTask;
        }
    }
}
