using ConcertSaga.Shared.Persistence.Tests.Hosts;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Servers;
using MassTransit.EntityFrameworkCoreIntegration;
using Microsoft.EntityFrameworkCore;
using RabbitMQ.Client;
using Xunit;

namespace ConcertSaga.Shared.Persistence.Tests.Crashes;

/// <summary>
/// A process crashes at each step of a message's way. The message still takes effect once, its messages arrive in order with constant ids,
/// and no rows remain.
/// </summary>
public sealed class CrashTests(PostgreSqlServer server, CrashBroker rabbit) : IClassFixture<CrashBroker>
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    /// <summary>The state after a crash at each point: notes, unmarked messages and arrived messages.</summary>
    private static readonly Dictionary<CrashPoint, (int Notes, int Rows, int Arrived)> Left = new()
    {
        [CrashPoint.BeforeCommit] = (0, 0, 0),
        [CrashPoint.AfterCommit] = (1, 3, 0),
        [CrashPoint.BeforePublish] = (1, 3, 1),
        [CrashPoint.BeforeConfirm] = (1, 3, 1),
        [CrashPoint.BeforeMark] = (1, 3, 3),
        [CrashPoint.BeforeAcknowledge] = (1, 0, 3),
        [CrashPoint.BeforeMarkAndAcknowledge] = (1, 3, 3)
    };

    public static MatrixTheoryData<Store, CrashPoint> Points => new([Store.Sqlite, Store.PostgreSql], Enum.GetValues<CrashPoint>());

    /// <summary>Starting a process takes seconds, so SQLite has only the points at which its file differs.</summary>
    [Theory]
    [InlineData(Store.Sqlite, CrashPoint.BeforeCommit)]
    [InlineData(Store.Sqlite, CrashPoint.BeforeConfirm)]
    [InlineData(Store.Sqlite, CrashPoint.BeforeMark)]
    [InlineData(Store.Sqlite, CrashPoint.BeforeMarkAndAcknowledge)]
    [InlineData(Store.PostgreSql, CrashPoint.BeforeCommit)]
    [InlineData(Store.PostgreSql, CrashPoint.AfterCommit)]
    [InlineData(Store.PostgreSql, CrashPoint.BeforePublish)]
    [InlineData(Store.PostgreSql, CrashPoint.BeforeConfirm)]
    [InlineData(Store.PostgreSql, CrashPoint.BeforeMark)]
    [InlineData(Store.PostgreSql, CrashPoint.BeforeAcknowledge)]
    [InlineData(Store.PostgreSql, CrashPoint.BeforeMarkAndAcknowledge)]
    public async Task Process_Killed_IsFollowedByOneThatFinishesItsMessage(Store store, CrashPoint point)
    {
        await using var database = await TestDatabase.CreateAsync(store, server);
        var broker = await rabbit.AddressAsync();
        await using var receiver = await OutboxHost.StartAsync(database, broker: broker, parts: Parts.Receiver);
        var (id, messageId) = (Guid.CreateVersion7(), Guid.CreateVersion7());
        await KillAsync(database, broker, point, receiver, id, messageId);

        // An acknowledged message is not redelivered, so the sweeper must send after the dead process's lease.
        var clock = new ShiftedClock();
        if (point == CrashPoint.BeforeMark)
            clock.Advance(TimeSpan.FromMinutes(1));
        await using var second = await OutboxHost.StartAsync(database, clock, broker: broker, parts: Parts.Worker);
        await FinishedAsync(database, receiver, id, messageId, point is CrashPoint.BeforeCommit or CrashPoint.BeforeMark ? 1 : 2);

        Assert.Equal(point == CrashPoint.BeforeCommit ? 1 : 0, second.Script.HandledFor(id));
        // The process had either sent no message or marked all of them, so none is sent twice.
        if (point is CrashPoint.BeforeCommit or CrashPoint.BeforeAcknowledge)
            Assert.Equal(3, receiver.Script.ArrivedFor(id).Count);
        if (point == CrashPoint.BeforeMarkAndAcknowledge)
            await SentTwiceAsync(receiver, id);
    }

    [Theory]
    [MemberData(nameof(Points))]
    public async Task Failure_AtEachPoint_IsRepairedByTheSameProcess(Store store, CrashPoint point)
    {
        await using var database = await TestDatabase.CreateAsync(store, server);
        var broker = await rabbit.AddressAsync();
        await using var receiver = await OutboxHost.StartAsync(database, broker: broker, parts: Parts.Receiver);
        var (id, messageId) = (Guid.CreateVersion7(), Guid.CreateVersion7());
        var (clock, script) = (new ShiftedClock(), new Script());
        // An exception in the proxy breaks the connection to the broker.
        var crash = new Crash(point, () => throw new IOException("on purpose"));
        crash.Attach(script);
        await using var tap = new AmqpTap(broker, crash.OnAcknowledgementAsync);
        await using var host = await OutboxHost.StartAsync(database, clock, broker: tap.Address, script: script, parts: Parts.Worker);

        await receiver.SendToConsumerAsync(new WriteNote(id, 3), messageId, isFirst: true);
        await Eventually.TrueAsync(() => crash.HasStruck, Limit, "the failure happens");
        if (point == CrashPoint.BeforeMark)
            clock.Advance(TimeSpan.FromMinutes(1));
        // The broker redelivers the message only after a broken connection.
        await FinishedAsync(database, receiver, id, messageId,
            point is CrashPoint.BeforeConfirm or CrashPoint.BeforeAcknowledge or CrashPoint.BeforeMarkAndAcknowledge ? 2 : 1);

        Assert.Equal(point == CrashPoint.BeforeCommit ? 2 : 1, script.HandledFor(id));
        if (point == CrashPoint.BeforeMarkAndAcknowledge)
            await SentTwiceAsync(receiver, id);
    }

    /// <summary>A saga, its inbox entry and its messages commit together. A consumer with an inbox handles a duplicate once.</summary>
    [Theory]
    [InlineData(Store.Sqlite, CrashPoint.BeforeCommit, false)]
    [InlineData(Store.Sqlite, CrashPoint.AfterCommit, true)]
    [InlineData(Store.Sqlite, CrashPoint.BeforeMarkAndAcknowledge, false)]
    [InlineData(Store.PostgreSql, CrashPoint.BeforeCommit, true)]
    [InlineData(Store.PostgreSql, CrashPoint.AfterCommit, false)]
    [InlineData(Store.PostgreSql, CrashPoint.BeforeMarkAndAcknowledge, true)]
    public async Task Saga_Killed_IsFollowedByOneThatFinishesItsMessage(Store store, CrashPoint point, bool exists)
    {
        await using var database = await TestDatabase.CreateAsync(store, server);
        await using var audited = await TestDatabase.CreateAsync(store, server);
        var broker = await rabbit.AddressAsync();
        await using var auditor = await OutboxHost.StartAsync(audited, broker: broker, parts: Parts.Auditor);
        var (id, messageId) = (Guid.CreateVersion7(), Guid.CreateVersion7());
        await using var context = database.Open();
        if (exists)
        {
            context.Tallies.Add(new Tally { CorrelationId = id, CurrentState = nameof(TallyStateMachine.Running), Sum = 1, Version = 1 });
            await context.SaveChangesAsync();
        }
        var (before, after) = exists ? (1, 11) : (0, 10);
        await using (var victim = await Victim.StartAsync(database, broker, point: point))
        {
            await auditor.SendAsync("tallies", new AddToTally(id, 10), messageId, isFirst: true);
            Assert.Equal(137, await victim.ExitAsync());
        }
        var isCommitted = point != CrashPoint.BeforeCommit;
        var left = isCommitted ? 1 : 0;
        Assert.Equal((isCommitted ? after : before, left, left),
            (await context.Tallies.SumAsync(tally => tally.Sum), await context.Set<OutboxMessage>().CountAsync(),
            await context.Set<InboxState>().CountAsync()));

        await using var second = await OutboxHost.StartAsync(database, broker: broker, parts: Parts.Worker);
        await Eventually.TrueAsync(async () => await context.Set<InboxState>()
            .AnyAsync(row => row.MessageId == messageId && row.Delivered != null)
            && !await context.Set<OutboxMessage>().AnyAsync(), Limit, "the saga's message is consumed and its message delivered");
        var announcements = point == CrashPoint.BeforeMarkAndAcknowledge ? 2 : 1;
        await using var audit = audited.Open();
        await Eventually.TrueAsync(() => audit.Set<InboxState>()
            .AnyAsync(row => row.ReceiveCount == announcements && row.Delivered != null), Limit, $"it is announced {announcements} times");

        var tally = await context.Tallies.AsNoTracking().SingleAsync();
        Assert.Equal((id, after, exists ? 2 : 1), (tally.CorrelationId, tally.Sum, tally.Version));
        Assert.Equal(isCommitted ? 2 : 1, (await context.Set<InboxState>().AsNoTracking().SingleAsync()).ReceiveCount);
        Assert.Equal(isCommitted ? 0 : 1, second.Script.HandledFor(id));
        Assert.Equal([id], await audit.Notes.Select(note => note.About).ToListAsync());
        Assert.Equal((1, 1), (auditor.Script.HandledFor(id), await audit.Set<InboxState>().CountAsync()));
    }

    /// <summary>The purge prevents the redelivery while the messages are still in the outbox.</summary>
    [Fact]
    public async Task Queue_PurgedAfterAKill_LeavesMessagesThatAreSwept()
    {
        await using var database = await TestDatabase.CreateAsync(Store.PostgreSql, server);
        var broker = await rabbit.AddressAsync();
        await using var receiver = await OutboxHost.StartAsync(database, broker: broker, parts: Parts.Receiver);
        var (id, messageId) = (Guid.CreateVersion7(), Guid.CreateVersion7());
        await KillAsync(database, broker, CrashPoint.AfterCommit, receiver, id, messageId);
        await PurgeAsync(broker);

        var clock = new ShiftedClock();
        await using var second = await OutboxHost.StartAsync(database, clock, broker: broker, parts: Parts.Worker);
        clock.Advance(TimeSpan.FromMinutes(1));
        await FinishedAsync(database, receiver, id, messageId, deliveries: 1);

        Assert.Equal(0, second.Script.HandledFor(id));
    }

    private static async Task KillAsync(TestDatabase database, string broker, CrashPoint point, OutboxHost receiver, Guid id,
        Guid messageId)
    {
        await using var victim = await Victim.StartAsync(database, broker, point: point);
        await receiver.SendToConsumerAsync(new WriteNote(id, 3), messageId, isFirst: true);
        Assert.Equal(137, await victim.ExitAsync());

        await using var context = database.Open();
        var (notes, rows, arrived) = Left[point];
        await Eventually.TrueAsync(() => receiver.Script.ArrivedFor(id).Count == arrived, Limit, $"{arrived} messages arrive");
        Assert.Equal((notes, rows, notes, arrived), (await context.Notes.CountAsync(), await context.Set<OutboxMessage>().CountAsync(),
            await context.Set<InboxState>().CountAsync(), receiver.Script.ArrivedFor(id).Count));
    }

    private static async Task FinishedAsync(TestDatabase database, OutboxHost receiver, Guid id, Guid messageId, int deliveries)
    {
        await using var context = database.Open();
        await Eventually.TrueAsync(async () => await context.Set<InboxState>()
            .AnyAsync(row => row.MessageId == messageId && row.Delivered != null && row.ReceiveCount >= deliveries)
            && !await context.Set<OutboxMessage>().AnyAsync(), Limit, "everything is delivered");
        await Eventually.TrueAsync(() => receiver.Script.ArrivedFor(id).DistinctBy(seen => seen.MessageId).Count() >= 3, Limit,
            "and arrives");

        Assert.Equal([1, 2, 3], receiver.Script.ArrivedFor(id).DistinctBy(seen => seen.MessageId).Select(seen => seen.Number));
        Assert.Equal(1, await context.Notes.CountAsync(note => note.About == id));
        Assert.Equal(deliveries, (await context.Set<InboxState>().AsNoTracking().SingleAsync()).ReceiveCount);
    }

    // All messages arrive twice, with the same ids.
    private static async Task SentTwiceAsync(OutboxHost receiver, Guid id)
    {
        await Eventually.TrueAsync(() => receiver.Script.ArrivedFor(id).Count >= 6, Limit, "all messages are resent");
        Assert.Equal([1, 2, 3, 1, 2, 3], receiver.Script.ArrivedFor(id).Select(seen => seen.Number));
        Assert.Equal(3, receiver.Script.ArrivedFor(id).Select(seen => seen.MessageId).Distinct().Count());
    }

    private static async Task PurgeAsync(string broker)
    {
        await using var connection = await new ConnectionFactory { Uri = new Uri(broker) }.CreateConnectionAsync();
        await using var channel = await connection.CreateChannelAsync();
        await Eventually.TrueAsync(async () => await channel.QueuePurgeAsync("scripted") == 1, Limit,
            "the message of the dead process is back, and gone");
    }
}
