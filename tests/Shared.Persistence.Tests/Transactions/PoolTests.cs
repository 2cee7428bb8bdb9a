using System.Collections.Concurrent;
using ConcertSaga.Shared.Persistence.Tests.Hosts;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Servers;
using MassTransit;
using MassTransit.EntityFrameworkCoreIntegration;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace ConcertSaga.Shared.Persistence.Tests.Transactions;

/// <summary>Pooled contexts, registered under their base class, carry no state from one message to the next.</summary>
public sealed class PoolTests(PostgreSqlServer server)
{
    private const int Many = 150;
    private const int PoolSize = 4;

    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    /// <summary>
    /// Every third message fails twice after it has tracked changes, sent a message and possibly written. The retry keeps the scope or not.
    /// </summary>
    [Theory]
    [MemberData(nameof(Stores.AllTwice), MemberType = typeof(Stores))]
    public async Task Messages_ThroughFewContexts_LeaveNothingToEachOther(Store store, bool inside)
    {
        await using var database = await TestDatabase.CreateEmptyAsync(store, server);
        await using var after = new BakeryDbContext(database.OptionsOf<BakeryDbContext>());
        await after.Database.EnsureCreatedAsync();
        await using var host = await CustomHost.StartAsync(services =>
        {
            services.AddSingleton<LeaseRecorder>();
            services.AddDbContextPool<ShopDbContext, BakeryDbContext>(database.Use, PoolSize);
            services.AddMassTransit(bus =>
            {
                bus.AddEntityFrameworkOutbox<ShopDbContext>(outbox => outbox.QueryDelay = TimeSpan.FromMilliseconds(50));
                bus.AddConsumer<UntidyConsumer>((_, consumer) => consumer.UseMessageRetry(retry => Retry(retry, inside)))
                    .Endpoint(endpoint => endpoint.Name = "untidy");
                bus.AddConsumer<ItemSoldConsumer>().Endpoint(endpoint => endpoint.Name = "sold");
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
        var leases = host.Services.GetRequiredService<LeaseRecorder>();
        for (var number = 0; number < Many; number++)
        {
            leases.Numbers[ids[number]] = number;
            await host.SendAsync("untidy", new SellItem(ids[number]), ids[number]);
        }
        await Eventually.TrueAsync(() => ids.All(id => host.Journal.Count<ItemSold>(sold => sold.Id == id) >= 1), Limit,
            "what each sent arrives");
        await host.Services.GetRequiredService<OutboxBacklog<ShopDbContext>>().IdleAsync();

        Assert.Empty(leases.Found);
        // The pool reused contexts, also after failures.
        Assert.True(leases.MaxLease > 5, $"a context was leased {leases.MaxLease} times");
        Assert.Equal(ids.Order().Select(id => new ItemSold(id, "good")), (await AllSoldAsync(host)).OrderBy(sold => sold.Id));
        Assert.Equal(ids.Order(), (await after.Receipts.Select(receipt => receipt.About).ToListAsync()).Order());
        Assert.Equal("good", Assert.Single(await after.Receipts.Select(receipt => receipt.Writer).Distinct().ToListAsync()));
        Assert.Equal(Many, await after.Inbox.CountAsync(row => row.Delivered != null));

        // Outside a consumer a reused context behaves like a new one and begins no transaction.
        for (var times = 0; times < 2 * PoolSize; times++)
        {
            await host.ReadAsync<ShopDbContext, int>(async context =>
            {
                Assert.Equal((true, true), (context.ChangeTracker.AutoDetectChangesEnabled, context.Database.AutoSavepointsEnabled));
                context.Add(ShopDbContext.ReceiptOf(Guid.CreateVersion7(), "outside"));
                await context.SaveChangesAsync(TestContext.Current.CancellationToken);
                await context.Receipts.Where(receipt => receipt.Writer == "outside")
                    .ExecuteUpdateAsync(set => set.SetProperty(receipt => receipt.About, Guid.Empty));
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

    private static Task<List<ItemSold>> AllSoldAsync(CustomHost host)
    {
        var sold = new List<ItemSold>();
        host.Journal.Count<ItemSold>(message =>
        {
            sold.Add(message);
            return true;
        });
        return Task.FromResult(sold);
    }

    /// <summary>Records leftovers that handlers find, and how often the pool leased a context.</summary>
    public sealed class LeaseRecorder
    {
        private int _maxLease;

        public ConcurrentDictionary<Guid, int> Numbers { get; } = new();

        public ConcurrentDictionary<Guid, int> Attempts { get; } = new();

        public ConcurrentQueue<string> Found { get; } = new();

        public int MaxLease => _maxLease;

        public void Note(DbContext context, int attempt)
        {
            var lease = context.ContextId.Lease;
            for (var seen = Volatile.Read(ref _maxLease); lease > seen
                && Interlocked.CompareExchange(ref _maxLease, lease, seen) != seen; seen = Volatile.Read(ref _maxLease))
            {
            }
            if (context.ChangeTracker.Entries().Any())
                Found.Enqueue("tracked rows");
            if (context.Database.CurrentTransaction is not null)
                Found.Enqueue("a transaction");
            // A retry in the same scope keeps the settings of the attempt before it.
            if (attempt == 1 && !context.ChangeTracker.AutoDetectChangesEnabled)
                Found.Enqueue("no detection of changes");
        }
    }

    public sealed class UntidyConsumer(ShopDbContext database, LeaseRecorder leases) : IConsumer<SellItem>
    {
        public async Task Consume(ConsumeContext<SellItem> context)
        {
            var (id, number, attempt) = (context.Message.Id, leases.Numbers[context.Message.Id],
                leases.Attempts.AddOrUpdate(context.Message.Id, 1, (_, times) => times + 1));
            leases.Note(database, attempt);
            var fails = number % 3 == 0 && attempt < 3;
            database.Add(ShopDbContext.ReceiptOf(id, fails ? "bad" : "good"));
            await context.Publish(new ItemSold(id, fails ? "bad" : "good"));
            // Some handlers save, some execute a statement, and most only track.
            if (number % 4 == 0)
                await database.SaveChangesAsync(context.CancellationToken);
            else if (number % 4 == 1)
                await database.Receipts.Where(receipt => receipt.About == id)
                    .ExecuteUpdateAsync(set => set.SetProperty(receipt => receipt.Writer, "bad"));
            if (!fails)
                return;
            database.ChangeTracker.AutoDetectChangesEnabled = false;
            throw new InvalidOperationException("on purpose");
        }
    }
}
