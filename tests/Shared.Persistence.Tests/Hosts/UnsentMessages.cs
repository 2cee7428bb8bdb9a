using MassTransit;
using MassTransit.EntityFrameworkCoreIntegration;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Shared.Persistence.Tests.Hosts;

/// <summary>Stores rows as a process leaves them that ends before it sends its messages.</summary>
internal static class UnsentMessages
{
    /// <summary>Stores two messages of a unit of work outside a consumer.</summary>
    public static async Task StoreAsync(
        TestDatabase database, TimeProvider clock, Guid id, TimeSpan age, TimeSpan lockAge, Action<OutboxMessage>? change = null)
    {
        var now = clock.GetUtcNow();
        var outboxId = Guid.CreateVersion7(now - age);
        await using var context = database.Open();
        context.Add(new OutboxState
        {
            OutboxId = outboxId,
            LockId = Guid.CreateVersion7(now - lockAge),
            Created = (now - age).UtcDateTime
        });
        for (var number = 1; number <= 2; number++)
        {
            var type = MessageUrn.ForTypeString<NoteWritten>();
            var row = new OutboxMessage
            {
                OutboxId = outboxId,
                MessageId = Guid.CreateVersion7(now),
                SentTime = (now - age).UtcDateTime,
                ContentType = "application/vnd.masstransit+json",
                MessageType = type,
                DestinationAddress = new Uri("loopback://localhost/receiving"),
                Body = $$$"""{"messageType":["{{{type}}}"],"message":{"id":"{{{id}}}","number":{{{number}}}}}"""
            };
            change?.Invoke(row);
            context.Add(row);
        }
        await context.SaveChangesAsync();
    }

    /// <summary>Stores two messages that a consumer sent, with their inbox entry.</summary>
    public static async Task StoreOfConsumerAsync(
        TestDatabase database, TimeProvider clock, Guid id, TimeSpan age, TimeSpan lockAge, Action<OutboxMessage>? change = null)
    {
        await StoreAsync(database, clock, id, age, lockAge, row =>
        {
            change?.Invoke(row);
            row.OutboxId = null;
            row.InboxMessageId = id;
            row.InboxConsumerId = id;
        });
        await using var context = database.Open();
        context.Add(InboxEntry(clock, id, lockAge));
        await context.SaveChangesAsync();
        await context.Set<OutboxState>().Where(state => !context.Set<OutboxMessage>().Any(row => row.OutboxId == state.OutboxId))
            .ExecuteDeleteAsync();
    }

    public static InboxState InboxEntry(TimeProvider clock, Guid messageId, TimeSpan age, bool isDelivered = false)
    {
        var at = clock.GetUtcNow() - age;
        return new InboxState
        {
            MessageId = messageId,
            ConsumerId = messageId,
            LockId = Guid.CreateVersion7(at),
            Received = at.UtcDateTime,
            ReceiveCount = 1,
            Consumed = at.UtcDateTime,
            Delivered = isDelivered ? at.UtcDateTime : null
        };
    }
}
