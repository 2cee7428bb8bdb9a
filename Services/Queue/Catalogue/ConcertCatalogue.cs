using System.Collections.Concurrent;
using System.Text.Json;
using ConcertSaga.Contracts.Seats;
using ConcertSaga.Queue.Data;
using ConcertSaga.Queue.Rooms;
using ConcertSaga.Shared.Hosting.Background;
using ConcertSaga.Shared.Hosting.Http;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;

namespace ConcertSaga.Queue.Catalogue;

/// <summary>
/// Keeps a waiting room for every concert, with its sale times, and which of them are sold out. Seats announces concerts with
/// <see cref="ConcertPublished"/>. To make up for lost messages, it also compares all concerts with Seats periodically, and looks up
/// unknown ones on demand.
/// </summary>
internal sealed class ConcertCatalogue(
    IServiceScopeFactory scopes, SoldOutConcerts soldOut, IOptions<QueueOptions> options, IOptions<InnerWallOptions> wall,
    TimeProvider clock, ILogger<ConcertCatalogue> logger)
    : PeriodicReader(
        "Comparing the concerts with those of Seats", options.Value.ConcertsInterval, () => options.Value.SeatsAddress, clock, logger)
{
    private const int PageSize = 500;

    // Cached, so made-up ids cannot flood Seats.
    private static readonly TimeSpan LookUpLifetime = TimeSpan.FromSeconds(5);
    private const int MaxLookUps = 10_000;

    private const int MaxQuestions = 5;

    private readonly ConcurrentDictionary<int, (Lazy<Task<bool>> Answer, long At)> _lookUps = new();
    private readonly HttpClient _http = new() { Timeout = TimeSpan.FromSeconds(10) };

    /// <summary>Looks up an unknown concert at Seats.</summary>
    /// <returns>Whether the concert exists.</returns>
    public Task<bool> LookUpAsync(int concertId)
    {
        var now = Clock.GetTimestamp();
        if (_lookUps.Count >= MaxLookUps)
            _lookUps.Clear();
        // Lazy, because concurrent callers each create a look-up and only one of them is kept.
        var lookUp = (new Lazy<Task<bool>>(() => FetchAsync(concertId)), now);
        return _lookUps.AddOrUpdate(
            concertId, lookUp, (_, before) => Clock.GetElapsedTime(before.At, now) < LookUpLifetime ? before : lookUp).Answer.Value;
    }

    /// <summary>
    /// Handles a message about a concert. Messages can overtake each other, so before a known room changes, Seats is asked for the sale
    /// times that count, and asked again after the change. If Seats does not answer, the message counts until the next comparison.
    /// </summary>
    public async Task HearAsync(ConcertPublished message, CancellationToken cancellationToken)
    {
        if (!await ChangesKnownRoomAsync(message, cancellationToken))
        {
            await SaveAsync([message], cancellationToken);
            return;
        }
        for (var question = 0; question < MaxQuestions; question++)
        {
            var answer = await AskAsync(message.ConcertId, cancellationToken);
            if (!await SaveAsync([answer ?? message], cancellationToken) || answer is null)
                return;
        }
    }

    /// <summary>Creates the rooms of new concerts, and updates the sale times of known ones.</summary>
    /// <returns>Whether the times of a known room have changed.</returns>
    public async Task<bool> SaveAsync(IReadOnlyCollection<ConcertPublished> concerts, CancellationToken cancellationToken)
    {
        var hasChanged = false;
        await using var scope = scopes.CreateAsyncScope();
        var database = scope.ServiceProvider.GetRequiredService<QueueDbContext>();
        foreach (var page in concerts.OrderBy(concert => concert.ConcertId).Chunk(PageSize))
        {
            var ids = page.Select(concert => concert.ConcertId).ToList();
            var known = await database.Rooms.AsNoTracking().Where(room => ids.Contains(room.ConcertId))
                .ToDictionaryAsync(room => room.ConcertId, cancellationToken);
            foreach (var concert in page)
            {
                soldOut.Record(concert.ConcertId, concert.SoldOut);
                if (!known.TryGetValue(concert.ConcertId, out var room))
                    await AddAsync(database, concert, cancellationToken);
                else if (Differs(room, concert))
                {
                    await ChangeAsync(database, concert, cancellationToken);
                    hasChanged = true;
                }
                database.ChangeTracker.Clear();
            }
        }
        return hasChanged;
    }

    /// <summary>Compares all concerts with Seats.</summary>
    public async Task ReconcileAsync(CancellationToken cancellationToken)
    {
        for (var after = int.MinValue; ;)
        {
            var page = await GetAsync<ConcertPublished[]>($"/internal/concerts?limit={PageSize}&after={after}", cancellationToken) ?? [];
            await SaveAsync(page, cancellationToken);
            if (page.Length < PageSize)
                return;
            after = page[^1].ConcertId;
        }
    }

    public override void Dispose()
    {
        base.Dispose();
        _http.Dispose();
    }

    protected override Task ReadAsync(CancellationToken cancellationToken) => ReconcileAsync(cancellationToken);

    private async Task<bool> FetchAsync(int concertId)
    {
        if (await ReadConcertAsync(concertId, CancellationToken.None) is not { } concert)
            return false;
        await SaveAsync([concert], CancellationToken.None);
        return true;
    }

    private async Task<bool> ChangesKnownRoomAsync(ConcertPublished message, CancellationToken cancellationToken)
    {
        await using var scope = scopes.CreateAsyncScope();
        return await scope.ServiceProvider.GetRequiredService<QueueDbContext>().Rooms.AsNoTracking()
            .SingleOrDefaultAsync(room => room.ConcertId == message.ConcertId, cancellationToken) is { } room && Differs(room, message);
    }

    private async Task<ConcertPublished?> AskAsync(int concertId, CancellationToken cancellationToken)
    {
        try
        {
            return await ReadConcertAsync(concertId, cancellationToken);
        }
        catch (Exception exception) when (exception is HttpRequestException or JsonException
            || (exception is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            return null;
        }
    }

    private Task<ConcertPublished?> ReadConcertAsync(int concertId, CancellationToken cancellationToken) =>
        GetAsync<ConcertPublished>($"/internal/concerts/{concertId}", cancellationToken);

    private Task<T?> GetAsync<T>(string path, CancellationToken cancellationToken)
        where T : class =>
        _http.GetInnerAsync<T>(Address, path, wall.Value.Secret, cancellationToken);

    private async Task AddAsync(QueueDbContext database, ConcertPublished concert, CancellationToken cancellationToken)
    {
        var now = Clock.GetUtcNow();
        database.Rooms.Add(new WaitingRoom
        {
            ConcertId = concert.ConcertId,
            SaleOpensAt = Stored(concert.SaleOpensAt),
            SaleClosesAt = Stored(concert.SaleClosesAt),
            NextTickAt = now,
            ChangedAt = now
        });
        try
        {
            await database.SaveChangesAsync(cancellationToken);
        }
        catch (DbUpdateException) when (!cancellationToken.IsCancellationRequested)
        {
            // Another replica or message was first. After any other failure, the next round finds the concert missing.
        }
    }

    private async Task ChangeAsync(QueueDbContext database, ConcertPublished concert, CancellationToken cancellationToken)
    {
        await using var transaction = await database.Database.BeginTransactionAsync(cancellationToken);
        var room = (await database.LockAsync(concert.ConcertId, cancellationToken))!;
        room.SaleOpensAt = Stored(concert.SaleOpensAt);
        room.SaleClosesAt = Stored(concert.SaleClosesAt);
        // The next tick may be at the old opening time, which a sale that now opens earlier must not wait for.
        room.NextTickAt = Clock.GetUtcNow();
        room.Advance(Clock.GetUtcNow());
        await database.SaveChangesAsync(cancellationToken);
        await transaction.CommitAsync(cancellationToken);
    }

    private static bool Differs(WaitingRoom room, ConcertPublished concert) =>
        room.SaleOpensAt != Stored(concert.SaleOpensAt) || room.SaleClosesAt != Stored(concert.SaleClosesAt);

    // Servers store different fractions of a second, so only whole seconds compare reliably.
    private static DateTimeOffset Stored(DateTimeOffset instant) => DateTimeOffset.FromUnixTimeSeconds(instant.ToUnixTimeSeconds());
}
