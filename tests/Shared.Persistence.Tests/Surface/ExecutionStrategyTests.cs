using ConcertSaga.Shared.Persistence.Tests.Hosts;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Servers;
using MassTransit;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Storage;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace ConcertSaga.Shared.Persistence.Tests.Surface;

/// <summary>EF Core's own retries do not go together with transactions of the outbox, and nothing may be half done where they are on.</summary>
public sealed class ExecutionStrategyTests(PostgreSqlServer server)
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    /// <summary>How the handler writes.</summary>
    public enum Way
    {
        Tracks,
        Saves,
        Updates
    }

    public static TheoryData<Store, Way> Ways()
    {
        var data = new TheoryData<Store, Way>();
        foreach (var store in Enum.GetValues<Store>())
        {
            foreach (var way in Enum.GetValues<Way>())
                data.Add(store, way);
        }
        return data;
    }

    [Theory]
    [MemberData(nameof(Ways))]
    public async Task Message_OnAContextThatRetriesByItself_FailsAloudAndLeavesNothing(Store store, Way way)
    {
        await using var database = await TestDatabase.CreateEmptyAsync(store, server);
        await using var after = new BakeryDbContext(database.OptionsOf<BakeryDbContext>());
        await after.Database.EnsureCreatedAsync();
        var before = Guid.CreateVersion7();
        after.Add(ShopDbContext.ReceiptOf(before, "before"));
        await after.SaveChangesAsync();
        await using var host = await SurfaceHost.StartAsync(services =>
        {
            services.AddDbContext<BakeryDbContext>(options => Use(options, database));
            services.AddSingleton(new Writing(way));
            services.AddMassTransit(bus =>
            {
                bus.AddEntityFrameworkOutbox<BakeryDbContext>(outbox => outbox.QueryDelay = TimeSpan.FromMilliseconds(50));
                bus.AddConsumer<WritingConsumer>().Endpoint(endpoint => endpoint.Name = "writing");
                bus.AddConsumer<SoldConsumer>().Endpoint(endpoint => endpoint.Name = "sold");
                bus.AddConsumer<FaultConsumer>().Endpoint(endpoint => endpoint.Name = "faults");
                bus.AddConfigureEndpointsCallback((context, name, endpoint) =>
                {
                    if (name == "writing")
                        endpoint.UseEntityFrameworkOutbox<BakeryDbContext>(context);
                });
                bus.UsingInMemory((context, transport) => transport.ConfigureEndpoints(context));
            });
        });
        Guid[] ids = [.. Enumerable.Range(0, 10).Select(_ => Guid.CreateVersion7())];
        await Task.WhenAll(ids.Select(id => host.SendAsync("writing", new Sale(id), id)));
        await Eventually.TrueAsync(() => host.Journal.Count<string>(_ => true) >= ids.Length, Limit, "each fails");

        Assert.Equal(ids.Length, host.Journal.Count<string>(text => text.Contains("RetryingStrategy", StringComparison.Ordinal)
            && text.Contains("does not support user-initiated transactions", StringComparison.Ordinal)));
        Assert.Equal(0, host.Journal.Count<Sold>(_ => true));
        Assert.Equal((0, 0), (await after.Inbox.CountAsync(), await after.Outbox.CountAsync()));
        var receipt = await after.Receipts.AsNoTracking().SingleAsync();
        Assert.Equal((before, "before"), (receipt.About, receipt.Writer));
    }

    private static void Use(DbContextOptionsBuilder options, TestDatabase database)
    {
        if (database.Store == Store.Sqlite)
            options.UseSqlite($"Data Source={database.Address}", sqlite => sqlite.ExecutionStrategy(dependencies => new RetryingStrategy(dependencies)));
        else
            options.UseNpgsql(database.Address, postgreSql => postgreSql.ExecutionStrategy(dependencies => new RetryingStrategy(dependencies)));
    }

    private sealed class RetryingStrategy(ExecutionStrategyDependencies dependencies) : ExecutionStrategy(dependencies, DefaultMaxRetryCount, TimeSpan.FromMilliseconds(1))
    {
        protected override bool ShouldRetryOn(Exception exception) => exception is System.Data.Common.DbException;
    }

    private sealed record Writing(Way Way);

    private sealed class WritingConsumer(BakeryDbContext database, Writing writing) : IConsumer<Sale>
    {
        public async Task Consume(ConsumeContext<Sale> context)
        {
            await context.Publish(new Sold(context.Message.Id, "half"));
            database.Add(ShopDbContext.ReceiptOf(context.Message.Id, "half"));
            if (writing.Way == Way.Saves)
                await database.SaveChangesAsync(context.CancellationToken);
            else if (writing.Way == Way.Updates)
                await database.Receipts.ExecuteUpdateAsync(set => set.SetProperty(receipt => receipt.Writer, "half"), context.CancellationToken);
        }
    }

    /// <summary>A handler's failure is one of its message; what fails after the handler is one of the delivery.</summary>
    private sealed class FaultConsumer(Journal journal) : IConsumer<Fault<Sale>>, IConsumer<ReceiveFault>
    {
        public Task Consume(ConsumeContext<Fault<Sale>> context) => NoteAsync(context.Message.Exceptions);

        public Task Consume(ConsumeContext<ReceiveFault> context) => NoteAsync(context.Message.Exceptions);

        private Task NoteAsync(ExceptionInfo[] exceptions)
        {
            journal.Note(exceptions[0].Message);
            return Task.CompletedTask;
        }
    }
}
