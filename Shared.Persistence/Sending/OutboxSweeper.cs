using System.Buffers.Binary;
using System.Data;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Logging;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>
/// Delivers messages that a process has committed but not sent: because it ended, the broker was down, or a purge of the queue prevented a
/// redelivery. It also delivers delayed messages when they are due.
/// </summary>
internal sealed partial class OutboxSweeper<TDbContext>(
    EntityFrameworkOutboxOptions<TDbContext> options, OutboxSender<TDbContext> sender, GroupCommit<TDbContext> groups, TimeProvider clock,
    ILogger<OutboxSweeper<TDbContext>> logger)
    where TDbContext : DbContext
{
    private const int MaxUnitsAtOnce = 16;

    private long _sweptTo;

    /// <summary>Delivers the messages that one query finds and returns whether more remain.</summary>
    public async Task<bool> SweepAsync(TDbContext database, CancellationToken cancellationToken)
    {
        var now = clock.GetUtcNow();
        var due = await FindAsync(database, now, cancellationToken).ConfigureAwait(false);
        if (due.Count > 0)
        {
            var leased = await LeaseAsync(database, due, now, cancellationToken).ConfigureAwait(false);
            foreach (var units in leased.Chunk(MaxUnitsAtOnce))
                await Task.WhenAll(units.Select(unit => DeliverAsync(unit, cancellationToken))).ConfigureAwait(false);
        }
        return _sweptTo > 0;
    }

    /// <summary>
    /// Resends all messages kept from before this process started, with the same ids. The in-memory transport has lost them.
    /// </summary>
    public async Task ResendKeptAsync(TDbContext database, DateTime startedAt, CancellationToken cancellationToken)
    {
        var ahead = LatestCredible(clock.GetUtcNow());
        var kept = await database.Set<OutboxMessage>().AsNoTracking()
            .Where(row => (row.SentTime < startedAt || row.SentTime > ahead) && (row.OutboxId == null || options.BusOutboxDelivery))
            .OrderBy(row => row.SequenceNumber).ToListAsync(cancellationToken).ConfigureAwait(false);
        foreach (var unit in kept.GroupBy(row => row.OutboxId ?? row.InboxMessageId ?? row.MessageId))
            await sender.SendAsync([.. unit], isFirst: false, cancellationToken).ConfigureAwait(false);
    }

    // Returns the units that have a message to deliver, each with the due time of its last delayed message.
    private async Task<Dictionary<Unit, DateTime?>> FindAsync(TDbContext database, DateTimeOffset now, CancellationToken cancellationToken)
    {
        var instant = now.UtcDateTime;
        var before = (now - options.DeliveryLease).UtcDateTime;
        var ahead = LatestCredible(now);
        var after = _sweptTo;
        var candidates = OutboxBacklog<TDbContext>.Undelivered(database, options).Where(row => row.SequenceNumber > after
            && (row.SentTime > ahead || (row.EnqueueTime == null ? row.SentTime < before : row.EnqueueTime <= instant)));
        if (!options.BusOutboxDelivery)
            candidates = candidates.Where(row => row.OutboxId == null);
        var found = await candidates.OrderBy(row => row.SequenceNumber).Take(options.QueryMessageLimit)
            .Select(row => new OutboxMessage
            {
                SequenceNumber = row.SequenceNumber,
                OutboxId = row.OutboxId,
                InboxMessageId = row.InboxMessageId,
                InboxConsumerId = row.InboxConsumerId,
                EnqueueTime = row.EnqueueTime,
                SentTime = row.SentTime,
                ExpirationTime = row.ExpirationTime
            }).ToListAsync(cancellationToken).ConfigureAwait(false);
        // The next query continues after these rows, so undeliverable messages do not block the others.
        _sweptTo = found.Count == options.QueryMessageLimit ? found[^1].SequenceNumber : 0;
        await CorrectTimesAsync(database, found.FindAll(row => row.SentTime > ahead), now, cancellationToken).ConfigureAwait(false);
        return found.Where(row => row.SentTime <= ahead).GroupBy(row => new Unit(row))
            .ToDictionary(unit => unit.Key, unit => unit.Max(row => row.EnqueueTime));
    }

    // A fast clock dated these messages in the future. Without the correction they would wait until that time.
    private async Task CorrectTimesAsync(TDbContext database, List<OutboxMessage> misdated, DateTimeOffset now,
        CancellationToken cancellationToken)
    {
        if (misdated.Count == 0)
            return;
        var due = (now - options.DeliveryLease).UtcDateTime;
        await ExecutionStrategies.InTransactionAsync(database, IsolationLevel.ReadCommitted, async () =>
        {
            foreach (var row in misdated)
            {
                var enqueue = now.UtcDateTime + (row.EnqueueTime - row.SentTime);
                var expiration = now.UtcDateTime + (row.ExpirationTime - row.SentTime);
                await database.Set<OutboxMessage>().Where(message => message.SequenceNumber == row.SequenceNumber)
                    .ExecuteUpdateAsync(set => set.SetProperty(message => message.SentTime, due)
                        .SetProperty(message => message.EnqueueTime, enqueue)
                        .SetProperty(message => message.ExpirationTime, expiration), cancellationToken).ConfigureAwait(false);
            }
        }, cancellationToken).ConfigureAwait(false);
        LogTimesCorrected(misdated.Count, misdated.Max(row => row.SentTime));
    }

    // Compare and swap: if two replicas find the same rows, only one of them leases each row.
    private async Task<List<LeasedUnit>> LeaseAsync(
        TDbContext database, Dictionary<Unit, DateTime?> due, DateTimeOffset now, CancellationToken cancellationToken)
    {
        var outboxes = database.Set<OutboxState>();
        var inboxes = database.Set<InboxState>();
        var outboxIds = due.Keys.Where(unit => unit.OutboxId is not null).Select(unit => unit.OutboxId!.Value).ToList();
        var messageIds = due.Keys.Where(unit => unit.MessageId is not null).Select(unit => unit.MessageId!.Value).Distinct().ToList();
        var freeOutboxes = (await outboxes.AsNoTracking().Where(state => outboxIds.Contains(state.OutboxId))
            .Select(state => new { state.OutboxId, state.LockId }).ToListAsync(cancellationToken).ConfigureAwait(false))
            .FindAll(state => !IsLeased(state.LockId, due[new Unit(state.OutboxId, null, null)], now));
        var freeInboxes = (await inboxes.AsNoTracking().Where(state => messageIds.Contains(state.MessageId))
            .Select(state => new { state.Id, state.MessageId, state.ConsumerId, state.LockId }).ToListAsync(cancellationToken)
                .ConfigureAwait(false))
            .FindAll(state => due.TryGetValue(new Unit(null, state.MessageId, state.ConsumerId), out var at)
                && !IsLeased(state.LockId, at, now));
        if (freeOutboxes.Count + freeInboxes.Count == 0)
            return [];

        var mine = Guid.CreateVersion7(now);
        outboxIds = freeOutboxes.ConvertAll(state => state.OutboxId);
        var outboxLocks = freeOutboxes.ConvertAll(state => state.LockId);
        var inboxIds = freeInboxes.ConvertAll(state => state.Id);
        var inboxLocks = freeInboxes.ConvertAll(state => state.LockId);
        await ExecutionStrategies.InTransactionAsync(database, IsolationLevel.ReadCommitted, async () =>
        {
            if (outboxIds.Count > 0)
            {
                await outboxes.Where(state => outboxIds.Contains(state.OutboxId) && outboxLocks.Contains(state.LockId))
                    .ExecuteUpdateAsync(set => set.SetProperty(state => state.LockId, mine), cancellationToken).ConfigureAwait(false);
            }
            if (inboxIds.Count > 0)
            {
                await inboxes.Where(state => inboxIds.Contains(state.Id) && inboxLocks.Contains(state.LockId))
                    .ExecuteUpdateAsync(set => set.SetProperty(state => state.LockId, mine), cancellationToken).ConfigureAwait(false);
            }
        }, cancellationToken).ConfigureAwait(false);

        var messages = await database.Set<OutboxMessage>().AsNoTracking()
            .Where(row =>
                (outboxIds.Contains(row.OutboxId!.Value) && outboxes.Any(state => state.OutboxId == row.OutboxId && state.LockId == mine))
                || inboxes.Any(state => inboxIds.Contains(state.Id) && state.MessageId == row.InboxMessageId
                    && state.ConsumerId == row.InboxConsumerId && state.LockId == mine))
            .OrderBy(row => row.SequenceNumber).ToListAsync(cancellationToken).ConfigureAwait(false);
        var inboxOf = freeInboxes.ToDictionary(state => new Unit(null, state.MessageId, state.ConsumerId), state => (long?)state.Id);
        return [.. messages.GroupBy(row => new Unit(row))
            .Select(unit => new LeasedUnit(unit.Key, inboxOf.GetValueOrDefault(unit.Key), [.. unit]))];
    }

    private async Task DeliverAsync(LeasedUnit unit, CancellationToken cancellationToken)
    {
        var sent = await sender.SendAsync(unit.Messages, isFirst: false, cancellationToken).ConfigureAwait(false);
        if (sent.Count == 0)
            return;
        groups.Mark(DeliveryReceipt.Of(unit.Messages, sent, unit.InboxId, unit.Unit.OutboxId));
        LogSwept(unit.Unit.OutboxId ?? unit.Unit.MessageId!.Value, sent.Count);
    }

    // The first 48 bits of a version-7 id hold the start of the lease in milliseconds since 1970.
    private bool IsLeased(Guid lockId, DateTime? due, DateTimeOffset now)
    {
        Span<byte> bytes = stackalloc byte[16];
        lockId.TryWriteBytes(bytes, bigEndian: true, out _);
        var taken = DateTimeOffset.FromUnixTimeMilliseconds((BinaryPrimitives.ReadInt64BigEndian(bytes) >> 16) & 0xFFFFFFFFFFFF);
        // A lease that starts more than its own length in the future comes from a wrong clock.
        if ((now - taken).Duration() >= options.DeliveryLease)
            return false;
        // A lease that began before a delayed message was due did not deliver that message.
        return !(taken.UtcDateTime < due);
    }

    private DateTime LatestCredible(DateTimeOffset now) => (now + options.DeliveryLease).UtcDateTime;

    [LoggerMessage(EventId = 4105, Level = LogLevel.Information,
        Message = "The sweeper delivered {Count} remaining messages of {UnitOfWork}.")]
    private partial void LogSwept(Guid unitOfWork, int count);

    [LoggerMessage(EventId = 4106, Level = LogLevel.Warning,
        Message = "A wrong clock dated {Count} outbox messages in the future, up to {Latest:u}. They now count from this moment.")]
    private partial void LogTimesCorrected(int count, DateTime latest);

    /// <summary>Identifies a unit of work: an outbox, or a consumed message with its consumer.</summary>
    private readonly record struct Unit(Guid? OutboxId, Guid? MessageId, Guid? ConsumerId)
    {
        public Unit(OutboxMessage message) : this(message.OutboxId, message.InboxMessageId, message.InboxConsumerId)
        {
        }
    }

    private sealed record LeasedUnit(Unit Unit, long? InboxId, OutboxMessage[] Messages);
}
