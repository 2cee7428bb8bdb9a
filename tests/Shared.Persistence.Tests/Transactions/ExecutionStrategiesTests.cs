using System.Data.Common;
using ConcertSaga.Shared.Persistence.Tests.Hosts;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Servers;
using MassTransit;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace ConcertSaga.Shared.Persistence.Tests.Transactions;

/// <summary>
/// The context's execution strategy retries transient failures without a retry policy, and each message takes effect once. Other tests also
/// run with a strategy: see <see cref="Store.SqliteRetrying"/> and <see cref="Store.PostgreSqlRetrying"/>.
/// </summary>
public sealed class ExecutionStrategiesTests(PostgreSqlServer server)
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    /// <summary>The way the handler writes.</summary>
    public enum WriteStyle
    {
        Tracks,
        Saves,
        Updates,
        Begins
    }

    /// <summary>The moment of the failure.</summary>
    public enum Trouble
    {
        None,
        InTheHandler,
        BeforeTheCommit,

        /// <summary>The server has committed, but its answer is lost.</summary>
        AfterTheCommit,
        Forever
    }

    public static TheoryData<Store, WriteStyle, Trouble> Ways()
    {
        var data = new TheoryData<Store, WriteStyle, Trouble>();
        foreach (var store in (Store[])[Store.SqliteRetrying, Store.PostgreSqlRetrying])
        {
            foreach (var way in Enum.GetValues<WriteStyle>())
            {
                foreach (var trouble in Enum.GetValues<Trouble>())
                    data.Add(store, way, trouble);
            }
        }
        return data;
    }

    [Theory]
    [MemberData(nameof(Ways))]
    public async Task Message_OnAContextThatRetries_TakesEffectOnce(Store store, WriteStyle way, Trouble trouble)
    {
        await using var database = await TestDatabase.CreateEmptyAsync(store, server);
        var failing = new FailingCommits(trouble);
        await using var host = await StartAsync(database, failing, new HandlerPlan(way, trouble));
        var (id, other) = (Guid.CreateVersion7(), Guid.CreateVersion7());
        await using var after = new BakeryDbContext(database.OptionsOf<BakeryDbContext>());
        await using (var before = new BakeryDbContext(database.OptionsOf<BakeryDbContext>()))
        {
            before.Add(ShopDbContext.ReceiptOf(other, "before"));
            await before.SaveChangesAsync(TestContext.Current.CancellationToken);
        }
        failing.Arm();
        await host.SendAsync("writing", new SellItem(id), id);

        var fails = trouble == Trouble.Forever;
        await Eventually.TrueAsync(() => host.Journal.Count<ItemSold>(_ => true) > 0
            || host.Journal.Count<string>(_ => true) > 0, Limit, "it is done");
        Assert.Equal(fails ? 0 : 1, await after.Receipts.CountAsync(receipt => receipt.About == id, TestContext.Current.CancellationToken));
        Assert.Equal(fails ? 0 : 1, await after.Inbox.CountAsync(TestContext.Current.CancellationToken));
        var tries = trouble switch
        {
            Trouble.None or Trouble.AfterTheCommit => 1,
            Trouble.Forever => TestDatabase.MaxRetries + 1,
            _ => 2
        };
        Assert.Equal(tries, host.Journal.Count<SellItem>(_ => true));

        // A duplicate has no effect on an endpoint without a retry policy.
        failing.Disarm();
        if (!fails)
        {
            await Eventually.TrueAsync(() => after.Inbox.AnyAsync(row => row.Delivered != null), Limit, "the first delivery is marked");
            await host.SendAsync("writing", new SellItem(id), id);
            await Eventually.TrueAsync(() => after.Inbox.AnyAsync(row => row.ReceiveCount == 2), Limit, "the duplicate is counted");
        }
        Assert.Equal(tries, host.Journal.Count<SellItem>(_ => true));
        Assert.Equal((fails ? 0 : 1, fails ? 1 : 0), (host.Journal.Count<ItemSold>(_ => true), host.Journal.Count<string>(_ => true)));
        Assert.Equal(fails ? "before" : way == WriteStyle.Updates ? $"{id}" : "before",
            await after.Receipts.Where(receipt => receipt.About == other).Select(receipt => receipt.Writer)
                .SingleAsync(TestContext.Current.CancellationToken));
    }

    /// <summary>The whole unit runs inside the strategy, as Entity Framework Core documents it.</summary>
    [Theory]
    [InlineData(Store.SqliteRetrying, Trouble.BeforeTheCommit)]
    [InlineData(Store.SqliteRetrying, Trouble.None)]
    [InlineData(Store.PostgreSqlRetrying, Trouble.BeforeTheCommit)]
    [InlineData(Store.PostgreSqlRetrying, Trouble.None)]
    public async Task Unit_InsideAStrategy_SendsOnce(Store store, Trouble trouble)
    {
        await using var database = await TestDatabase.CreateEmptyAsync(store, server);
        var failing = new FailingCommits(trouble);
        await using var host = await StartAsync(database, failing, new HandlerPlan(WriteStyle.Tracks, Trouble.None));
        var id = Guid.CreateVersion7();
        var tries = 0;
        await using (var scope = host.Services.CreateAsyncScope())
        {
            var context = scope.ServiceProvider.GetRequiredService<BakeryDbContext>();
            failing.Arm();
            await context.Database.CreateExecutionStrategy().ExecuteAsync(async () =>
            {
                tries++;
                context.ChangeTracker.Clear();
                await using var transaction = await context.Database.BeginTransactionAsync();
                await scope.ServiceProvider.GetRequiredService<IPublishEndpoint>().Publish(new ItemSold(id, $"try {tries}"));
                context.Add(ShopDbContext.ReceiptOf(id, "unit"));
                await context.SaveChangesAsync();
                await transaction.CommitAsync();
            });
        }
        await Eventually.TrueAsync(() => host.Journal.Count<ItemSold>(sold => sold.Id == id) > 0, Limit, "it leaves");
        Assert.Equal(trouble == Trouble.None ? 1 : 2, tries);
        Assert.Equal(1, host.Journal.Count<ItemSold>(sold => sold == new ItemSold(id, $"try {tries}")));
        Assert.Equal(1, host.Journal.Count<ItemSold>(_ => true));
        await using var after = new BakeryDbContext(database.OptionsOf<BakeryDbContext>());
        await Eventually.TrueAsync(async () => !await after.Outbox.AnyAsync(), Limit, "nothing is left");
        Assert.Equal(1, await after.Receipts.CountAsync(TestContext.Current.CancellationToken));
    }

    private static async Task<CustomHost> StartAsync(TestDatabase database, FailingCommits failing, HandlerPlan writing)
    {
        await using (var context = new BakeryDbContext(database.OptionsOf<BakeryDbContext>()))
            await context.Database.EnsureCreatedAsync();
        return await CustomHost.StartAsync(services =>
        {
            services.AddDbContext<BakeryDbContext>(options =>
            {
                database.Use(options);
                options.AddInterceptors(failing);
            });
            services.AddSingleton(writing);
            services.AddMassTransit(bus =>
            {
                bus.AddEntityFrameworkOutbox<BakeryDbContext>(outbox =>
                {
                    outbox.QueryDelay = TimeSpan.FromMilliseconds(50);
                    outbox.UseBusOutbox();
                });
                bus.AddConsumer<WritingConsumer>().Endpoint(endpoint => endpoint.Name = "writing");
                bus.AddConsumer<ItemSoldConsumer>().Endpoint(endpoint => endpoint.Name = "sold");
                bus.AddConsumer<FaultConsumer>().Endpoint(endpoint => endpoint.Name = "faults");
                bus.AddConfigureEndpointsCallback((context, name, endpoint) =>
                {
                    if (name == "writing")
                        endpoint.UseEntityFrameworkOutbox<BakeryDbContext>(context);
                });
                bus.UsingInMemory((context, transport) => transport.ConfigureEndpoints(context));
            });
        });
    }

    public sealed record HandlerPlan(WriteStyle WriteStyle, Trouble Trouble);

    private sealed class WritingConsumer(BakeryDbContext database, HandlerPlan writing, Journal journal) : IConsumer<SellItem>
    {
        public async Task Consume(ConsumeContext<SellItem> context)
        {
            journal.Note(context.Message);
            await context.Publish(new ItemSold(context.Message.Id, "writing"));
            if (writing.WriteStyle == WriteStyle.Begins)
                await database.Database.BeginTransactionAsync(context.CancellationToken);
            database.Add(ShopDbContext.ReceiptOf(context.Message.Id, "writing"));
            if (writing.WriteStyle is WriteStyle.Saves or WriteStyle.Begins)
                await database.SaveChangesAsync(context.CancellationToken);
            else if (writing.WriteStyle == WriteStyle.Updates)
                await database.Receipts.ExecuteUpdateAsync(set => set.SetProperty(receipt => receipt.Writer, $"{context.Message.Id}"),
                    context.CancellationToken);
            if (writing.Trouble == Trouble.InTheHandler && journal.Count<SellItem>(_ => true) == 1)
                throw new TimeoutException("on purpose");
        }
    }

    private sealed class FaultConsumer(Journal journal) : IConsumer<Fault<SellItem>>, IConsumer<ReceiveFault>
    {
        public Task Consume(ConsumeContext<Fault<SellItem>> context) => NoteAsync("Fault<SellItem>");

        public Task Consume(ConsumeContext<ReceiveFault> context) => NoteAsync("ReceiveFault");

        private Task NoteAsync(string kind)
        {
            journal.Note(kind);
            return Task.CompletedTask;
        }
    }

    /// <summary>Fails the first commit after it is armed, or all of them.</summary>
    private sealed class FailingCommits(Trouble trouble) : DbTransactionInterceptor
    {
        private volatile bool _isArmed;

        public void Arm() => _isArmed = true;

        public void Disarm() => _isArmed = false;

        public override ValueTask<InterceptionResult> TransactionCommittingAsync(
            DbTransaction transaction, TransactionEventData eventData, InterceptionResult result,
                CancellationToken cancellationToken = default)
        {
            if (trouble is Trouble.BeforeTheCommit or Trouble.Forever)
                Fail();
            return ValueTask.FromResult(result);
        }

        public override Task TransactionCommittedAsync(DbTransaction transaction, TransactionEndEventData eventData,
            CancellationToken cancellationToken = default)
        {
            if (trouble == Trouble.AfterTheCommit)
                Fail();
            return Task.CompletedTask;
        }

        private void Fail()
        {
            if (!_isArmed)
                return;
            _isArmed = trouble == Trouble.Forever;
            throw new TimeoutException("on purpose");
        }
    }
}
