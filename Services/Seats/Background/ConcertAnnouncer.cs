using ConcertSaga.Contracts.Seats;
using ConcertSaga.Seats.Data;
using MassTransit;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Seats.Background;

/// <summary>
/// Publishes every concert whose sale is not over, once per process start: imports and demo data add concerts while the service is down.
/// A failure is only logged, because Queue also reads the concerts periodically.
/// </summary>
internal sealed partial class ConcertAnnouncer(IServiceScopeFactory scopes, IBus bus, TimeProvider clock, ILogger<ConcertAnnouncer> logger)
    : BackgroundService
{
    private const int PageSize = 500;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            var now = clock.GetUtcNow();
            for (int? after = int.MinValue; after is not null;)
                after = await AnnounceAsync(after.Value, now, stoppingToken);
        }
        catch (Exception exception)
        {
            if (!stoppingToken.IsCancellationRequested)
                LogNotAnnounced(exception.Message);
        }
    }

    private async Task<int?> AnnounceAsync(int after, DateTimeOffset now, CancellationToken cancellationToken)
    {
        await using var scope = scopes.CreateAsyncScope();
        var page = await scope.ServiceProvider.GetRequiredService<SeatsDbContext>().Concerts
            .Where(concert => concert.ConcertId > after && concert.SaleClosesAt > now).OrderBy(concert => concert.ConcertId)
            .Select(concert => new ConcertPublished(concert.ConcertId, concert.SaleOpensAt, concert.SaleClosesAt, null))
            .Take(PageSize).ToListAsync(cancellationToken);
        foreach (var concert in page)
            await bus.Publish(concert, cancellationToken);
        return page.Count < PageSize ? null : page[^1].ConcertId;
    }

    [LoggerMessage(2002, LogLevel.Warning, "Announcing the concerts failed: {Reason}")]
    private partial void LogNotAnnounced(string reason);
}
