using ConcertSaga.Shared.Persistence.Tests.Hosts;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Servers;
using MassTransit;
using MassTransit.EntityFrameworkCoreIntegration;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace ConcertSaga.Shared.Persistence.Tests.Sagas;

/// <summary>Optimistic sagas with row versions, mapped and registered as documented.</summary>
public sealed class SagaMappingTests(PostgreSqlServer server) : IAsyncDisposable
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    private readonly TestDatabaseSet _databases = new(server);

    public ValueTask DisposeAsync() => _databases.DisposeAsync();

    [Theory]
    [MemberData(nameof(Stores.All), MemberType = typeof(Stores))]
    public async Task RowVersion_OfBytes_FindsTheLostUpdate(Store store)
    {
        var database = await _databases.CreateAsync<ParcelDbContext>(store, options => new ParcelDbContext(options));
        await using var host = await StartAsync(bus => AddSaga<Parcel, ParcelDbContext>(bus, database));
        await LoseNothingAsync<ParcelDbContext, Parcel>(host, store);
    }

    [Fact]
    public async Task RowVersion_OfPostgreSql_FindsTheLostUpdate()
    {
        var database = await _databases.CreateAsync<CrateDbContext>(Store.PostgreSql, options => new CrateDbContext(options));
        await using var host = await StartAsync(bus => AddSaga<Crate, CrateDbContext>(bus, database));
        await LoseNothingAsync<CrateDbContext, Crate>(host, Store.PostgreSql);
    }

    [Fact]
    public async Task Contexts_AddedByTwoSagas_AreEachTheirOwn()
    {
        var parcels = await _databases.CreateAsync<ParcelDbContext>(Store.PostgreSql, options => new ParcelDbContext(options));
        var crates = await _databases.CreateAsync<CrateDbContext>(Store.PostgreSql, options => new CrateDbContext(options));
        await using var host = await StartAsync(bus =>
        {
            AddSaga<Parcel, ParcelDbContext>(bus, parcels);
            AddSaga<Crate, CrateDbContext>(bus, crates);
        });
        var id = Guid.CreateVersion7();
        await host.Bus.Publish(new ParcelWeighed(id, 3), TestContext.Current.CancellationToken);
        await GramsAreAsync<ParcelDbContext, Parcel>(host, id, 3);
        await GramsAreAsync<CrateDbContext, Crate>(host, id, 3);
    }

    [Fact]
    public async Task Provider_ForAllSagas_StoresThoseWithoutARepository()
    {
        var database = await _databases.CreateAsync<OrdersDbContext>(Store.PostgreSql, options => new OrdersDbContext(options));
        await using var host = await CustomHost.StartAsync(services =>
        {
            services.AddDbContext<OrdersDbContext>(database.Use);
            services.AddMassTransit(bus =>
            {
                bus.SetEntityFrameworkSagaRepositoryProvider(repository =>
                {
                    repository.ExistingDbContext<OrdersDbContext>();
                    repository.LockStatementProvider = new PostgresLockStatementProvider();
                });
                bus.AddSagaStateMachine<OrderStateMachine, Order>().Endpoint(endpoint => endpoint.Name = "orders");
                bus.UsingInMemory((context, transport) => transport.ConfigureEndpoints(context));
            });
        });
        var id = Guid.CreateVersion7();
        await host.SendAsync("orders", new OrderPlaced(id, "provided"));
        await Eventually.TrueAsync(() => host.ReadAsync<OrdersDbContext, bool>(orders =>
            orders.Orders.AnyAsync(order => order.CorrelationId == id)), Limit, "it is stored");
    }

    private static Task<CustomHost> StartAsync(Action<IBusRegistrationConfigurator> configure) =>
        CustomHost.StartAsync(services => services.AddMassTransit(bus =>
    {
        configure(bus);
        bus.AddConfigureEndpointsCallback((_, _, endpoint) => endpoint.UseMessageRetry(retry => retry.Immediate(10)));
        bus.UsingInMemory((context, transport) => transport.ConfigureEndpoints(context));
    }));

    private static void AddSaga<TParcel, TContext>(IBusRegistrationConfigurator bus, TestDatabase database)
        where TParcel : class, IParcel
        where TContext : SagaDbContext =>
        bus.AddSagaStateMachine<WeighingStateMachine<TParcel>, TParcel>()
            .EntityFrameworkRepository(repository =>
            {
                repository.ConcurrencyMode = ConcurrencyMode.Optimistic;
                repository.AddDbContext<DbContext, TContext>((_, options) => database.Use(options));
            })
            .Endpoint(endpoint => endpoint.Name = typeof(TParcel).Name);

    // On PostgreSQL both messages load the row before one of them saves; SQLite runs one transaction at a time.
    private static async Task LoseNothingAsync<TContext, TParcel>(CustomHost host, Store store)
        where TContext : DbContext
        where TParcel : class, IParcel
    {
        var id = Guid.CreateVersion7();
        await host.Bus.Publish(new ParcelWeighed(id, 1), TestContext.Current.CancellationToken);
        await GramsAreAsync<TContext, TParcel>(host, id, 1);
        if (!store.IsSqlite())
            host.Journal.BeforeChange = () =>
                Eventually.TrueAsync(() => host.Journal.Count<ParcelWeighed>(_ => true) >= 3, Limit, "both have loaded the row");
        await Task.WhenAll(host.Bus.Publish(new ParcelWeighed(id, 10)), host.Bus.Publish(new ParcelWeighed(id, 100)));
        await GramsAreAsync<TContext, TParcel>(host, id, 111);
        Assert.True(store.IsSqlite() || host.Journal.Count<ParcelWeighed>(_ => true) >= 4, "one of them was retried");
    }

    private static Task GramsAreAsync<TContext, TParcel>(CustomHost host, Guid id, int grams)
        where TContext : DbContext
        where TParcel : class, IParcel =>
        Eventually.TrueAsync(
            () => host.ReadAsync<TContext, bool>(database => database.Set<TParcel>()
                .AnyAsync(parcel => parcel.CorrelationId == id && parcel.Grams == grams)),
            Limit, $"it weighs {grams} g");
}
