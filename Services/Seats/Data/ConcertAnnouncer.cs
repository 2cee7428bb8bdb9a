using ConcertSaga.Contracts.Seats;
using MassTransit;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Seats.Data;

/// <summary>
/// Publishes the concerts whose sale is not over at each start, because concerts come into the database before it: by the demo data or an
/// import. Queue, which is told, also compares them by itself every now and then, so a failure is only logged.
/// </summary>
internal sealed partial class ConcertAnnouncer(IServiceScopeFactory scopes, IBus bus, TimeProvider clock, ILogger<ConcertAnnouncer> logger) : BackgroundService
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
            .Select(concert => new ConcertPublished(concert.ConcertId, concert.SaleOpensAt, concert.SaleClosesAt))
            .Take(PageSize).ToListAsync(cancellationToken);
        foreach (var concert in page)
            await bus.Publish(concert, cancellationToken);
        return page.Count < PageSize ? null : page[^1].ConcertId;
    }

    [LoggerMessage(2002, LogLevel.Warning, "The concerts were not announced: {Reason}")]
    private partial void LogNotAnnounced(string reason);
}
