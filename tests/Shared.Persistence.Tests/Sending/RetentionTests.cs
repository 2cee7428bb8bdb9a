using ConcertSaga.Shared.Persistence.Tests.Hosts;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Servers;
using MassTransit;
using MassTransit.EntityFrameworkCoreIntegration;
using Microsoft.EntityFrameworkCore;
using Xunit;

namespace ConcertSaga.Shared.Persistence.Tests.Sending;

/// <summary>Delivered messages stay for the retention period, because the in-memory transport loses its messages.</summary>
public sealed class RetentionTests(PostgreSqlServer server)
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    /// <summary>The next process resends recently delivered messages, because the in-memory transport has lost them.</summary>
    [Theory]
    [MemberData(nameof(Stores.All), MemberType = typeof(Stores))]
    public async Task Messages_Kept_AreResentAtTheNextStartAndDeletedLater(Store store)
    {
        await using var database = await TestDatabase.CreateAsync(store, server);
        var clock = new ShiftedClock();
        var (published, consumed, messageId) = (Guid.CreateVersion7(), Guid.CreateVersion7(), Guid.CreateVersion7());
        IReadOnlyList<Guid?> before;
        await using (var first = await OutboxHost.StartAsync(database, clock, Keep))
        {
            await using (var unit = new UnitOfWork(first))
            {
                await unit.PublishAsync(new NoteWritten(published, 1));
                await unit.SaveAsync();
            }
            await first.SendToConsumerAsync(new WriteNote(consumed, 1), messageId);
            await Eventually.TrueAsync(() => first.Script.ArrivedFor(published).Count == 1
                && first.Script.ArrivedFor(consumed).Count == 1, Limit, "they arrive");
            before = [first.Script.ArrivedFor(published)[0].MessageId, first.Script.ArrivedFor(consumed)[0].MessageId];
        }

        await using var second = await OutboxHost.StartAsync(database, clock, Keep);
        await Eventually.TrueAsync(() => second.Script.ArrivedFor(published).Count == 1
            && second.Script.ArrivedFor(consumed).Count == 1, Limit, "they arrive again");
        Assert.Equal(before, [second.Script.ArrivedFor(published)[0].MessageId, second.Script.ArrivedFor(consumed)[0].MessageId]);

        clock.Advance(TimeSpan.FromMinutes(3));
        await OutboxScenario.OutboxIsEmptyAsync(database);
        await using var context = database.Open();
        Assert.True(await context.Set<InboxState>().AnyAsync(row => row.MessageId == messageId), "the inbox remembers longer");

        static void Keep(IEntityFrameworkOutboxConfigurator outbox)
        {
            outbox.DeliveredRetention = TimeSpan.FromMinutes(2);
            outbox.DuplicateDetectionWindow = TimeSpan.FromMinutes(30);
        }
    }

    /// <summary>More messages than one pass deletes have an expired inbox entry; the entry must not be deleted before them.</summary>
    [Theory]
    [MemberData(nameof(Stores.All), MemberType = typeof(Stores))]
    public async Task Messages_ManyKept_AreAllDeleted(Store store)
    {
        await using var database = await TestDatabase.CreateAsync(store, server);
        var old = TimeProvider.System.GetUtcNow() - TimeSpan.FromHours(1);
        var messageId = Guid.CreateVersion7(old);
        await using var context = database.Open();
        context.Add(new InboxState
        {
            MessageId = messageId,
            ConsumerId = messageId,
            LockId = messageId,
            Received = old.UtcDateTime,
            Consumed = old.UtcDateTime,
            Delivered = old.UtcDateTime
        });
        context.AddRange(Enumerable.Range(0, 2_500).Select(_ => new OutboxMessage
        {
            InboxMessageId = messageId,
            InboxConsumerId = messageId,
            MessageId = Guid.CreateVersion7(old),
            SentTime = old.UtcDateTime,
            ContentType = "application/vnd.masstransit+json",
            MessageType = MessageUrn.ForTypeString<NoteWritten>(),
            Body = "{}"
        }));
        await context.SaveChangesAsync();

        await using var host = await OutboxHost.StartAsync(database,
            configure: outbox => outbox.DeliveredRetention = TimeSpan.FromMinutes(2));
        await OutboxScenario.OutboxIsEmptyAsync(database);
        await Eventually.TrueAsync(async () => !await context.Set<InboxState>().AnyAsync(), Limit, "its row goes last");
    }
}
