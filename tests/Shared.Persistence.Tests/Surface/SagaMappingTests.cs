using ConcertSaga.Shared.Persistence.Tests.Hosts;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Servers;
using MassTransit;
using MassTransit.EntityFrameworkCoreIntegration;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace ConcertSaga.Shared.Persistence.Tests.Surface;

/// <summary>Sagas mapped and registered as the documentation shows it, optimistic, with the row versions it names.</summary>
public sealed class SagaMappingTests(PostgreSqlServer server) : IAsyncLifetime
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    private readonly List<TestDatabase> _databases = [];

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        foreach (var database in _databases)
            await database.DisposeAsync();
    }

    [Theory]
    [InlineData(Store.Sqlite)]
    [InlineData(Store.PostgreSql)]
    public async Task RowVersion_OfBytes_FindsTheLostUpdate(Store store)
    {
        var database = await CreateAsync<ParcelDbContext>(store, options => new ParcelDbContext(options));
        await using var host = await StartAsync(bus => AddSaga<Parcel, ParcelDbContext>(bus, database));
        await LoseNothingAsync<ParcelDbContext, Parcel>(host, store);
    }

    [Fact]
    public async Task RowVersion_OfPostgreSql_FindsTheLostUpdate()
    {
        var database = await CreateAsync<CrateDbContext>(Store.PostgreSql, options => new CrateDbContext(options));
        await using var host = await StartAsync(bus => AddSaga<Crate, CrateDbContext>(bus, database));
        await LoseNothingAsync<CrateDbContext, Crate>(host, Store.PostgreSql);
    }

    [Fact]
    public async Task Contexts_AddedByTwoSagas_AreEachTheirOwn()
    {
        var parcels = await CreateAsync<ParcelDbContext>(Store.PostgreSql, options => new ParcelDbContext(options));
        var crates = await CreateAsync<CrateDbContext>(Store.PostgreSql, options => new CrateDbContext(options));
        await using var host = await StartAsync(bus =>
        {
            AddSaga<Parcel, ParcelDbContext>(bus, parcels);
            AddSaga<Crate, CrateDbContext>(bus, crates);
        });
        var id = Guid.CreateVersion7();
        await host.Bus.Publish(new Weighed(id, 3), TestContext.Current.CancellationToken);
        await GramsAreAsync<ParcelDbContext, Parcel>(host, id, 3);
        await GramsAreAsync<CrateDbContext, Crate>(host, id, 3);
    }

    [Fact]
    public async Task Provider_ForAllSagas_StoresThoseWithoutARepository()
    {
        var database = await CreateAsync<OrdersDbContext>(Store.PostgreSql, options => new OrdersDbContext(options));
        await using var host = await SurfaceHost.StartAsync(services =>
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
        await Eventually.TrueAsync(() => host.ReadAsync<OrdersDbContext, bool>(orders => orders.Orders.AnyAsync(order => order.CorrelationId == id)), Limit, "it is stored");
    }

    private static Task<SurfaceHost> StartAsync(Action<IBusRegistrationConfigurator> configure) => SurfaceHost.StartAsync(services => services.AddMassTransit(bus =>
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

    // On PostgreSQL both have loaded the row before one of them saves; on SQLite they come one by one anyway.
    private static async Task LoseNothingAsync<TContext, TParcel>(SurfaceHost host, Store store)
        where TContext : DbContext
        where TParcel : class, IParcel
    {
        var id = Guid.CreateVersion7();
        await host.Bus.Publish(new Weighed(id, 1), TestContext.Current.CancellationToken);
        await GramsAreAsync<TContext, TParcel>(host, id, 1);
        if (store == Store.PostgreSql)
            host.Journal.BeforeChange = () => Eventually.TrueAsync(() => host.Journal.Count<Weighed>(_ => true) >= 3, Limit, "both have loaded it");
        await Task.WhenAll(host.Bus.Publish(new Weighed(id, 10)), host.Bus.Publish(new Weighed(id, 100)));
        await GramsAreAsync<TContext, TParcel>(host, id, 111);
        Assert.True(store == Store.Sqlite || host.Journal.Count<Weighed>(_ => true) >= 4, "one of them was tried again");
    }

    private static Task GramsAreAsync<TContext, TParcel>(SurfaceHost host, Guid id, int grams)
        where TContext : DbContext
        where TParcel : class, IParcel =>
        Eventually.TrueAsync(
            () => host.ReadAsync<TContext, bool>(database => database.Set<TParcel>().AnyAsync(parcel => parcel.CorrelationId == id && parcel.Grams == grams)),
            Limit, $"it weighs {grams} g");

    private async Task<TestDatabase> CreateAsync<TContext>(Store store, Func<DbContextOptions<TContext>, TContext> open)
        where TContext : DbContext
    {
        var database = await TestDatabase.CreateEmptyAsync(store, server);
        _databases.Add(database);
        await using var context = open(database.OptionsOf<TContext>());
        await context.Database.EnsureCreatedAsync();
        return database;
    }
}
