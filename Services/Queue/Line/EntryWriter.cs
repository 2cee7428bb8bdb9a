using ConcertSaga.Queue.Data;
using ConcertSaga.Queue.Rooms;
using ConcertSaga.Shared.Concurrency;
using ConcertSaga.Shared.Hosting.Failures;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;

namespace ConcertSaga.Queue.Line;

/// <summary>The outcome of an attempt to enter.</summary>
/// <param name="Room">The waiting room; null if the concert is unknown.</param>
/// <param name="Entry">The entry; null if the concert is unknown, its sale is over, or the customer has entered too often.</param>
/// <param name="IsNew">False if the customer had the entry before.</param>
/// <param name="RetryAfter">Set if the customer has recently entered and ended too many entries.</param>
internal sealed record EntryResult(WaitingRoom? Room, QueueEntry? Entry, bool IsNew, TimeSpan? RetryAfter = null);

/// <summary>
/// Writes new queue entries in order of arrival. Customers who enter during a transaction share the next one, for all concerts. Each
/// transaction locks the room first, so concurrent replicas issue no number twice and skip none.
/// </summary>
internal sealed class EntryWriter : IAsyncDisposable
{
    private const int MaxAttempts = 4;

    // A larger group would take longer and save hardly anything.
    private const int MaxGroup = 1_000;

    // SQL Server allows 2,100 parameters in a statement.
    private const int MaxUsersPerStatement = 500;

    private readonly IServiceScopeFactory _scopes;
    private readonly QueueOptions _options;
    private readonly QueueMetrics _metrics;
    private readonly TimeProvider _clock;
    private readonly Batcher<PendingEntry> _waiting;
    private int _count;

    public EntryWriter(IServiceScopeFactory scopes, IOptions<QueueOptions> options, QueueMetrics metrics, TimeProvider clock)
    {
        _scopes = scopes;
        _options = options.Value;
        _metrics = metrics;
        _clock = clock;
        _waiting = new Batcher<PendingEntry>(WriteGroupAsync, MaxGroup);
    }

    /// <summary>Returns when the entry is committed; null if too many entries already wait.</summary>
    public async Task<EntryResult?> EnterAsync(int concertId, string userId)
    {
        if (Interlocked.Increment(ref _count) > _options.MaxWaitingEntries)
        {
            Interlocked.Decrement(ref _count);
            return null;
        }
        try
        {
            var pending = new PendingEntry(
                concertId, userId, new TaskCompletionSource<EntryResult>(TaskCreationOptions.RunContinuationsAsynchronously));
            return _waiting.Add(pending) ? await pending.Done.Task : null;
        }
        finally
        {
            Interlocked.Decrement(ref _count);
        }
    }

    public ValueTask DisposeAsync() => _waiting.DisposeAsync();

    private async Task WriteGroupAsync(List<PendingEntry> group)
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                await using var scope = _scopes.CreateAsyncScope();
                var results = await WriteAsync(scope.ServiceProvider.GetRequiredService<QueueDbContext>(),
                    group.ConvertAll(pending => (pending.ConcertId, pending.UserId)));
                foreach (var (pending, result) in group.Zip(results))
                    pending.Done.TrySetResult(result);
                return;
            }
            catch (Exception exception) when (attempt < MaxAttempts && FailurePolicy.IsTransient(exception))
            {
                await Task.Delay(TimeSpan.FromMilliseconds(10 * (1 << attempt)));
            }
            catch (Exception exception)
            {
                foreach (var pending in group)
                    pending.Done.TrySetException(exception);
                return;
            }
        }
    }

    /// <summary>Writes the entries of one group, in the order of their arrival, in one transaction.</summary>
    internal async Task<EntryResult[]> WriteAsync(QueueDbContext database, List<(int ConcertId, string UserId)> group)
    {
        var results = new EntryResult[group.Count];
        await using var transaction = await database.Database.BeginTransactionAsync();
        // All replicas lock rooms in the same order, so they cannot deadlock.
        foreach (var ofRoom in group.Select((arrival, index) => (arrival.UserId, index, arrival.ConcertId)).GroupBy(item => item.ConcertId)
            .OrderBy(concert => concert.Key))
            await WriteRoomAsync(database, ofRoom.Key, [.. ofRoom.Select(item => (item.UserId, item.index))], results);
        await transaction.CommitAsync();
        return results;
    }

    private async Task WriteRoomAsync(
        QueueDbContext database, int concertId, List<(string UserId, int Index)> arrivals, EntryResult[] results)
    {
        var room = await database.LockAsync(concertId, CancellationToken.None);
        // Read after the lock, which may have taken a while.
        var now = _clock.GetUtcNow();
        if (room is null || room.SaleClosesAt <= now)
        {
            foreach (var (_, index) in arrivals)
                results[index] = new EntryResult(room, null, false);
            return;
        }
        var exp = ExpOf(room, now);
        var entries = new Dictionary<string, QueueEntry>(StringComparer.Ordinal);
        var waits = new Dictionary<string, TimeSpan>(StringComparer.Ordinal);
        foreach (var users in arrivals.Select(arrival => arrival.UserId).Distinct(StringComparer.Ordinal).Chunk(MaxUsersPerStatement))
        {
            foreach (var entry in await FindLiveAsync(database, concertId, users, exp, now))
                entries.Add(entry.UserId, entry);
            await FindWaitsAsync(database, concertId, [.. users.Where(user => !entries.ContainsKey(user))], waits, now);
        }

        var added = new List<QueueEntry>();
        foreach (var (userId, index) in arrivals)
        {
            var isNew = !entries.TryGetValue(userId, out var entry);
            if (isNew && waits.TryGetValue(userId, out var wait))
            {
                results[index] = new EntryResult(room, null, false, wait);
                _metrics.Limited.Add(1, QueueMetrics.Of(concertId));
                continue;
            }
            if (entry is null)
            {
                entry = Create(room, userId, exp, now);
                entries.Add(userId, entry);
                added.Add(entry);
            }
            results[index] = new EntryResult(room, entry, isNew);
        }
        if (added.Count > 0)
            await EntryInsert.InsertAsync(database, added);
        await database.SaveChangesAsync();
        _metrics.Issued.Add(added.Count, QueueMetrics.Of(concertId));
    }

    private static QueueEntry Create(WaitingRoom room, string userId, DateTimeOffset exp, DateTimeOffset now) => new()
    {
        TokenId = Guid.CreateVersion7(now),
        ConcertId = room.ConcertId,
        UserId = userId,
        Number = room.NextNumber++,
        IssuedAt = now,
        Exp = exp
    };

    /// <summary>
    /// Finds the live entries of these customers. It ends entries whose offer or pass is over, although their slots are still taken, and
    /// renews waiting tokens that expire soon.
    /// </summary>
    private async Task<List<QueueEntry>> FindLiveAsync(
        QueueDbContext database, int concertId, string[] users, DateTimeOffset exp, DateTimeOffset now)
    {
        // The statement filters by customer only, so that a single index qualifies. A customer is in few lines at a time, so the concert
        // is filtered here.
        var live = database.Entries.AsNoTracking().Where(entry => users.Contains(entry.UserId)).Live();
        var known = (await live.ToListAsync()).FindAll(entry => entry.ConcertId == concertId);
        if (known.Exists(IsOver))
        {
            await live.Where(entry => entry.ConcertId == concertId && ((entry.Status == QueueEntryStatus.Offered && entry.ClaimUntil <= now)
                    || (entry.Status == QueueEntryStatus.Active && entry.BookUntil <= now)))
                .ExecuteUpdateAsync(set => set.SetProperty(entry => entry.Status, QueueEntryStatus.Expired));
            known = (await live.ToListAsync()).FindAll(entry => entry.ConcertId == concertId);
        }
        var renewAt = now + (_options.PlaceLifetime / 2);
        if (known.Exists(EndsSoon))
        {
            await live.Where(entry => entry.ConcertId == concertId && entry.Status != QueueEntryStatus.Active && entry.Exp < renewAt
                && entry.Exp < exp)
                .ExecuteUpdateAsync(set => set.SetProperty(entry => entry.Exp, exp));
            known = (await live.ToListAsync()).FindAll(entry => entry.ConcertId == concertId);
        }
        return known;

        bool IsOver(QueueEntry entry) => (entry.Status == QueueEntryStatus.Offered && entry.ClaimUntil <= now)
            || (entry.Status == QueueEntryStatus.Active && entry.BookUntil <= now);

        bool EndsSoon(QueueEntry entry) => entry.Status != QueueEntryStatus.Active && entry.Exp < renewAt && entry.Exp < exp;
    }

    private static async Task FindWaitsAsync(
        QueueDbContext database, int concertId, string[] users, Dictionary<string, TimeSpan> waits, DateTimeOffset now)
    {
        if (users.Length == 0)
            return;
        var oldest = EntryLimit.OldestAt(now);
        var ended = await database.Entries.Where(entry => users.Contains(entry.UserId) && entry.ConcertId == concertId
            && entry.IssuedAt > oldest)
            .Unused().Select(entry => new { entry.UserId, entry.IssuedAt }).ToListAsync();
        foreach (var ofUser in ended.GroupBy(entry => entry.UserId, StringComparer.Ordinal))
        {
            if (EntryLimit.WaitOf([.. ofUser.Select(entry => entry.IssuedAt)], now) is { } wait)
                waits.Add(ofUser.Key, wait);
        }
    }

    // Tokens carry whole seconds. A token is useless after the sale.
    private DateTimeOffset ExpOf(WaitingRoom room, DateTimeOffset now)
    {
        var exp = now + _options.PlaceLifetime;
        return DateTimeOffset.FromUnixTimeSeconds((exp < room.SaleClosesAt ? exp : room.SaleClosesAt).ToUnixTimeSeconds());
    }

    private sealed record PendingEntry(int ConcertId, string UserId, TaskCompletionSource<EntryResult> Done);
}
