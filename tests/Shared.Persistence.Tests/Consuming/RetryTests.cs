using ConcertSaga.Shared.Persistence.Tests.Hosts;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Servers;
using MassTransit;
using MassTransit.EntityFrameworkCoreIntegration;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace ConcertSaga.Shared.Persistence.Tests.Consuming;

/// <summary>
/// A retry of the consumer itself runs inside the outbox, in the same scope. A failed attempt leaves no changes, messages or locks behind.
/// </summary>
public sealed class RetryTests(PostgreSqlServer server)
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    [Theory]
    [InlineData(Store.Sqlite, false, false)]
    [InlineData(Store.SqliteRetrying, false, false)]
    [InlineData(Store.Sqlite, true, false)]
    [InlineData(Store.SqliteRetrying, true, false)]
    [InlineData(Store.PostgreSql, false, false)]
    [InlineData(Store.PostgreSqlRetrying, false, false)]
    [InlineData(Store.PostgreSql, true, false)]
    [InlineData(Store.PostgreSqlRetrying, true, false)]
    [InlineData(Store.PostgreSql, false, true)]
    [InlineData(Store.PostgreSqlRetrying, false, true)]
    public async Task Attempt_FailedInsideTheOutbox_LeavesNothing(Store store, bool saves, bool alone)
    {
        await using var database = await TestDatabase.CreateAsync(store, server);
        var script = new Script
        {
            // A save puts the rows into the handler's own transaction; otherwise the context only tracks them.
            Write = (context, _, _) => saves ? context.SaveChangesAsync() : Task.CompletedTask,
            AtTheEnd = async (context, times) =>
            {
                await context.Publish(new NoteWritten(Of(context), 100 + times));
                if (times < 3)
                    throw new InvalidOperationException("on purpose");
            }
        };
        await using var host = await OutboxHost.StartAsync(database, script: script, endpoint: WithoutRetry, inside: RetryAtOnce,
            configure: outbox => outbox.IsolationLevel = alone ? System.Data.IsolationLevel.RepeatableRead
                : System.Data.IsolationLevel.ReadCommitted);
        var id = Guid.CreateVersion7();
        await host.SendToConsumerAsync(new WriteNote(id, 2), Guid.CreateVersion7());
        await Eventually.TrueAsync(() => script.ArrivedFor(id).Any(seen => seen.Number == 103), Limit, "the third attempt is done");
        await host.Services.GetRequiredService<OutboxBacklog<TestDbContext>>().IdleAsync();

        Assert.Single(script.Handled.Select(handled => handled.Scope).Distinct());
        Assert.Equal([1, 2, 103], script.ArrivedFor(id).Select(seen => seen.Number));
        await using var context = database.Open();
        Assert.Equal((1, 1), (await context.Notes.CountAsync(), await context.Set<InboxState>().CountAsync()));
    }

    /// <summary>Another writer changes the same table between a failed attempt and its retry.</summary>
    [Theory]
    [MemberData(nameof(Stores.AllTwice), MemberType = typeof(Stores))]
    public async Task Attempt_Failed_HoldsNoLockUntilTheNext(Store store, bool inside)
    {
        await using var database = await TestDatabase.CreateAsync(store, server);
        var tally = Guid.CreateVersion7();
        await using (var before = database.Open())
        {
            before.Tallies.Add(new Tally { CorrelationId = tally });
            await before.SaveChangesAsync();
        }
        var failed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var script = new Script
        {
            Write = (context, _, _) => context.Tallies.ExecuteUpdateAsync(set => set.SetProperty(row => row.Sum, row => row.Sum + 1)),
            AtTheEnd = (_, times) =>
            {
                if (times > 1)
                    return Task.CompletedTask;
                failed.SetResult();
                throw new InvalidOperationException("on purpose");
            }
        };
        await using var host = inside
            ? await OutboxHost.StartAsync(database, script: script, endpoint: WithoutRetry, inside: RetryLater)
            : await OutboxHost.StartAsync(database, script: script, endpoint: (context, queue) =>
            {
                queue.UseMessageRetry(RetryLater);
                WithoutRetry(context, queue);
            });
        var id = Guid.CreateVersion7();
        await host.SendToConsumerAsync(new WriteNote(id, 1), Guid.CreateVersion7());
        await failed.Task.WaitAsync(Limit);
        await using (var other = database.Open())
            await other.Tallies.ExecuteUpdateAsync(set => set.SetProperty(row => row.Sum, row => row.Sum + 10)).WaitAsync(Limit);
        Assert.Equal(1, script.HandledFor(id));

        await Eventually.TrueAsync(() => script.ArrivedFor(id).Count == 1, Limit, "the second attempt is done");
        await using var after = database.Open();
        Assert.Equal(11, (await after.Tallies.SingleAsync()).Sum);
    }

    [Theory]
    [MemberData(nameof(Stores.All), MemberType = typeof(Stores))]
    public async Task Saga_FailedInsideTheOutbox_StartsOverFromItsRow(Store store)
    {
        await using var database = await TestDatabase.CreateAsync(store, server);
        var attempts = 0;
        var script = new Script
        {
            AfterSagaChange = () => ++attempts < 3 ? throw new InvalidOperationException("on purpose")
            : Task.CompletedTask
        };
        var announced = 0;
        script.BeforeSend = context =>
        {
            if (context.SupportedMessageTypes.Contains(MessageUrn.ForTypeString<TallyChanged>()))
                Interlocked.Increment(ref announced);
            return Task.CompletedTask;
        };
        await using var host = await OutboxHost.StartAsync(database, script: script, endpoint: WithoutRetry, inside: RetryAtOnce);
        await host.SendAsync("tallies", new AddToTally(Guid.CreateVersion7(), 5), Guid.CreateVersion7());
        await using var context = database.Open();
        await Eventually.TrueAsync(() => context.Tallies.AsNoTracking().AnyAsync(tally => tally.Sum == 5 && tally.Version == 1), Limit,
            "the third attempt is done");
        await host.Services.GetRequiredService<OutboxBacklog<TestDbContext>>().IdleAsync();
        Assert.Equal((3, 1), (attempts, announced));
    }

    private static Guid Of(ConsumeContext context) => context.TryGetMessage<WriteNote>(out var tell) ? tell.Message.Id : default;

    private static void WithoutRetry(IRegistrationContext context, IReceiveEndpointConfigurator queue) =>
        queue.UseEntityFrameworkOutbox<TestDbContext>(context);

    private static void RetryAtOnce(IRetryConfigurator retry) => retry.Interval(5, TimeSpan.FromMilliseconds(10));

    private static void RetryLater(IRetryConfigurator retry) => retry.Interval(3, TimeSpan.FromSeconds(2));
}
