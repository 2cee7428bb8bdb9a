using ConcertSaga.Shared.Persistence.Tests.Hosts;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Servers;
using MassTransit;
using MassTransit.DependencyInjection;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace ConcertSaga.Shared.Persistence.Tests.Configuration;

/// <summary>Several contexts, consumers and buses in one process each have their own outbox.</summary>
public sealed class ContextTests(PostgreSqlServer server) : IAsyncDisposable
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    private readonly TestDatabaseSet _databases = new(server);

    public ValueTask DisposeAsync() => _databases.DisposeAsync();

    [Theory]
    [MemberData(nameof(Stores.All), MemberType = typeof(Stores))]
    public async Task Contexts_OfTwoEndpoints_EachHaveTheirInboxAndOutbox(Store store)
    {
        await using var host = await StartAsync(store, bus =>
        {
            AddTill<BakeryDbContext>(bus, "bakery");
            AddTill<DairyDbContext>(bus, "dairy");
        });
        var (bread, milk) = (Guid.CreateVersion7(), Guid.CreateVersion7());
        await host.SendAsync("bakery", new SellItem(bread), bread);
        await host.SendAsync("dairy", new SellItem(milk), milk);
        // A duplicate during the first delivery would send the messages twice, so wait for its end.
        await IsDoneAsync<BakeryDbContext>(host, bread, receives: 1);
        await host.SendAsync("bakery", new SellItem(bread), bread);

        await SoldAsync(host, bread, nameof(BakeryDbContext));
        await SoldAsync(host, milk, nameof(DairyDbContext));
        await IsDoneAsync<BakeryDbContext>(host, bread, receives: 2);
        await IsDoneAsync<DairyDbContext>(host, milk, receives: 1);
        Assert.Equal(1, host.Journal.Count<ItemSold>(sold => sold.Id == bread));
    }

    [Theory]
    [MemberData(nameof(Stores.All), MemberType = typeof(Stores))]
    public async Task Consumers_OnOneEndpoint_EachHaveTheirInboxRow(Store store)
    {
        await using var host = await StartAsync(store, bus =>
        {
            AddTill<BakeryDbContext>(bus, "bakery");
            bus.AddConsumer<LedgerConsumer<BakeryDbContext>>().Endpoint(endpoint => endpoint.Name = "bakery");
        });
        var bread = Guid.CreateVersion7();
        for (var times = 1; times <= 3; times++)
        {
            await host.SendAsync("bakery", new SellItem(bread), bread);
            await Eventually.TrueAsync(() => host.ReadAsync<BakeryDbContext, bool>(async database =>
            {
                var rows = await database.Inbox.AsNoTracking().Where(row => row.MessageId == bread).ToListAsync();
                return rows.Count == 2 && rows.TrueForAll(row => row.ReceiveCount == times && row.Delivered is not null);
            }), Limit, $"both have a row, and have seen it {times} times");
        }
        Assert.Equal(["ledger", "till"], await host.ReadAsync<BakeryDbContext, List<string>>(
            database => database.Receipts.Where(receipt => receipt.About == bread).Select(receipt => receipt.Writer).Order()
                .ToListAsync()));
        await SoldAsync(host, bread, nameof(BakeryDbContext));
        Assert.Equal(1, host.Journal.Count<ItemSold>(sold => sold.Id == bread));
    }

    [Theory]
    [MemberData(nameof(Stores.All), MemberType = typeof(Stores))]
    public async Task Request_ToAConsumer_IsAnsweredThroughItsOutbox(Store store)
    {
        await using var host = await StartAsync(store, bus =>
        {
            AddOutbox<BakeryDbContext>(bus);
            bus.AddConsumer<PriceConsumer>().Endpoint(endpoint => endpoint.Name = "bakery-prices");
        });
        await using var scope = host.Services.CreateAsyncScope();
        var asked = Guid.CreateVersion7();
        var answer = await scope.ServiceProvider.GetRequiredService<IRequestClient<GetPrice>>()
            .GetResponse<PriceQuote>(new GetPrice(asked), TestContext.Current.CancellationToken);
        Assert.Equal(new PriceQuote(asked, 42), answer.Message);
        Assert.Equal(1,
            await host.ReadAsync<BakeryDbContext, int>(database => database.Receipts.CountAsync(receipt => receipt.About == asked)));
    }

    [Theory]
    [MemberData(nameof(Stores.All), MemberType = typeof(Stores))]
    public async Task Tables_WithASchemaAndNamesOfTheirOwn_AreUsed(Store store)
    {
        await using var host = await StartAsync(store, bus =>
        {
            AddTill<NamedDbContext>(bus, "named");
            AddOutbox<NamedDbContext>(bus, outbox => outbox.UseBusOutbox());
        });
        var (consumed, published) = (Guid.CreateVersion7(), Guid.CreateVersion7());
        await host.SendAsync("named", new SellItem(consumed), consumed);
        await IsDoneAsync<NamedDbContext>(host, consumed, receives: 1);
        await host.SendAsync("named", new SellItem(consumed), consumed);
        await SoldAsync(host, consumed, nameof(NamedDbContext));
        await IsDoneAsync<NamedDbContext>(host, consumed, receives: 2);

        await using var scope = host.Services.CreateAsyncScope();
        await scope.ServiceProvider.GetRequiredService<IPublishEndpoint>()
            .Publish(new ItemSold(published, "named"), TestContext.Current.CancellationToken);
        await scope.ServiceProvider.GetRequiredService<NamedDbContext>().SaveChangesAsync(TestContext.Current.CancellationToken);
        await SoldAsync(host, published, "named");
    }

    [Theory]
    [MemberData(nameof(Stores.All), MemberType = typeof(Stores))]
    public async Task BusOutboxes_OfTwoContexts_AreChosenByKey(Store store)
    {
        await using var host = await StartAsync(store, AddTwoBusOutboxes, services => services.AddScoped<Counter>());
        var (bread, milk, given) = (Guid.CreateVersion7(), Guid.CreateVersion7(), Guid.CreateVersion7());
        await using (var scope = host.Services.CreateAsyncScope())
        {
            var services = scope.ServiceProvider;
            await services.GetRequiredKeyedService<IPublishEndpoint>(typeof(BakeryDbContext))
                .Publish(new ItemSold(bread, "key"), TestContext.Current.CancellationToken);
            var endpoint = await services.GetRequiredKeyedService<ISendEndpointProvider>(typeof(DairyDbContext))
                .GetSendEndpoint(new Uri("queue:sold"));
            await endpoint.Send(new ItemSold(given, "send"), TestContext.Current.CancellationToken);
            await services.GetRequiredService<Counter>().SellAsync(milk);

            // Each context holds its own messages and sends them with its own save.
            var (bakery, dairy) = (services.GetRequiredService<BakeryDbContext>(), services.GetRequiredService<DairyDbContext>());
            Assert.Single(bakery.Outbox.Local);
            Assert.Equal(2, dairy.Outbox.Local.Count);
            await bakery.SaveChangesAsync(TestContext.Current.CancellationToken);
            await SoldAsync(host, bread, "key");
            Assert.Equal(0, host.Journal.Count<ItemSold>(sold => sold.Id == milk || sold.Id == given));
            await dairy.SaveChangesAsync(TestContext.Current.CancellationToken);
        }
        await SoldAsync(host, milk, "counter");
        await SoldAsync(host, given, "send");
    }

    [Fact]
    public async Task BusOutboxes_OfTwoContexts_AreChosenByTheConsumersContext()
    {
        await using var host = await StartAsync(Store.Sqlite, AddTwoBusOutboxes);
        var (bread, milk) = (Guid.CreateVersion7(), Guid.CreateVersion7());
        await host.SendAsync("bakery", new SellItem(bread), bread);
        await host.SendAsync("dairy", new SellItem(milk), milk);
        await SoldAsync(host, bread, nameof(BakeryDbContext));
        await SoldAsync(host, milk, nameof(DairyDbContext));

        await using var scope = host.Services.CreateAsyncScope();
        var answer = await scope.ServiceProvider.GetRequiredService<IRequestClient<GetPrice>>()
            .GetResponse<PriceQuote>(new GetPrice(bread), TestContext.Current.CancellationToken);
        Assert.Equal(42, answer.Message.Price);
    }

    [Fact]
    public async Task BusOutboxes_RequestedWithoutAKey_FailTheStart()
    {
        var failure = await Assert.ThrowsAsync<InvalidOperationException>(
            () => StartAsync(Store.Sqlite, AddTwoBusOutboxes, services => services.AddScoped<CarelessCounter>()));
        Assert.Equal(MissingKeyMessage("CarelessCounter"), failure.Message);
    }

    [Fact]
    public async Task BusOutboxes_RequestedWithoutAKeyAtRunTime_FailWithTheSameMessage()
    {
        await using var host = await StartAsync(Store.Sqlite, AddTwoBusOutboxes);
        await using var scope = host.Services.CreateAsyncScope();
        var failure = Assert.Throws<InvalidOperationException>(() => scope.ServiceProvider.GetRequiredService<IPublishEndpoint>());
        Assert.Equal(MissingKeyMessage("A component"), failure.Message);
    }

    [Fact]
    public async Task BusOutbox_OfTheOnlyContext_NeedsNoKey()
    {
        await using var host = await StartAsync(Store.Sqlite, bus => AddOutbox<BakeryDbContext>(bus, outbox => outbox.UseBusOutbox()),
            services => services.AddScoped<CarelessCounter>());
        var bread = Guid.CreateVersion7();
        await using var scope = host.Services.CreateAsyncScope();
        await scope.ServiceProvider.GetRequiredService<CarelessCounter>().SellAsync(bread);
        await scope.ServiceProvider.GetRequiredKeyedService<IPublishEndpoint>(typeof(BakeryDbContext))
            .Publish(new ItemSold(bread, "key"), TestContext.Current.CancellationToken);
        var bakery = scope.ServiceProvider.GetRequiredService<BakeryDbContext>();
        Assert.Equal(2, bakery.Outbox.Local.Count);
        await bakery.SaveChangesAsync(TestContext.Current.CancellationToken);
        await SoldAsync(host, bread, "careless");
        await SoldAsync(host, bread, "key");
    }

    [Theory]
    [MemberData(nameof(Stores.All), MemberType = typeof(Stores))]
    public async Task Buses_InOneProcess_EachHaveTheirOutbox(Store store)
    {
        await using var host = await StartAsync(
            store,
            bus => AddTill<BakeryDbContext>(bus, "bakery", outbox => outbox.UseBusOutbox()),
            services => services.AddMassTransit<ISecondBus>(bus =>
            {
                AddTill<DairyDbContext>(bus, "dairy", outbox => outbox.UseBusOutbox());
                bus.AddConsumer<ItemSoldConsumer>().Endpoint(endpoint => endpoint.Name = "second-sold");
                Configure(bus);
            }));
        var (bread, milk, consumed) = (Guid.CreateVersion7(), Guid.CreateVersion7(), Guid.CreateVersion7());
        await using (var scope = host.Services.CreateAsyncScope())
        {
            var services = scope.ServiceProvider;
            await services.GetRequiredService<IPublishEndpoint>().Publish(new ItemSold(bread, "first"),
                TestContext.Current.CancellationToken);
            await services.GetRequiredService<Bind<ISecondBus, IPublishEndpoint>>().Value.Publish(new ItemSold(milk, "second"),
                TestContext.Current.CancellationToken);
            Assert.Single(services.GetRequiredService<BakeryDbContext>().Outbox.Local);
            Assert.Single(services.GetRequiredService<DairyDbContext>().Outbox.Local);
            await services.GetRequiredService<BakeryDbContext>().SaveChangesAsync(TestContext.Current.CancellationToken);
            await services.GetRequiredService<DairyDbContext>().SaveChangesAsync(TestContext.Current.CancellationToken);
        }
        await SoldAsync(host, bread, "first");
        await SoldAsync(host, milk, "second");

        var endpoint = await host.Services.GetRequiredService<ISecondBus>().GetSendEndpoint(new Uri("queue:dairy"));
        await endpoint.Send(new SellItem(consumed), context => context.MessageId = consumed, TestContext.Current.CancellationToken);
        await SoldAsync(host, consumed, nameof(DairyDbContext));
        await IsDoneAsync<DairyDbContext>(host, consumed, receives: 1);
    }

    [Fact]
    public async Task Context_OnTwoBuses_IsRejected()
    {
        var failure = await Assert.ThrowsAnyAsync<Exception>(() => StartAsync(
            Store.Sqlite, bus => AddOutbox<BakeryDbContext>(bus), services => services.AddMassTransit<ISecondBus>(bus =>
            {
                AddOutbox<BakeryDbContext>(bus);
                Configure(bus);
            })));
        Assert.Equal("BakeryDbContext already has an outbox on IBus and cannot have one on ISecondBus. Give each bus its own context.",
            Assert.IsType<ConfigurationException>(failure.GetBaseException()).Message);
    }

    [Theory]
    [MemberData(nameof(Stores.All), MemberType = typeof(Stores))]
    public async Task Delivery_LeftToAnotherProcess_HappensThere(Store store)
    {
        var bakery = await _databases.CreateAsync<BakeryDbContext>(store, options => new BakeryDbContext(options));
        var bread = Guid.CreateVersion7();
        await using var writing = await RunAsync(false);
        await using (var scope = writing.Services.CreateAsyncScope())
        {
            await scope.ServiceProvider.GetRequiredService<IPublishEndpoint>()
                .Publish(new ItemSold(bread, "elsewhere"), TestContext.Current.CancellationToken);
            await scope.ServiceProvider.GetRequiredService<BakeryDbContext>().SaveChangesAsync(TestContext.Current.CancellationToken);
        }
        // The first process never delivers, so the other process does after the lease.
        await using var delivering = await RunAsync(true);
        await SoldAsync(delivering, bread, "elsewhere");
        Assert.Equal(0, writing.Journal.Count<ItemSold>(_ => true));

        Task<CustomHost> RunAsync(bool delivers) => CustomHost.StartAsync(services =>
        {
            services.AddDbContext<BakeryDbContext>(bakery.Use);
            services.AddMassTransit(bus =>
            {
                AddOutbox<BakeryDbContext>(bus, outbox => outbox.UseBusOutbox(delivery =>
                {
                    delivery.MessageDeliveryLimit = 10;
                    delivery.MessageDeliveryTimeout = TimeSpan.FromMilliseconds(500);
                    if (!delivers)
                        delivery.DisableDeliveryService();
                }));
                bus.AddConsumer<ItemSoldConsumer>().Endpoint(endpoint => endpoint.Name = "sold");
                Configure(bus);
            });
        });
    }

    private static string MissingKeyMessage(string component) =>
        $"{component} requests IPublishEndpoint outside a consumer, but BakeryDbContext and DairyDbContext each have a bus outbox. "
        + "Choose one with [FromKeyedServices(typeof(BakeryDbContext))], or use IBus for messages that need no outbox.";

    private static void AddTwoBusOutboxes(IBusRegistrationConfigurator bus)
    {
        AddTill<BakeryDbContext>(bus, "bakery", outbox => outbox.UseBusOutbox());
        AddTill<DairyDbContext>(bus, "dairy", outbox => outbox.UseBusOutbox());
        bus.AddConsumer<PriceConsumer>().Endpoint(endpoint => endpoint.Name = "bakery-prices");
    }

    private static void AddTill<TContext>(IBusRegistrationConfigurator bus, string queue,
        Action<IEntityFrameworkOutboxConfigurator>? configure = null)
        where TContext : ShopDbContext
    {
        AddOutbox<TContext>(bus, configure);
        bus.AddConsumer<TillConsumer<TContext>>().Endpoint(endpoint => endpoint.Name = queue);
    }

    private static void AddOutbox<TContext>(IBusRegistrationConfigurator bus, Action<IEntityFrameworkOutboxConfigurator>? configure = null)
        where TContext : ShopDbContext =>
        bus.AddEntityFrameworkOutbox<TContext>(outbox =>
        {
            outbox.QueryDelay = TimeSpan.FromMilliseconds(50);
            configure?.Invoke(outbox);
        });

    private static void Configure(IBusRegistrationConfigurator bus)
    {
        bus.AddConfigureEndpointsCallback((context, name, endpoint) =>
        {
            if (name.StartsWith("bakery", StringComparison.Ordinal))
                endpoint.UseEntityFrameworkOutbox<BakeryDbContext>(context);
            if (name.StartsWith("dairy", StringComparison.Ordinal))
                endpoint.UseEntityFrameworkOutbox<DairyDbContext>(context, outbox => outbox.MessageDeliveryLimit = 10);
            if (name.StartsWith("named", StringComparison.Ordinal))
                endpoint.UseEntityFrameworkOutbox<NamedDbContext>(context);
        });
        bus.UsingInMemory((context, transport) => transport.ConfigureEndpoints(context));
    }

    private static Task SoldAsync(CustomHost host, Guid id, string shop) =>
        Eventually.TrueAsync(() => host.Journal.Count<ItemSold>(sold => sold == new ItemSold(id, shop)) == 1, Limit, $"{shop} sold");

    private static Task IsDoneAsync<TContext>(CustomHost host, Guid message, int receives)
        where TContext : ShopDbContext =>
        Eventually.TrueAsync(() => host.ReadAsync<TContext, bool>(async database =>
            await database.Inbox.AnyAsync(row => row.MessageId == message && row.ReceiveCount == receives && row.Delivered != null)
            && await database.Receipts.CountAsync(receipt => receipt.About == message) == 1
            && !await database.Outbox.AnyAsync()), Limit, "the message is consumed once, and what it sent delivered");

    private async Task<CustomHost> StartAsync(Store store, Action<IBusRegistrationConfigurator> configure,
        Action<IServiceCollection>? more = null)
    {
        var bakery = await _databases.CreateAsync<BakeryDbContext>(store, options => new BakeryDbContext(options));
        var dairy = await _databases.CreateAsync<DairyDbContext>(store, options => new DairyDbContext(options));
        var named = await _databases.CreateAsync<NamedDbContext>(store, options => new NamedDbContext(options));
        return await CustomHost.StartAsync(services =>
        {
            services.AddDbContext<BakeryDbContext>(bakery.Use).AddDbContext<DairyDbContext>(dairy.Use)
                .AddDbContext<NamedDbContext>(named.Use);
            services.AddMassTransit(bus =>
            {
                configure(bus);
                bus.AddConsumer<ItemSoldConsumer>().Endpoint(endpoint => endpoint.Name = "sold");
                Configure(bus);
            });
            more?.Invoke(services);
        });
    }
}
