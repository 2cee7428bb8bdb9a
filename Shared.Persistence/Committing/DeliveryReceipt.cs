namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>
/// Lists messages that have reached the broker. It also names their inbox entry or unit of work if none of its messages remain.
/// </summary>
internal sealed record DeliveryReceipt(long? InboxId, Guid? OutboxId, IReadOnlyList<OutboxMessage> Messages)
{
    public static DeliveryReceipt Of(IReadOnlyList<OutboxMessage> all, IReadOnlyList<OutboxMessage> sent, long? inboxId, Guid? outboxId) =>
        sent.Count == all.Count ? new DeliveryReceipt(inboxId, outboxId, sent) : new DeliveryReceipt(null, null, sent);
}
