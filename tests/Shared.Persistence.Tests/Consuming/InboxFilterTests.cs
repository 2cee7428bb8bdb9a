using ConcertSaga.Shared.Persistence.Tests.Hosts;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Servers;
using MassTransit.EntityFrameworkCoreIntegration;
using Microsoft.EntityFrameworkCore;
using Xunit;

namespace ConcertSaga.Shared.Persistence.Tests.Consuming;

/// <summary>A message takes effect once, despite duplicates, failures and restarts.</summary>
public sealed class InboxFilterTests(PostgreSqlServer server, RabbitMqServer broker)
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    [Theory]
    [MemberData(nameof(Stores.All), MemberType = typeof(Stores))]
    public async Task Message_DeliveredTwice_IsConsumedOnce(Store store)
    {
        await using var database = await TestDatabase.CreateAsync(store, server);
        await using var host = await OutboxHost.StartAsync(database);
        var (id, messageId) = (Guid.CreateVersion7(), Guid.CreateVersion7());

        await host.SendToConsumerAsync(new WriteNote(id, 2), messageId);
        await Eventually.TrueAsync(() => IsDeliveredAsync(database, messageId), Limit, "the first is done");
        await host.SendToConsumerAsync(new WriteNote(id, 2), messageId);
        await Eventually.TrueAsync(() => WasReceivedAsync(database, messageId, 2), Limit, "the duplicate is counted");

        Assert.Equal(1, host.Script.HandledFor(id));
        Assert.Equal(1, await NotesAsync(database, id));
        await Eventually.TrueAsync(() => host.Script.ArrivedFor(id).Count >= 2, Limit, "both messages arrive");
        Assert.Equal([1, 2], host.Script.ArrivedFor(id).Select(seen => seen.Number));
    }

    /// <summary>A first-attempt header skips the look into the inbox. If it is wrong, the entry's unique key rejects the commit.</summary>
    [Theory]
    [MemberData(nameof(Stores.AllAndOverBroker), MemberType = typeof(Stores))]
    public async Task Message_DeliveredTwiceAsFirstAttempt_TakesEffectOnce(Store store, bool overBroker)
    {
        await using var database = await TestDatabase.CreateAsync(store, server);
        await using var host = await OutboxHost.StartAsync(database, broker: overBroker ? await broker.CreateVirtualHostAsync("inbox")
            : null);
        var (id, messageId) = (Guid.CreateVersion7(), Guid.CreateVersion7());

        await host.SendToConsumerAsync(new WriteNote(id, 2), messageId, isFirst: true);
        await Eventually.TrueAsync(() => IsDeliveredAsync(database, messageId), Limit, "the first is done");
        await host.SendToConsumerAsync(new WriteNote(id, 2), messageId, isFirst: true);
        await Eventually.TrueAsync(() => WasReceivedAsync(database, messageId, 2), Limit, "the duplicate is counted");

        // The second run was rolled back. The messages of the first run left as first attempts.
        Assert.Equal(2, host.Script.HandledFor(id));
        Assert.Equal(1, await NotesAsync(database, id));
        await Eventually.TrueAsync(() => host.Script.ArrivedFor(id).Count >= 2, Limit, "both messages arrive");
        Assert.Equal([1, 2], host.Script.ArrivedFor(id).Select(seen => seen.Number));
        Assert.Equal(host.Script.ArrivedFor(id).Select(seen => seen.MessageId!.Value), host.Script.First);
    }

    [Theory]
    [MemberData(nameof(Stores.AllAndOverBroker), MemberType = typeof(Stores))]
    public async Task Message_DeliveredTwentyTimesAtOnce_IsConsumedOnce(Store store, bool overBroker)
    {
        await using var database = await TestDatabase.CreateAsync(store, server);
        await using var host = await OutboxHost.StartAsync(database, broker: overBroker ? await broker.CreateVirtualHostAsync("inbox")
            : null);
        var (id, messageId) = (Guid.CreateVersion7(), Guid.CreateVersion7());

        await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => host.SendToConsumerAsync(new WriteNote(id, 2), messageId)));
        await Eventually.TrueAsync(() => WasReceivedAsync(database, messageId, 20), Limit, "each copy is counted");
        await Eventually.TrueAsync(() => IsDeliveredAsync(database, messageId), Limit, "its messages are delivered");

        Assert.Equal(1, await NotesAsync(database, id));
        await Eventually.TrueAsync(() => host.Script.ArrivedFor(id).DistinctBy(seen => seen.MessageId).Count() == 2, Limit,
            "both messages arrive");
        Assert.Equal([1, 2], host.Script.ArrivedFor(id).DistinctBy(seen => seen.MessageId).Select(seen => seen.Number));
    }

    [Theory]
    [MemberData(nameof(Stores.All), MemberType = typeof(Stores))]
    public async Task Handler_FailedAtItsEnd_LeavesNothingAndStartsOverInAFreshScope(Store store)
    {
        await using var database = await TestDatabase.CreateAsync(store, server);
        var script = new Script
        {
            AtTheEnd = (_, times) => times < 3 ? throw new InvalidOperationException("on purpose")
            : Task.CompletedTask
        };
        await using var host = await OutboxHost.StartAsync(database, script: script);
        var (id, messageId) = (Guid.CreateVersion7(), Guid.CreateVersion7());

        await host.SendToConsumerAsync(new WriteNote(id, 2), messageId);
        await Eventually.TrueAsync(() => IsDeliveredAsync(database, messageId), Limit, "the third try is done");

        Assert.Equal(3, script.Handled.Select(handled => handled.Scope).Distinct().Count());
        Assert.Equal(1, await NotesAsync(database, id));
        await Eventually.TrueAsync(() => script.ArrivedFor(id).Count >= 2, Limit, "both messages arrive");
        Assert.Equal([1, 2], script.ArrivedFor(id).Select(seen => seen.Number));
    }

    /// <summary>Sending fails before the first or the second of two messages.</summary>
    [Theory]
    [InlineData(Store.Sqlite, 1)]
    [InlineData(Store.SqliteRetrying, 1)]
    [InlineData(Store.Sqlite, 2)]
    [InlineData(Store.SqliteRetrying, 2)]
    [InlineData(Store.PostgreSql, 1)]
    [InlineData(Store.PostgreSqlRetrying, 1)]
    [InlineData(Store.PostgreSql, 2)]
    [InlineData(Store.PostgreSqlRetrying, 2)]
    public async Task Delivery_Interrupted_ContinuesInOrderWithTheSameIds(Store store, int failing)
    {
        await using var database = await TestDatabase.CreateAsync(store, server);
        var sent = 0;
        var script = new Script
        {
            BeforeSend = context => NoteWritten.IsIn(context) && Interlocked.Increment(ref sent) == failing
            ? throw new IOException("on purpose") : Task.CompletedTask
        };
        await using var host = await OutboxHost.StartAsync(database, script: script);
        var (id, messageId) = (Guid.CreateVersion7(), Guid.CreateVersion7());

        await host.SendToConsumerAsync(new WriteNote(id, 2), messageId);
        await Eventually.TrueAsync(() => IsDeliveredAsync(database, messageId), Limit, "the rest is delivered");

        Assert.Equal(1, script.HandledFor(id));
        await Eventually.TrueAsync(() => script.ArrivedFor(id).DistinctBy(seen => seen.MessageId).Count() == 2, Limit,
            "both messages arrive");
        Assert.Equal([1, 2], script.ArrivedFor(id).DistinctBy(seen => seen.MessageId).Select(seen => seen.Number));
        Assert.Equal(2, script.ArrivedFor(id).Select(seen => seen.MessageId).Distinct().Count());
    }

    /// <summary>The first process commits but sends nothing; the broker redelivers the message to the second.</summary>
    [Theory]
    [MemberData(nameof(Stores.All), MemberType = typeof(Stores))]
    public async Task Delivery_ByTheNextProcess_SendsTheMessagesOfTheFirst(Store store)
    {
        await using var database = await TestDatabase.CreateAsync(store, server);
        var (id, messageId) = (Guid.CreateVersion7(), Guid.CreateVersion7());
        await LeaveUndeliveredAsync(database, id, messageId);
        await using var context = database.Open();
        var expected = await context.Set<OutboxMessage>().OrderBy(row => row.SequenceNumber).Select(row => (Guid?)row.MessageId)
            .ToListAsync();

        await using var second = await OutboxHost.StartAsync(database);
        await second.SendToConsumerAsync(new WriteNote(id, 3), messageId);
        await Eventually.TrueAsync(() => second.Script.ArrivedFor(id).Count == 3, Limit, "they arrive");

        Assert.Equal(expected, second.Script.ArrivedFor(id).Select(seen => seen.MessageId));
        Assert.Equal(0, second.Script.HandledFor(id));
        Assert.Empty(second.Script.First);
        await Eventually.TrueAsync(async () => !await context.Set<OutboxMessage>().AnyAsync(), Limit, "and are removed");
    }

    /// <summary>The queue was purged, so the broker does not redeliver the message.</summary>
    [Theory]
    [MemberData(nameof(Stores.All), MemberType = typeof(Stores))]
    public async Task Delivery_OfAMessageNotRedelivered_IsSweptAndCleaned(Store store)
    {
        await using var database = await TestDatabase.CreateAsync(store, server);
        var (id, messageId) = (Guid.CreateVersion7(), Guid.CreateVersion7());
        await LeaveUndeliveredAsync(database, id, messageId);

        var clock = new ShiftedClock();
        clock.Advance(TimeSpan.FromMinutes(1));
        await using var second = await OutboxHost.StartAsync(database, clock,
            outbox => outbox.DuplicateDetectionWindow = TimeSpan.FromMinutes(5));
        await Eventually.TrueAsync(() => second.Script.ArrivedFor(id).Count == 3, Limit, "they arrive");
        Assert.Equal([1, 2, 3], second.Script.ArrivedFor(id).Select(seen => seen.Number));
        Assert.Empty(second.Script.First);
        await Eventually.TrueAsync(() => IsDeliveredAsync(database, messageId), Limit, "and are marked");

        clock.Advance(TimeSpan.FromMinutes(6));
        await using var context = database.Open();
        await Eventually.TrueAsync(async () => !await context.Set<InboxState>().AnyAsync(), Limit, "the row is removed after its window");
    }

    [Theory]
    [MemberData(nameof(Stores.All), MemberType = typeof(Stores))]
    public async Task Host_StoppedWhileAHandlerRuns_FinishesItsMessage(Store store)
    {
        await using var database = await TestDatabase.CreateAsync(store, server);
        var (started, goOn) = (new TaskCompletionSource(), new TaskCompletionSource());
        var script = new Script
        {
            AtTheEnd = (_, _) =>
            {
                started.SetResult();
                return goOn.Task;
            }
        };
        var host = await OutboxHost.StartAsync(database, script: script);
        var (id, messageId) = (Guid.CreateVersion7(), Guid.CreateVersion7());
        await host.SendToConsumerAsync(new WriteNote(id, 2), messageId);
        await started.Task.WaitAsync(Limit);

        var stopping = host.DisposeAsync().AsTask();
        await Task.WhenAny(stopping, Task.Delay(TimeSpan.FromMilliseconds(300)));
        goOn.SetResult();
        await stopping.WaitAsync(Limit);

        Assert.True(await IsDeliveredAsync(database, messageId));
        Assert.Equal(1, script.HandledFor(id));
    }

    private static async Task LeaveUndeliveredAsync(TestDatabase database, Guid id, Guid messageId)
    {
        var refused = 0;
        var script = new Script
        {
            BeforeSend = context =>
            {
                if (!NoteWritten.IsIn(context))
                    return Task.CompletedTask;
                Interlocked.Increment(ref refused);
                throw new IOException("on purpose");
            }
        };
        await using var first = await OutboxHost.StartAsync(database, script: script);
        await first.SendToConsumerAsync(new WriteNote(id, 3), messageId);
        await Eventually.TrueAsync(() => Volatile.Read(ref refused) > 0, Limit, "the first process fails");
    }

    private static async Task<bool> IsDeliveredAsync(TestDatabase database, Guid messageId)
    {
        await using var context = database.Open();
        return await context.Set<InboxState>().AnyAsync(row => row.MessageId == messageId && row.Delivered != null);
    }

    private static async Task<bool> WasReceivedAsync(TestDatabase database, Guid messageId, int times)
    {
        await using var context = database.Open();
        return await context.Set<InboxState>().AnyAsync(row => row.MessageId == messageId && row.ReceiveCount == times);
    }

    private static async Task<int> NotesAsync(TestDatabase database, Guid id)
    {
        await using var context = database.Open();
        return await context.Notes.CountAsync(note => note.About == id);
    }
}
