using ConcertSaga.Queue.Data;
using ConcertSaga.Shared.Hosting.Messaging;
using MassTransit.EntityFrameworkCoreIntegration;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;

namespace ConcertSaga.Queue.Domain;

/// <summary>What became of somebody who entered.</summary>
/// <param name="Room">The waiting room; null where the concert is unknown.</param>
/// <param name="Token">The place; null where the concert is unknown or its sale is over.</param>
/// <param name="IsNew">False where the person had the place before.</param>
internal sealed record Entered(QueueCounter? Room, QueueToken? Token, bool IsNew);

/// <summary>
/// Gives places, in order of arrival. Whoever enters while a transaction is under way waits for the next one, together with everybody else:
/// one transaction for all of them, whatever their concerts. It takes the room first and counts on from there, so two replicas give no
/// number twice, and none is left out.
/// </summary>
internal sealed class Entries : IAsyncDisposable
{
    private const int Tries = 4;

    private readonly IServiceScopeFactory _scopes;
    private readonly QueueOptions _options;
    private readonly QueueMetrics _metrics;
    private readonly TimeProvider _clock;
    private readonly Grouped<Entry> _waiting;
    private int _count;

    public Entries(IServiceScopeFactory scopes, IOptions<QueueOptions> options, QueueMetrics metrics, TimeProvider clock)
    {
        (_scopes, _options, _metrics, _clock) = (scopes, options.Value, metrics, clock);
        // More would let each of them wait longer without sparing much.
        _waiting = new Grouped<Entry>(WriteAsync, 1_000);
    }

    /// <summary>Waits until the place is written; null when too many wait already.</summary>
    public async Task<Entered?> EnterAsync(int concertId, string userId)
    {
        if (Interlocked.Increment(ref _count) > _options.MaxWaitingEntries)
        {
            Interlocked.Decrement(ref _count);
            return null;
        }
        try
        {
            var entry = new Entry(concertId, userId, new TaskCompletionSource<Entered>(TaskCreationOptions.RunContinuationsAsynchronously));
            return _waiting.Add(entry) ? await entry.Done.Task : null;
        }
        finally
        {
            Interlocked.Decrement(ref _count);
        }
    }

    public ValueTask DisposeAsync() => _waiting.DisposeAsync();

    private async Task WriteAsync(List<Entry> group)
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                await using var scope = _scopes.CreateAsyncScope();
                var entered = await WriteAsync(scope.ServiceProvider.GetRequiredService<QueueDbContext>(), group);
                foreach (var (entry, result) in group.Zip(entered))
                    entry.Done.TrySetResult(result);
                return;
            }
            catch (Exception exception) when (attempt < Tries && FailurePolicy.IsTransient(exception))
            {
                await Task.Delay(TimeSpan.FromMilliseconds(10 * (1 << attempt)));
            }
            catch (Exception exception)
            {
                foreach (var entry in group)
                    entry.Done.TrySetException(exception);
                return;
            }
        }
    }

    private async Task<Entered[]> WriteAsync(QueueDbContext database, List<Entry> group)
    {
        var entered = new Entered[group.Count];
        await using var transaction = await database.Database.BeginTransactionAsync();
        // In the order of the concerts, so that two replicas do not wait for each other in a circle.
        foreach (var ofConcert in group.Select((entry, index) => (entry, index)).GroupBy(item => item.entry.ConcertId).OrderBy(concert => concert.Key))
        {
            var room = await database.LockAsync(ofConcert.Key, CancellationToken.None);
            // Only now, because it may have waited for the lock.
            var now = _clock.GetUtcNow();
            if (room is null || room.SaleClosesAt <= now)
            {
                foreach (var (_, index) in ofConcert)
                    entered[index] = new Entered(room, null, false);
                continue;
            }
            var exp = ExpOf(room, now);
            string[] users = [.. ofConcert.Select(item => item.entry.UserId).Distinct(StringComparer.Ordinal)];
            var places = new Dictionary<string, QueueToken>(StringComparer.Ordinal);
            // SQL Server takes two thousand parameters.
            foreach (var some in users.Chunk(500))
            {
                foreach (var token in await KnownAsync(database, ofConcert.Key, some, exp, now))
                    places.Add(token.UserId, token);
            }

            var added = new List<QueueToken>();
            foreach (var (entry, index) in ofConcert)
            {
                var isNew = !places.TryGetValue(entry.UserId, out var token);
                if (token is null)
                {
                    places.Add(entry.UserId, token = new QueueToken
                    {
                        TokenId = Guid.CreateVersion7(now),
                        ConcertId = room.ConcertId,
                        UserId = entry.UserId,
                        Number = room.NextNumber++,
                        IssuedAt = now,
                        Exp = exp
                    });
                    added.Add(token);
                }
                entered[index] = new Entered(room, token, isNew);
            }
            if (added.Count > 0)
                await InsertAsync(database, added);
            await database.SaveChangesAsync();
            _metrics.Issued.Add(added.Count, QueueMetrics.Of(room.ConcertId));
        }
        await transaction.CommitAsync();
        return entered;
    }

    /// <summary>
    /// The places these people have. One whose offer or pass has ended has none any more, although its slot is not free yet. A waiting token
    /// that has not long to go is renewed.
    /// </summary>
    private async Task<List<QueueToken>> KnownAsync(QueueDbContext database, int concertId, string[] users, DateTimeOffset exp, DateTimeOffset now)
    {
        // By person alone, and the concert here: so there is one index that can answer, and people stand in few lines at a time.
        var live = database.Tokens.AsNoTracking().Where(token => users.Contains(token.UserId)).Live();
        var known = (await live.ToListAsync()).FindAll(token => token.ConcertId == concertId);
        if (known.Exists(IsOver))
        {
            await live.Where(token => token.ConcertId == concertId && ((token.Status == QueueTokenStatus.Offered && token.ClaimUntil <= now)
                    || (token.Status == QueueTokenStatus.Active && token.BookUntil <= now)))
                .ExecuteUpdateAsync(set => set.SetProperty(token => token.Status, QueueTokenStatus.Expired));
            known = (await live.ToListAsync()).FindAll(token => token.ConcertId == concertId);
        }
        var renewAt = now + (_options.PlaceLifetime / 2);
        if (known.Exists(EndsSoon))
        {
            await live.Where(token => token.ConcertId == concertId && token.Status != QueueTokenStatus.Active && token.Exp < renewAt && token.Exp < exp)
                .ExecuteUpdateAsync(set => set.SetProperty(token => token.Exp, exp));
            known = (await live.ToListAsync()).FindAll(token => token.ConcertId == concertId);
        }
        return known;

        bool IsOver(QueueToken token) => (token.Status == QueueTokenStatus.Offered && token.ClaimUntil <= now)
            || (token.Status == QueueTokenStatus.Active && token.BookUntil <= now);

        bool EndsSoon(QueueToken token) => token.Status != QueueTokenStatus.Active && token.Exp < renewAt && token.Exp < exp;
    }

    // Whole seconds, as tokens have them. No token of a closed sale is of use.
    private DateTimeOffset ExpOf(QueueCounter room, DateTimeOffset now)
    {
        var exp = now + _options.PlaceLifetime;
        return DateTimeOffset.FromUnixTimeSeconds((exp < room.SaleClosesAt ? exp : room.SaleClosesAt).ToUnixTimeSeconds());
    }

    // On PostgreSQL one statement whatever their number; through the change tracker each row costs several times as much.
    private static async Task InsertAsync(QueueDbContext database, List<QueueToken> tokens)
    {
        if (database is not PostgreSqlQueueDbContext)
        {
            database.AddRange(tokens);
            return;
        }
        var (first, ids) = (tokens[0], tokens.ConvertAll(token => token.TokenId).ToArray());
        var (users, numbers) = (tokens.ConvertAll(token => token.UserId).ToArray(), tokens.ConvertAll(token => token.Number).ToArray());
        await database.Database.ExecuteSqlAsync($"""
            INSERT INTO "QueueTokens" ("TokenId", "ConcertId", "UserId", "Number", "Status", "IssuedAt", "Exp")
            SELECT id, {first.ConcertId}, person, place, 'Waiting', {first.IssuedAt}, {first.Exp} FROM unnest({ids}, {users}, {numbers}) AS entered (id, person, place)
            """);
    }

    private sealed record Entry(int ConcertId, string UserId, TaskCompletionSource<Entered> Done);
}
