using System.Collections.Concurrent;
using ConcertSaga.Shared.Persistence.Tests.Hosts;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Servers;
using MassTransit;
using MassTransit.EntityFrameworkCoreIntegration;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace ConcertSaga.Shared.Persistence.Tests.Surface;

/// <summary>Contexts that are used again and again, and known by the class they derive from.</summary>
public sealed class PoolTests(PostgreSqlServer server)
{
    private const int Many = 150;
    private const int PoolSize = 4;

    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    /// <summary>Every third message fails twice after it has changed, sent, and for some written; its retry keeps its scope, or does not.</summary>
    [Theory]
    [InlineData(Store.Sqlite, false)]
    [InlineData(Store.Sqlite, true)]
    [InlineData(Store.PostgreSql, false)]
    [InlineData(Store.PostgreSql, true)]
    public async Task Messages_ThroughFewContexts_LeaveNothingToEachOther(Store store, bool inside)
    {
        await using var database = await TestDatabase.CreateEmptyAsync(store, server);
        await using var after = new BakeryDbContext(database.OptionsOf<BakeryDbContext>());
        await after.Database.EnsureCreatedAsync();
        await using var host = await SurfaceHost.StartAsync(services =>
        {
            services.AddSingleton<Leases>();
            services.AddDbContextPool<ShopDbContext, BakeryDbContext>(database.Use, PoolSize);
            services.AddMassTransit(bus =>
            {
                bus.AddEntityFrameworkOutbox<ShopDbContext>(outbox => outbox.QueryDelay = TimeSpan.FromMilliseconds(50));
                bus.AddConsumer<UntidyConsumer>((_, consumer) => consumer.UseMessageRetry(retry => Retry(retry, inside))).Endpoint(endpoint => endpoint.Name = "untidy");
                bus.AddConsumer<SoldConsumer>().Endpoint(endpoint => endpoint.Name = "sold");
                bus.AddConfigureEndpointsCallback((context, name, endpoint) =>
                {
                    endpoint.ConcurrentMessageLimit = 16;
                    if (name != "untidy")
                        return;
                    endpoint.UseMessageRetry(retry => Retry(retry, !inside));
                    endpoint.UseEntityFrameworkOutbox<ShopDbContext>(context);
                });
                bus.UsingInMemory((context, transport) => transport.ConfigureEndpoints(context));
            });
        });
        Guid[] ids = [.. Enumerable.Range(0, Many).Select(_ => Guid.CreateVersion7())];
        var leases = host.Services.GetRequiredService<Leases>();
        for (var number = 0; number < Many; number++)
        {
            leases.Numbers[ids[number]] = number;
            await host.SendAsync("untidy", new Sale(ids[number]), ids[number]);
        }
        await Eventually.TrueAsync(() => ids.All(id => host.Journal.Count<Sold>(sold => sold.Id == id) >= 1), Limit, "what each sent arrives");
        await host.Services.GetRequiredService<OutboxBacklog<ShopDbContext>>().IdleAsync();

        Assert.Empty(leases.Found);
        // Contexts were used again, also by those after a failure.
        Assert.True(leases.Most > 5, $"a context was leased {leases.Most} times");
        Assert.Equal(ids.Select(id => new Sold(id, "good")).OrderBy(sold => sold.Id), (await AllSoldAsync(host)).OrderBy(sold => sold.Id));
        Assert.Equal(ids.Order(), (await after.Receipts.Select(receipt => receipt.About).ToListAsync()).Order());
        Assert.Equal("good", Assert.Single(await after.Receipts.Select(receipt => receipt.Writer).Distinct().ToListAsync()));
        Assert.Equal(Many, await after.Inbox.CountAsync(row => row.Delivered != null));

        // Outside a consumer such a context is as new: nothing is begun that nobody commits.
        for (var times = 0; times < 2 * PoolSize; times++)
        {
            await host.ReadAsync<ShopDbContext, int>(async context =>
            {
                Assert.Equal((true, true), (context.ChangeTracker.AutoDetectChangesEnabled, context.Database.AutoSavepointsEnabled));
                context.Add(ShopDbContext.ReceiptOf(Guid.CreateVersion7(), "outside"));
                await context.SaveChangesAsync(TestContext.Current.CancellationToken);
                await context.Receipts.Where(receipt => receipt.Writer == "outside").ExecuteUpdateAsync(set => set.SetProperty(receipt => receipt.About, Guid.Empty));
                Assert.Null(context.Database.CurrentTransaction);
                return 0;
            });
        }
        Assert.Equal(2 * PoolSize, await after.Receipts.CountAsync(receipt => receipt.Writer == "outside" && receipt.About == Guid.Empty));
    }

    private static void Retry(IRetryConfigurator retry, bool retries)
    {
        if (retries)
            retry.Immediate(5);
        else
            retry.None();
    }

    private static Task<List<Sold>> AllSoldAsync(SurfaceHost host)
    {
        var sold = new List<Sold>();
        host.Journal.Count<Sold>(one =>
        {
            sold.Add(one);
            return true;
        });
        return Task.FromResult(sold);
    }

    /// <summary>What the handlers found, and how often a context was handed out.</summary>
    public sealed class Leases
    {
        private int _most;

        public ConcurrentDictionary<Guid, int> Numbers { get; } = new();

        public ConcurrentDictionary<Guid, int> Attempts { get; } = new();

        public ConcurrentQueue<string> Found { get; } = new();

        public int Most => _most;

        public void Note(DbContext context, int attempt)
        {
            var lease = context.ContextId.Lease;
            for (var seen = Volatile.Read(ref _most); lease > seen && Interlocked.CompareExchange(ref _most, lease, seen) != seen; seen = Volatile.Read(ref _most))
            {
            }
            if (context.ChangeTracker.Entries().Any())
                Found.Enqueue("tracked rows");
            if (context.Database.CurrentTransaction is not null)
                Found.Enqueue("a transaction");
            // An attempt in the same scope finds what the one before it has set.
            if (attempt == 1 && !context.ChangeTracker.AutoDetectChangesEnabled)
                Found.Enqueue("no detection of changes");
        }
    }

    public sealed class UntidyConsumer(ShopDbContext database, Leases leases) : IConsumer<Sale>
    {
        public async Task Consume(ConsumeContext<Sale> context)
        {
            var (id, number, attempt) = (context.Message.Id, leases.Numbers[context.Message.Id], leases.Attempts.AddOrUpdate(context.Message.Id, 1, (_, times) => times + 1));
            leases.Note(database, attempt);
            var fails = number % 3 == 0 && attempt < 3;
            database.Add(ShopDbContext.ReceiptOf(id, fails ? "bad" : "good"));
            await context.Publish(new Sold(id, fails ? "bad" : "good"));
            // Some save themselves, some write by a statement, and most only track.
            if (number % 4 == 0)
                await database.SaveChangesAsync(context.CancellationToken);
            else if (number % 4 == 1)
                await database.Receipts.Where(receipt => receipt.About == id).ExecuteUpdateAsync(set => set.SetProperty(receipt => receipt.Writer, "bad"));
            if (!fails)
                return;
            database.ChangeTracker.AutoDetectChangesEnabled = false;
            throw new InvalidOperationException("on purpose");
        }
    }
}
