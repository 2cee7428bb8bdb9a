using System.Threading.Channels;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>
/// Delivers what was committed outside consumers: at once and from memory in the process that committed it, and by looking into the tables
/// for what a crash, a broken connection or a purged queue left behind. While the broker is away it only waits.
/// </summary>
internal sealed partial class BusOutboxDelivery<TDbContext>(
    IServiceScopeFactory scopes, IBusControl bus, EntityFrameworkOutboxOptions<TDbContext> options, DeliveredMessages<TDbContext> delivered,
    TimeProvider clock, ILogger<BusOutboxDelivery<TDbContext>> logger) : BackgroundService
    where TDbContext : DbContext
{
    private const int Workers = 16;

    private readonly DateTime _startedAt = clock.GetUtcNow().UtcDateTime;

    private readonly Channel<(Guid OutboxId, OutboxMessage[] Messages)> _committed = Channel.CreateUnbounded<(Guid, OutboxMessage[])>();

    /// <summary>Takes the messages of a unit of work that has just been committed.</summary>
    public void Deliver(Guid outboxId, OutboxMessage[] messages)
    {
        if (options.BusOutboxDelivery)
            _committed.Writer.TryWrite((outboxId, messages));
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var workers = Enumerable.Range(0, Workers).Select(_ => DeliverCommittedAsync()).ToArray();
        try
        {
            await WaitForBusAsync(stoppingToken).ConfigureAwait(false);
            await LoopAsync(ResendKeptAsync, once: true, stoppingToken).ConfigureAwait(false);
            await LoopAsync(SweepAsync, once: false, stoppingToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
        }
        // What requests committed while the process was told to stop still leaves now; what does not is swept at the next start.
        _committed.Writer.TryComplete();
        await Task.WhenAll(workers).ConfigureAwait(false);
    }

    private async Task DeliverCommittedAsync()
    {
        await foreach (var one in _committed.Reader.ReadAllAsync().ConfigureAwait(false))
        {
            try
            {
                // While the broker is away, holding what was committed would fill the memory; it is in the tables anyway.
                if (!IsBusHealthy())
                    continue;
                await SendAsync(one.Messages, CancellationToken.None).ConfigureAwait(false);
                await delivered.MarkAsync(new Delivered(null, one.OutboxId, one.Messages)).ConfigureAwait(false);
            }
            catch (Exception exception)
            {
                LogNotDelivered(exception, one.OutboxId);
            }
        }
    }

    private async Task LoopAsync(Func<CancellationToken, Task<bool>> pass, bool once, CancellationToken stoppingToken)
    {
        var failures = 0;
        while (!stoppingToken.IsCancellationRequested)
        {
            var more = false;
            try
            {
                await WaitForBusAsync(stoppingToken).ConfigureAwait(false);
                more = await pass(stoppingToken).ConfigureAwait(false);
                failures = 0;
                if (once)
                    return;
            }
            catch (Exception exception) when (!stoppingToken.IsCancellationRequested)
            {
                failures++;
                LogPassFailed(exception, failures);
            }
            // A failing broker or database is asked ever less often, up to every 30 seconds.
            if (!more)
                await Task.Delay(TimeSpan.FromTicks(Math.Min(options.QueryDelay.Ticks << Math.Min(failures, 5), TimeSpan.FromSeconds(30).Ticks)), clock, stoppingToken).ConfigureAwait(false);
        }
    }

    private async Task WaitForBusAsync(CancellationToken stoppingToken)
    {
        while (!IsBusHealthy())
            await Task.Delay(TimeSpan.FromMilliseconds(200), clock, stoppingToken).ConfigureAwait(false);
    }

    private bool IsBusHealthy() => bus.CheckHealth().Status == BusHealthStatus.Healthy;

    // The transport forgot what it held when the process ended, so everything that was kept from then goes out once more, with the same ids.
    private async Task<bool> ResendKeptAsync(CancellationToken stoppingToken)
    {
        if (options.DeliveredRetention == TimeSpan.Zero)
            return false;
        await using var scope = scopes.CreateAsyncScope();
        var database = scope.ServiceProvider.GetRequiredService<TDbContext>();
        var kept = await database.Set<OutboxMessage>().AsNoTracking().Where(row => row.SentTime < _startedAt && (row.OutboxId == null || options.BusOutboxDelivery)).OrderBy(row => row.SequenceNumber).ToListAsync(stoppingToken).ConfigureAwait(false);
        foreach (var together in kept.GroupBy(row => row.OutboxId ?? row.InboxMessageId ?? row.MessageId))
            await HaveLeftAsync(together.Key, [.. together], stoppingToken).ConfigureAwait(false);
        return false;
    }

    private async Task<bool> SweepAsync(CancellationToken stoppingToken)
    {
        await using var scope = scopes.CreateAsyncScope();
        var database = scope.ServiceProvider.GetRequiredService<TDbContext>();
        database.Database.SetCommandTimeout(options.QueryTimeout);
        var more = options.BusOutboxDelivery && await SweepOutboxesAsync(database, stoppingToken).ConfigureAwait(false);
        more |= await SweepInboxesAsync(database, stoppingToken).ConfigureAwait(false);
        return await CleanAsync(database, stoppingToken).ConfigureAwait(false) || more;
    }

    private async Task<bool> SweepOutboxesAsync(TDbContext database, CancellationToken stoppingToken)
    {
        var now = clock.GetUtcNow();
        var before = (now - options.DeliveryLease).UtcDateTime;
        var candidates = await database.Set<OutboxState>().AsNoTracking()
            .Where(row => row.Delivered == null && row.Created < before).OrderBy(row => row.Created).Take(options.QueryMessageLimit)
            .Select(row => new { row.OutboxId, row.LockId }).ToListAsync(stoppingToken).ConfigureAwait(false);
        candidates.RemoveAll(row => IsLeased(row.LockId, now));
        if (candidates.Count == 0)
            return false;

        // Compare and swap: of two replicas that saw the same rows, one gets each.
        var mine = Guid.CreateVersion7(now);
        var ids = candidates.ConvertAll(row => row.OutboxId);
        var locks = candidates.ConvertAll(row => row.LockId);
        await using (var transaction = await database.Database.BeginTransactionAsync(stoppingToken).ConfigureAwait(false))
        {
            await database.Set<OutboxState>().Where(row => ids.Contains(row.OutboxId) && locks.Contains(row.LockId))
                .ExecuteUpdateAsync(set => set.SetProperty(row => row.LockId, mine), stoppingToken).ConfigureAwait(false);
            await transaction.CommitAsync(stoppingToken).ConfigureAwait(false);
        }
        var taken = await database.Set<OutboxState>().AsNoTracking().Where(row => ids.Contains(row.OutboxId) && row.LockId == mine)
            .OrderBy(row => row.Created).Select(row => (Guid?)row.OutboxId).ToListAsync(stoppingToken).ConfigureAwait(false);
        var messages = (await database.Set<OutboxMessage>().AsNoTracking().Where(row => taken.Contains(row.OutboxId))
            .OrderBy(row => row.SequenceNumber).ToListAsync(stoppingToken).ConfigureAwait(false)).ToLookup(row => row.OutboxId);
        foreach (var outboxId in taken)
        {
            OutboxMessage[] together = [.. messages[outboxId]];
            if (await HaveLeftAsync(outboxId!.Value, together, stoppingToken).ConfigureAwait(false))
                await delivered.MarkAsync(new Delivered(null, outboxId, together)).ConfigureAwait(false);
        }
        return taken.Count == options.QueryMessageLimit;
    }

    // A consumed message whose own messages were never delivered, and which the broker did not bring again: its queue was purged, or it was moved.
    private async Task<bool> SweepInboxesAsync(TDbContext database, CancellationToken stoppingToken)
    {
        var now = clock.GetUtcNow();
        var before = (now - options.DeliveryLease).UtcDateTime;
        var left = await database.Set<InboxState>().AsNoTracking()
            .Where(row => row.Delivered == null && row.Consumed < before).OrderBy(row => row.Id).Take(options.QueryMessageLimit)
            .ToListAsync(stoppingToken).ConfigureAwait(false);
        left.RemoveAll(row => IsLeased(row.LockId, now));
        foreach (var inbox in left)
        {
            var mine = Guid.CreateVersion7(now);
            await using (var transaction = await database.Database.BeginTransactionAsync(stoppingToken).ConfigureAwait(false))
            {
                var taken = await database.Set<InboxState>().Where(row => row.Id == inbox.Id && row.LockId == inbox.LockId && row.Delivered == null)
                    .ExecuteUpdateAsync(set => set.SetProperty(row => row.LockId, mine), stoppingToken).ConfigureAwait(false);
                await transaction.CommitAsync(stoppingToken).ConfigureAwait(false);
                if (taken == 0)
                    continue;
            }
            var messages = await database.Set<OutboxMessage>().AsNoTracking()
                .Where(row => row.InboxMessageId == inbox.MessageId && row.InboxConsumerId == inbox.ConsumerId).OrderBy(row => row.SequenceNumber)
                .ToListAsync(stoppingToken).ConfigureAwait(false);
            if (!await HaveLeftAsync(inbox.MessageId, messages, stoppingToken).ConfigureAwait(false))
                continue;
            await delivered.MarkAsync(new Delivered(inbox.Id, null, messages)).ConfigureAwait(false);
            LogSweptInbox(inbox.MessageId, messages.Count);
        }
        return left.Count == options.QueryMessageLimit;
    }

    private async Task<bool> CleanAsync(TDbContext database, CancellationToken stoppingToken)
    {
        const int batch = 1000;
        var more = false;
        var now = clock.GetUtcNow().UtcDateTime;
        if (options.DeliveredRetention > TimeSpan.Zero)
        {
            var before = now - options.DeliveredRetention;
            var outboxes = await database.Set<OutboxState>().Where(row => row.Delivered < before).OrderBy(row => row.Created)
                .Select(row => row.OutboxId).Take(batch).ToListAsync(stoppingToken).ConfigureAwait(false);
            var inboxes = await database.Set<OutboxMessage>().Where(message => message.InboxMessageId != null && database.Set<InboxState>()
                    .Any(row => row.MessageId == message.InboxMessageId && row.ConsumerId == message.InboxConsumerId && row.Delivered < before))
                .OrderBy(message => message.SequenceNumber).Select(message => message.SequenceNumber).Take(batch).ToListAsync(stoppingToken).ConfigureAwait(false);
            more = outboxes.Count == batch || inboxes.Count == batch;
            if (outboxes.Count > 0 || inboxes.Count > 0)
            {
                await using var transaction = await database.Database.BeginTransactionAsync(stoppingToken).ConfigureAwait(false);
                await database.Set<OutboxMessage>().Where(row => outboxes.Contains(row.OutboxId!.Value) || inboxes.Contains(row.SequenceNumber))
                    .ExecuteDeleteAsync(stoppingToken).ConfigureAwait(false);
                await database.Set<OutboxState>().Where(row => outboxes.Contains(row.OutboxId)).ExecuteDeleteAsync(stoppingToken).ConfigureAwait(false);
                await transaction.CommitAsync(stoppingToken).ConfigureAwait(false);
            }
        }
        if (options.InboxCleanup)
        {
            var before = now - (options.DuplicateDetectionWindow > options.DeliveredRetention ? options.DuplicateDetectionWindow : options.DeliveredRetention);
            // A row stays while messages of its own are kept: without it nobody would know that they can go.
            var old = await database.Set<InboxState>().Where(row => row.Delivered < before && !database.Set<OutboxMessage>()
                    .Any(message => message.InboxMessageId == row.MessageId && message.InboxConsumerId == row.ConsumerId)).OrderBy(row => row.Delivered)
                .Select(row => row.Id).Take(batch).ToListAsync(stoppingToken).ConfigureAwait(false);
            more |= old.Count == batch;
            if (old.Count > 0)
            {
                await using var transaction = await database.Database.BeginTransactionAsync(stoppingToken).ConfigureAwait(false);
                await database.Set<InboxState>().Where(row => old.Contains(row.Id)).ExecuteDeleteAsync(stoppingToken).ConfigureAwait(false);
                await transaction.CommitAsync(stoppingToken).ConfigureAwait(false);
            }
        }
        return more;
    }

    // What cannot be sent although the bus is healthy does not stand in the way of the rest; its lease keeps it from being tried at once.
    private async Task<bool> HaveLeftAsync(Guid unitOfWork, IReadOnlyList<OutboxMessage> messages, CancellationToken stoppingToken)
    {
        try
        {
            await SendAsync(messages, stoppingToken).ConfigureAwait(false);
            return true;
        }
        catch (Exception exception) when (!stoppingToken.IsCancellationRequested && IsBusHealthy())
        {
            LogNotDelivered(exception, unitOfWork);
            return false;
        }
    }

    private async Task SendAsync(IReadOnlyList<OutboxMessage> messages, CancellationToken stoppingToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(stoppingToken);
        limit.CancelAfter(options.DeliveryLease);
        await OutboxMessages.SendAsync(messages, bus, clock.GetUtcNow().UtcDateTime, limit.Token).ConfigureAwait(false);
    }

    // The first 48 bits of a version-7 id are the milliseconds since 1970 at which the row was taken.
    private bool IsLeased(Guid lockId, DateTimeOffset now)
    {
        Span<byte> bytes = stackalloc byte[16];
        lockId.TryWriteBytes(bytes, bigEndian: true, out _);
        var taken = DateTimeOffset.FromUnixTimeMilliseconds((System.Buffers.Binary.BinaryPrimitives.ReadInt64BigEndian(bytes) >> 16) & 0xFFFFFFFFFFFF);
        return now - taken < options.DeliveryLease;
    }

    [LoggerMessage(EventId = 4101, Level = LogLevel.Warning, Message = "Outbox {OutboxId} is not delivered yet; the sweeper tries again.")]
    private partial void LogNotDelivered(Exception exception, Guid outboxId);

    [LoggerMessage(EventId = 4102, Level = LogLevel.Warning, Message = "The outbox sweeper failed, {Failures} times in a row.")]
    private partial void LogPassFailed(Exception exception, int failures);

    [LoggerMessage(EventId = 4103, Level = LogLevel.Information, Message = "Delivered {Count} messages left behind by message {MessageId}.")]
    private partial void LogSweptInbox(Guid messageId, int count);
}
