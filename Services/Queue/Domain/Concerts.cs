using System.Collections.Concurrent;
using System.Net;
using ConcertSaga.Contracts.Seats;
using ConcertSaga.Queue.Data;
using ConcertSaga.Shared.Hosting.Http;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;

namespace ConcertSaga.Queue.Domain;

/// <summary>
/// Keeps a waiting room for every concert, with its sale times. Seats tells of concerts by <see cref="ConcertPublished"/>; because a message
/// can be lost with its broker, they are also compared at start and every now and then, and one that somebody asks for is looked up.
/// </summary>
internal sealed partial class Concerts(
    IServiceScopeFactory scopes, IOptions<QueueOptions> options, IOptions<InnerWallOptions> wall, TimeProvider clock, ILogger<Concerts> logger)
    : BackgroundService
{
    private const int PageSize = 500;

    private static readonly TimeSpan RetryInterval = TimeSpan.FromSeconds(1);

    // Somebody who makes numbers up must not turn each into a call to Seats.
    private static readonly TimeSpan UnknownFor = TimeSpan.FromSeconds(5);
    private const int MostUnknown = 10_000;

    private readonly ConcurrentDictionary<int, (Lazy<Task<bool>> Answer, DateTimeOffset At)> _asked = new();
    private readonly HttpClient _http = new() { Timeout = TimeSpan.FromSeconds(10) };

    /// <summary>Asks Seats for a concert that is not known here.</summary>
    /// <returns>Whether there is one now.</returns>
    public Task<bool> LookUpAsync(int concertId)
    {
        var now = clock.GetUtcNow();
        if (_asked.Count >= MostUnknown)
            _asked.Clear();
        // Lazily, because of several askers each makes a question and only one is kept.
        var question = (new Lazy<Task<bool>>(() => AskAsync(concertId)), now);
        return _asked.AddOrUpdate(concertId, question, (_, before) => before.At + UnknownFor > now ? before : question).Answer.Value;
    }

    /// <summary>Takes the sale times over, and makes a room for a new concert.</summary>
    public async Task SaveAsync(IReadOnlyCollection<ConcertPublished> concerts, CancellationToken cancellationToken)
    {
        await using var scope = scopes.CreateAsyncScope();
        var database = scope.ServiceProvider.GetRequiredService<QueueDbContext>();
        foreach (var some in concerts.OrderBy(concert => concert.ConcertId).Chunk(PageSize))
        {
            var ids = some.Select(concert => concert.ConcertId).ToList();
            var known = await database.Counters.AsNoTracking().Where(room => ids.Contains(room.ConcertId)).ToDictionaryAsync(room => room.ConcertId, cancellationToken);
            foreach (var concert in some)
            {
                if (!known.TryGetValue(concert.ConcertId, out var room))
                    await AddAsync(database, concert, cancellationToken);
                else if (room.SaleOpensAt != Stored(concert.SaleOpensAt) || room.SaleClosesAt != Stored(concert.SaleClosesAt))
                    await ChangeAsync(database, concert, cancellationToken);
                database.ChangeTracker.Clear();
            }
        }
    }

    /// <summary>Compares all concerts with those of Seats.</summary>
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

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            for (var isLogged = false; ;)
            {
                var pause = options.Value.ConcertsInterval;
                try
                {
                    await ReconcileAsync(stoppingToken);
                    isLogged = false;
                }
                catch (Exception exception) when (!stoppingToken.IsCancellationRequested)
                {
                    // At the start of a system Seats may simply not be there yet.
                    if (!isLogged && options.Value.SeatsAddress is not null)
                        LogNotReconciled(exception.Message);
                    (pause, isLogged) = (RetryInterval, options.Value.SeatsAddress is not null);
                }
                await Task.Delay(pause, clock, stoppingToken);
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
        }
    }

    private async Task<bool> AskAsync(int concertId)
    {
        if (await GetAsync<ConcertPublished>($"/internal/concerts/{concertId}", CancellationToken.None) is not { } concert)
            return false;
        await SaveAsync([concert], CancellationToken.None);
        return true;
    }

    private async Task<T?> GetAsync<T>(string path, CancellationToken cancellationToken)
        where T : class
    {
        var address = options.Value.SeatsAddress ?? throw new HttpRequestException("Queue:SeatsAddress is not known yet.");
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(address, path));
        request.Headers.Add(InnerWall.SecretHeader, wall.Value.Secret);
        using var response = await _http.SendAsync(request, cancellationToken);
        if (response.StatusCode == HttpStatusCode.NotFound)
            return null;
        response.EnsureSuccessStatusCode();
        return await response.Content.ReadFromJsonAsync<T>(cancellationToken);
    }

    private async Task AddAsync(QueueDbContext database, ConcertPublished concert, CancellationToken cancellationToken)
    {
        var now = clock.GetUtcNow();
        database.Counters.Add(new QueueCounter
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
            // Another replica, or another message, was first; should that be anything else, the next round finds the concert missing.
        }
    }

    private async Task ChangeAsync(QueueDbContext database, ConcertPublished concert, CancellationToken cancellationToken)
    {
        await using var transaction = await database.Database.BeginTransactionAsync(cancellationToken);
        var room = (await database.LockAsync(concert.ConcertId, cancellationToken))!;
        (room.SaleOpensAt, room.SaleClosesAt) = (Stored(concert.SaleOpensAt), Stored(concert.SaleClosesAt));
        // A sale that was put forward is not to wait for the tick it was set back to.
        room.NextTickAt = clock.GetUtcNow();
        room.Advance(clock.GetUtcNow());
        await database.SaveChangesAsync(cancellationToken);
        await transaction.CommitAsync(cancellationToken);
    }

    // Databases keep different fractions of a second; whole ones are alike everywhere.
    private static DateTimeOffset Stored(DateTimeOffset instant) => DateTimeOffset.FromUnixTimeSeconds(instant.ToUnixTimeSeconds());

    [LoggerMessage(5005, LogLevel.Warning, "The concerts could not be compared with those of Seats; it is tried again every second: {Reason}")]
    private partial void LogNotReconciled(string reason);
}
