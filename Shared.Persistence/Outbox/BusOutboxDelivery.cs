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
    IServiceScopeFactory scopes, IBusControl bus, EntityFrameworkOutboxOptions<TDbContext> options, OutboxWriter<TDbContext> writer,
    TimeProvider clock, ILogger<BusOutboxDelivery<TDbContext>> logger) : BackgroundService, IHostedLifecycleService
    where TDbContext : DbContext
{
    private const int Workers = 16;

    private readonly DateTime _startedAt = clock.GetUtcNow().UtcDateTime;

    private long _sweptTo;

    private long _cleanedTo;

    private readonly Channel<(Guid OutboxId, OutboxMessage[] Messages)> _committed = Channel.CreateUnbounded<(Guid, OutboxMessage[])>();

    /// <summary>Takes the messages of a unit of work that has just been committed.</summary>
    public void Deliver(Guid outboxId, OutboxMessage[] messages)
    {
        if (options.BusOutboxDelivery)
            _committed.Writer.TryWrite((outboxId, messages));
    }

    public Task StartingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>The bus has ended too, so what it delivered last can be marked, and does not go out again at the next start.</summary>
    public Task StoppedAsync(CancellationToken cancellationToken) => writer.IdleAsync(cancellationToken);

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
                var sent = new List<OutboxMessage>(one.Messages.Length);
                await SendAsync(one.Messages, sent, isFirst: true, CancellationToken.None).ConfigureAwait(false);
                writer.Mark(Delivered.Of(one.Messages, sent, null, one.OutboxId));
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
        var more = await SweepMessagesAsync(database, stoppingToken).ConfigureAwait(false);
        return await CleanAsync(database, stoppingToken).ConfigureAwait(false) || more;
    }

    /// <summary>Messages of one unit of work: of an outbox, or of a consumed message and its consumer.</summary>
    private readonly record struct Unit(Guid? OutboxId, Guid? MessageId, Guid? ConsumerId)
    {
        public Unit(OutboxMessage message) : this(message.OutboxId, message.InboxMessageId, message.InboxConsumerId)
        {
        }
    }

    // What was left behind: by a process that ended, by a broker that was away, or by a consumer whose message the broker did not bring again
    // because its queue was purged or it was moved. Delayed messages are left behind on purpose.
    private async Task<bool> SweepMessagesAsync(TDbContext database, CancellationToken stoppingToken)
    {
        var now = clock.GetUtcNow();
        var (instant, before, after) = (now.UtcDateTime, (now - options.DeliveryLease).UtcDateTime, _sweptTo);
        var (outboxes, inboxes, all) = (database.Set<OutboxState>(), database.Set<InboxState>(), database.Set<OutboxMessage>().AsNoTracking());
        var candidates = OutboxBacklog<TDbContext>.Waiting(database, options, instant)
            .Where(row => row.SequenceNumber > after && (row.EnqueueTime != null || row.SentTime < before));
        if (!options.BusOutboxDelivery)
            candidates = candidates.Where(row => row.OutboxId == null);
        var found = await candidates.OrderBy(row => row.SequenceNumber).Take(options.QueryMessageLimit)
            .Select(row => new { row.SequenceNumber, row.OutboxId, row.InboxMessageId, row.InboxConsumerId, row.EnqueueTime }).ToListAsync(stoppingToken).ConfigureAwait(false);
        // The next look goes on behind these, so that messages nobody can deliver do not stand in the way of the others.
        _sweptTo = found.Count == options.QueryMessageLimit ? found[^1].SequenceNumber : 0;
        if (found.Count == 0)
            return false;

        var due = found.GroupBy(row => new Unit(row.OutboxId, row.InboxMessageId, row.InboxConsumerId)).ToDictionary(unit => unit.Key, unit => unit.Max(row => row.EnqueueTime));
        var outboxIds = due.Keys.Where(unit => unit.OutboxId is not null).Select(unit => unit.OutboxId!.Value).ToList();
        var messageIds = due.Keys.Where(unit => unit.MessageId is not null).Select(unit => unit.MessageId!.Value).Distinct().ToList();

        // Compare and swap: of two replicas that saw the same rows, one gets each.
        var freeOutboxes = (await outboxes.AsNoTracking().Where(state => outboxIds.Contains(state.OutboxId)).Select(state => new { state.OutboxId, state.LockId })
            .ToListAsync(stoppingToken).ConfigureAwait(false)).FindAll(state => !IsLeased(state.LockId, due[new Unit(state.OutboxId, null, null)], now));
        var freeInboxes = (await inboxes.AsNoTracking().Where(state => messageIds.Contains(state.MessageId)).Select(state => new { state.Id, state.MessageId, state.ConsumerId, state.LockId })
            .ToListAsync(stoppingToken).ConfigureAwait(false)).FindAll(state => due.TryGetValue(new Unit(null, state.MessageId, state.ConsumerId), out var at) && !IsLeased(state.LockId, at, now));
        var mine = Guid.CreateVersion7(now);
        outboxIds = freeOutboxes.ConvertAll(state => state.OutboxId);
        var outboxLocks = freeOutboxes.ConvertAll(state => state.LockId);
        var inboxIds = freeInboxes.ConvertAll(state => state.Id);
        var inboxLocks = freeInboxes.ConvertAll(state => state.LockId);
        if (outboxIds.Count + inboxIds.Count == 0)
            return _sweptTo > 0;
        await using (var transaction = await database.Database.BeginTransactionAsync(stoppingToken).ConfigureAwait(false))
        {
            if (outboxIds.Count > 0)
            {
                await outboxes.Where(state => outboxIds.Contains(state.OutboxId) && outboxLocks.Contains(state.LockId))
                    .ExecuteUpdateAsync(set => set.SetProperty(state => state.LockId, mine), stoppingToken).ConfigureAwait(false);
            }
            if (inboxIds.Count > 0)
            {
                await inboxes.Where(state => inboxIds.Contains(state.Id) && inboxLocks.Contains(state.LockId))
                    .ExecuteUpdateAsync(set => set.SetProperty(state => state.LockId, mine), stoppingToken).ConfigureAwait(false);
            }
            await transaction.CommitAsync(stoppingToken).ConfigureAwait(false);
        }

        var left = await all.Where(row => (outboxIds.Contains(row.OutboxId!.Value) && outboxes.Any(state => state.OutboxId == row.OutboxId && state.LockId == mine))
                || inboxes.Any(state => inboxIds.Contains(state.Id) && state.MessageId == row.InboxMessageId && state.ConsumerId == row.InboxConsumerId && state.LockId == mine))
            .OrderBy(row => row.SequenceNumber).ToListAsync(stoppingToken).ConfigureAwait(false);
        var inboxOf = freeInboxes.ToDictionary(state => new Unit(null, state.MessageId, state.ConsumerId), state => (long?)state.Id);
        foreach (var some in left.GroupBy(row => new Unit(row)).Chunk(Workers))
        {
            await Task.WhenAll(some.Select(async unit =>
            {
                OutboxMessage[] messages = [.. unit];
                var sent = await HaveLeftAsync(unit.Key.OutboxId ?? unit.Key.MessageId!.Value, messages, stoppingToken).ConfigureAwait(false);
                if (sent.Count == 0 && messages.Length > 0)
                    return;
                writer.Mark(Delivered.Of(messages, sent, inboxOf.GetValueOrDefault(unit.Key), unit.Key.OutboxId));
                LogSwept(unit.Key.OutboxId ?? unit.Key.MessageId!.Value, sent.Count);
            })).ConfigureAwait(false);
        }
        return _sweptTo > 0;
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
            var (before, after) = (now - (options.DuplicateDetectionWindow > options.DeliveredRetention ? options.DuplicateDetectionWindow : options.DeliveredRetention), _cleanedTo);
            // Keys grow with time, so the oldest rows are the first ones. One with messages left stays: without it nobody could deliver them.
            var oldest = await database.Set<InboxState>().Where(row => row.Id > after).OrderBy(row => row.Id).Take(batch).Where(row => row.Received < before)
                .Select(row => new
                {
                    row.Id,
                    HasMessages = database.Set<OutboxMessage>().Any(message => message.InboxMessageId == row.MessageId && message.InboxConsumerId == row.ConsumerId)
                }).ToListAsync(stoppingToken).ConfigureAwait(false);
            var old = oldest.FindAll(row => !row.HasMessages).ConvertAll(row => row.Id);
            _cleanedTo = oldest.Count == batch ? oldest[^1].Id : 0;
            more |= oldest.Count == batch;
            if (old.Count > 0)
            {
                await using var transaction = await database.Database.BeginTransactionAsync(stoppingToken).ConfigureAwait(false);
                await database.Set<InboxState>().Where(row => old.Contains(row.Id)).ExecuteDeleteAsync(stoppingToken).ConfigureAwait(false);
                await transaction.CommitAsync(stoppingToken).ConfigureAwait(false);
            }
        }
        return more;
    }

    // What cannot be sent although the bus is healthy does not stand in the way of the rest; its lease keeps it from being tried at once. What
    // was sent before it, or before the lease ended, is not sent again.
    private async Task<List<OutboxMessage>> HaveLeftAsync(Guid unitOfWork, OutboxMessage[] messages, CancellationToken stoppingToken)
    {
        var sent = new List<OutboxMessage>(messages.Length);
        try
        {
            await SendAsync(messages, sent, isFirst: false, stoppingToken).ConfigureAwait(false);
        }
        catch (Exception exception) when (!stoppingToken.IsCancellationRequested && IsBusHealthy())
        {
            LogNotDelivered(exception, unitOfWork);
        }
        return sent;
    }

    // The limit is one message's: a long unit of work may take longer than a lease, as long as it gets on.
    private async Task SendAsync(OutboxMessage[] messages, List<OutboxMessage> sent, bool isFirst, CancellationToken stoppingToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(stoppingToken);
        foreach (var message in messages)
        {
            limit.CancelAfter(options.DeliveryLease);
            await OutboxMessages.SendAsync([message], sent, bus, clock.GetUtcNow().UtcDateTime, isFirst, limit.Token).ConfigureAwait(false);
        }
    }

    // The first 48 bits of a version-7 id are the milliseconds since 1970 at which the row was taken.
    private bool IsLeased(Guid lockId, DateTime? due, DateTimeOffset now)
    {
        Span<byte> bytes = stackalloc byte[16];
        lockId.TryWriteBytes(bytes, bigEndian: true, out _);
        var taken = DateTimeOffset.FromUnixTimeMilliseconds((System.Buffers.Binary.BinaryPrimitives.ReadInt64BigEndian(bytes) >> 16) & 0xFFFFFFFFFFFF);
        // Who took it before a delayed message was due did not deliver that one.
        return now - taken < options.DeliveryLease && !(taken.UtcDateTime < due);
    }

    [LoggerMessage(EventId = 4101, Level = LogLevel.Warning, Message = "What {UnitOfWork} sent is not delivered yet; the sweeper tries again.")]
    private partial void LogNotDelivered(Exception exception, Guid unitOfWork);

    [LoggerMessage(EventId = 4102, Level = LogLevel.Warning, Message = "The outbox sweeper failed, {Failures} times in a row.")]
    private partial void LogPassFailed(Exception exception, int failures);

    [LoggerMessage(EventId = 4103, Level = LogLevel.Information, Message = "Delivered {Count} messages left behind by {UnitOfWork}.")]
    private partial void LogSwept(Guid unitOfWork, int count);
}
