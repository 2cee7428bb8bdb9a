using ConcertSaga.Shared.Persistence.Tests.Hosts;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Servers;
using MassTransit.EntityFrameworkCoreIntegration;
using Microsoft.EntityFrameworkCore;
using RabbitMQ.Client;
using Xunit;

namespace ConcertSaga.Shared.Persistence.Tests.Crashes;

/// <summary>
/// A message is struck at each point of its way: its effect is there once, what it sent arrives in order under one id each, and nothing is left.
/// </summary>
public sealed class CrashTests(PostgreSqlServer server, CrashBroker rabbit) : IClassFixture<CrashBroker>
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    /// <summary>What a process that ends there leaves behind: effects, messages not marked, messages that arrived.</summary>
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

    public static TheoryData<Store, CrashPoint> Points
    {
        get
        {
            var data = new TheoryData<Store, CrashPoint>();
            foreach (var store in Enum.GetValues<Store>())
            {
                foreach (var point in Enum.GetValues<CrashPoint>())
                    data.Add(store, point);
            }
            return data;
        }
    }

    /// <summary>Each start of a process takes seconds, so SQLite has the points that differ by what its file holds.</summary>
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
    [Trait("Category", "RunOnce")]
    public async Task Process_Killed_IsFollowedByOneThatFinishesItsMessage(Store store, CrashPoint point)
    {
        await using var database = await TestDatabase.CreateAsync(store, server);
        var broker = await rabbit.AddressAsync();
        await using var receiver = await OutboxHost.StartAsync(database, broker: broker, parts: Parts.Receiver);
        var (id, messageId) = (Guid.CreateVersion7(), Guid.CreateVersion7());
        await KillAsync(database, broker, point, receiver, id, messageId);

        // Where the broker does not bring the message again, the sweeper finds it when the lease of the dead is over.
        var clock = new ShiftedClock();
        if (point == CrashPoint.BeforeMark)
            clock.Advance(TimeSpan.FromMinutes(1));
        await using var second = await OutboxHost.StartAsync(database, clock, broker: broker, parts: Parts.Worker);
        await FinishedAsync(database, receiver, id, messageId, point is CrashPoint.BeforeCommit or CrashPoint.BeforeMark ? 1 : 2);

        Assert.Equal(point == CrashPoint.BeforeCommit ? 1 : 0, second.Script.HandledFor(id));
        // Nothing was there when it ended, or nothing was left.
        if (point is CrashPoint.BeforeCommit or CrashPoint.BeforeAcknowledge)
            Assert.Equal(3, receiver.Script.ArrivedFor(id).Count);
        if (point == CrashPoint.BeforeMarkAndAcknowledge)
            await SentTwiceAsync(receiver, id);
    }

    [Theory]
    [MemberData(nameof(Points))]
    public async Task Failure_AtThePoint_IsMendedByTheSameProcess(Store store, CrashPoint point)
    {
        await using var database = await TestDatabase.CreateAsync(store, server);
        var broker = await rabbit.AddressAsync();
        await using var receiver = await OutboxHost.StartAsync(database, broker: broker, parts: Parts.Receiver);
        var (id, messageId) = (Guid.CreateVersion7(), Guid.CreateVersion7());
        var (clock, script) = (new ShiftedClock(), new Script());
        // Thrown between the host and its broker, it breaks their connection.
        var crash = new Crash(point, () => throw new IOException("on purpose"));
        crash.Attach(script);
        await using var tap = new AmqpTap(broker, crash.OnAcknowledgementAsync);
        await using var host = await OutboxHost.StartAsync(database, clock, broker: tap.Address, script: script, parts: Parts.Worker);

        await receiver.TellAsync(new Tell(id, 3), messageId, isFirst: true);
        await Eventually.TrueAsync(() => crash.HasStruck, Limit, "it happens");
        if (point == CrashPoint.BeforeMark)
            clock.Advance(TimeSpan.FromMinutes(1));
        // Only where the connection broke did the broker bring it again.
        await FinishedAsync(database, receiver, id, messageId, point is CrashPoint.BeforeConfirm or CrashPoint.BeforeAcknowledge or CrashPoint.BeforeMarkAndAcknowledge ? 2 : 1);

        Assert.Equal(point == CrashPoint.BeforeCommit ? 2 : 1, script.HandledFor(id));
        if (point == CrashPoint.BeforeMarkAndAcknowledge)
            await SentTwiceAsync(receiver, id);
    }

    /// <summary>A saga's row, its inbox row and what it announced are one; who hears of it twice, with an inbox, handles it once.</summary>
    [Theory]
    [InlineData(Store.Sqlite, CrashPoint.BeforeCommit, false)]
    [InlineData(Store.Sqlite, CrashPoint.AfterCommit, true)]
    [InlineData(Store.Sqlite, CrashPoint.BeforeMarkAndAcknowledge, false)]
    [InlineData(Store.PostgreSql, CrashPoint.BeforeCommit, true)]
    [InlineData(Store.PostgreSql, CrashPoint.AfterCommit, false)]
    [InlineData(Store.PostgreSql, CrashPoint.BeforeMarkAndAcknowledge, true)]
    [Trait("Category", "RunOnce")]
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
            await auditor.SendAsync("tallies", new Count(id, 10), messageId, isFirst: true);
            Assert.Equal(137, await victim.ExitAsync());
        }
        var isCommitted = point != CrashPoint.BeforeCommit;
        var left = isCommitted ? 1 : 0;
        Assert.Equal((isCommitted ? after : before, left, left), (await context.Tallies.SumAsync(tally => tally.Sum), await context.Set<OutboxMessage>().CountAsync(), await context.Set<InboxState>().CountAsync()));

        await using var second = await OutboxHost.StartAsync(database, broker: broker, parts: Parts.Worker);
        await Eventually.TrueAsync(async () => await context.Set<InboxState>().AnyAsync(row => row.MessageId == messageId && row.Delivered != null)
            && !await context.Set<OutboxMessage>().AnyAsync(), Limit, "the saga's message is done, and delivered");
        var announcements = point == CrashPoint.BeforeMarkAndAcknowledge ? 2 : 1;
        await using var audit = audited.Open();
        await Eventually.TrueAsync(() => audit.Set<InboxState>().AnyAsync(row => row.ReceiveCount == announcements && row.Delivered != null), Limit, $"it is announced {announcements} times");

        var tally = await context.Tallies.AsNoTracking().SingleAsync();
        Assert.Equal((id, after, exists ? 2 : 1), (tally.CorrelationId, tally.Sum, tally.Version));
        Assert.Equal(isCommitted ? 2 : 1, (await context.Set<InboxState>().AsNoTracking().SingleAsync()).ReceiveCount);
        Assert.Equal(isCommitted ? 0 : 1, second.Script.HandledFor(id));
        Assert.Equal([id], await audit.Notes.Select(note => note.About).ToListAsync());
        Assert.Equal((1, 1), (auditor.Script.HandledFor(id), await audit.Set<InboxState>().CountAsync()));
    }

    /// <summary>The broker will not bring the message again, and its messages are still in the outbox.</summary>
    [Fact]
    [Trait("Category", "RunOnce")]
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

    private static async Task KillAsync(TestDatabase database, string broker, CrashPoint point, OutboxHost receiver, Guid id, Guid messageId)
    {
        await using var victim = await Victim.StartAsync(database, broker, point: point);
        await receiver.TellAsync(new Tell(id, 3), messageId, isFirst: true);
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
        await Eventually.TrueAsync(async () => await context.Set<InboxState>().AnyAsync(row => row.MessageId == messageId && row.Delivered != null && row.ReceiveCount >= deliveries)
            && !await context.Set<OutboxMessage>().AnyAsync(), Limit, "everything is delivered");
        await Eventually.TrueAsync(() => receiver.Script.ArrivedFor(id).DistinctBy(seen => seen.MessageId).Count() >= 3, Limit, "and arrives");

        Assert.Equal([1, 2, 3], receiver.Script.ArrivedFor(id).DistinctBy(seen => seen.MessageId).Select(seen => seen.Number));
        Assert.Equal(1, await context.Notes.CountAsync(note => note.About == id));
        Assert.Equal(deliveries, (await context.Set<InboxState>().AsNoTracking().SingleAsync()).ReceiveCount);
    }

    // All of it once more, and under the ids of the first time.
    private static async Task SentTwiceAsync(OutboxHost receiver, Guid id)
    {
        await Eventually.TrueAsync(() => receiver.Script.ArrivedFor(id).Count >= 6, Limit, "all is sent once more");
        Assert.Equal([1, 2, 3, 1, 2, 3], receiver.Script.ArrivedFor(id).Select(seen => seen.Number));
        Assert.Equal(3, receiver.Script.ArrivedFor(id).Select(seen => seen.MessageId).Distinct().Count());
    }

    private static async Task PurgeAsync(string broker)
    {
        await using var connection = await new ConnectionFactory { Uri = new Uri(broker) }.CreateConnectionAsync();
        await using var channel = await connection.CreateChannelAsync();
        await Eventually.TrueAsync(async () => await channel.QueuePurgeAsync("scripted") == 1, Limit, "the message of the dead process is back, and gone");
    }
}
