using System.Globalization;
using ConcertSaga.Contracts.Reservations;
using ConcertSaga.DataPlatform.Data;
using ConcertSaga.Shared.Hosting.Http;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;

namespace ConcertSaga.DataPlatform.Domain;

/// <summary>
/// Compares the deliveries with what the orchestrator has decided, and makes those that are missing. Each round begins a while before the newest
/// change that was seen, which is kept in the table: after a day without a relay, and without the messages of that day, nothing is missing.
/// A relay with an empty database begins with the first reservation there ever was.
/// </summary>
internal sealed partial class Reconciliation(
    IServiceScopeFactory scopes, IOptions<DataPlatformOptions> options, IOptions<InnerWallOptions> wall, Intake intake, RelayMetrics metrics,
    TimeProvider clock, ILogger<Reconciliation> logger) : BackgroundService
{
    private const int PageSize = 500;

    private static readonly TimeSpan RetryInterval = TimeSpan.FromSeconds(1);

    private readonly HttpClient _http = new() { Timeout = TimeSpan.FromSeconds(30) };

    /// <returns>How many deliveries were missing.</returns>
    public async Task<int> ReconcileAsync(CancellationToken cancellationToken)
    {
        var (seen, missing) = (await SeenToAsync(cancellationToken), 0);
        // An orchestrator whose clock is ahead must not let the others' changes be passed by.
        var since = seen is { } to ? (to < clock.GetUtcNow() ? to : clock.GetUtcNow()) - options.Value.ReconciliationOverlap : (DateTimeOffset?)null;
        string? after = null;
        do
        {
            var page = await GetAsync(since, after, cancellationToken);
            missing += await AddMissingAsync(page.Items, cancellationToken);
            // Page by page, so that a long first round that breaks off goes on where it was.
            if (page.Items is [.., var last] && (seen is null || last.UpdatedAt > seen))
                await SaveAsync((seen = last.UpdatedAt).Value, cancellationToken);
            after = page.Next;
        }
        while (after is not null);
        return missing;
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
                var pause = options.Value.ReconciliationInterval;
                try
                {
                    if (await ReconcileAsync(stoppingToken) is var missing and > 0)
                        LogMissed(missing);
                    isLogged = false;
                }
                catch (Exception exception) when (!stoppingToken.IsCancellationRequested)
                {
                    // At the start of a system the orchestrator may simply not be there yet.
                    var isKnown = options.Value.OrchestratorAddress is not null;
                    if (!isLogged && isKnown)
                        LogNotReconciled(exception.Message);
                    (pause, isLogged) = (RetryInterval, isKnown);
                }
                await Task.Delay(pause, clock, stoppingToken);
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
        }
    }

    private async Task<int> AddMissingAsync(ReservationOutcome[] outcomes, CancellationToken cancellationToken)
    {
        var events = outcomes.SelectMany(PlatformEvent.Of).ToList();
        if (events.Count == 0)
            return 0;
        // Nearly always all of them are there, and looking is cheaper than inserting.
        var ids = events.ConvertAll(one => one.DeliveryId);
        await using var scope = scopes.CreateAsyncScope();
        var database = scope.ServiceProvider.GetRequiredService<DataPlatformDbContext>();
        var known = (await database.Deliveries.Where(delivery => ids.Contains(delivery.DeliveryId)).Select(delivery => delivery.DeliveryId)
            .ToListAsync(cancellationToken)).ToHashSet();
        var missing = events.FindAll(one => !known.Contains(one.DeliveryId));
        if (missing.Count == 0)
            return 0;
        var added = await intake.AddAsync(missing, cancellationToken);
        metrics.Missed.Add(added);
        return added;
    }

    private async Task<DateTimeOffset?> SeenToAsync(CancellationToken cancellationToken)
    {
        await using var scope = scopes.CreateAsyncScope();
        return await scope.ServiceProvider.GetRequiredService<DataPlatformDbContext>().Destinations
            .Where(one => one.Name == Destination.Platform).Select(one => one.ReconciledTo).SingleAsync(cancellationToken);
    }

    // Replicas compare side by side; the mark only goes forward.
    private Task<int> SaveAsync(DateTimeOffset to, CancellationToken cancellationToken) => scopes.WithTransactionAsync(database =>
        database.Destinations.Where(one => one.Name == Destination.Platform && (one.ReconciledTo == null || one.ReconciledTo < to))
            .ExecuteUpdateAsync(set => set.SetProperty(one => one.ReconciledTo, to), cancellationToken));

    private async Task<ReservationOutcomes> GetAsync(DateTimeOffset? since, string? after, CancellationToken cancellationToken)
    {
        var address = options.Value.OrchestratorAddress ?? throw new HttpRequestException("DataPlatform:OrchestratorAddress is not known yet.");
        var query = string.Create(CultureInfo.InvariantCulture, $"/internal/outcomes?limit={PageSize}");
        if (since is { } from)
            query += $"&since={from.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.FFFFFFF'Z'", CultureInfo.InvariantCulture)}";
        if (after is not null)
            query += $"&after={Uri.EscapeDataString(after)}";
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(address, query));
        request.Headers.Add(InnerWall.SecretHeader, wall.Value.Secret);
        using var response = await _http.SendAsync(request, cancellationToken);
        response.EnsureSuccessStatusCode();
        return await response.Content.ReadFromJsonAsync<ReservationOutcomes>(cancellationToken) ?? throw new HttpRequestException("The orchestrator's answer was empty.");
    }

    [LoggerMessage(6009, LogLevel.Warning, "The deliveries could not be compared with the orchestrator's outcomes; it is tried again every second: {Reason}")]
    private partial void LogNotReconciled(string reason);

    [LoggerMessage(6010, LogLevel.Warning, "{Count} deliveries were missing, and are made from the orchestrator's outcomes.")]
    private partial void LogMissed(int count);
}
