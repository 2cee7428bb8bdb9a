using System.Globalization;
using ConcertSaga.Contracts.Reservations;

namespace ConcertSaga.Shared.Hosting.Http;

/// <summary>
/// Reads the orchestrator's outcomes since a mark, page by page. This list is complete, even if messages were lost. Each round begins
/// before the mark, because an outcome can become visible some time after its instant.
/// </summary>
/// <param name="secret">The gateway's secret.</param>
/// <param name="clock">The latest instant a mark can have.</param>
public sealed class OutcomeReader(string secret, TimeProvider clock) : IDisposable
{
    private const int PageSize = 500;

    private readonly HttpClient _http = new() { Timeout = TimeSpan.FromSeconds(30) };

    /// <summary>Reads one round.</summary>
    /// <param name="address">The address of the orchestrator.</param>
    /// <param name="mark">The newest change read so far; null reads all outcomes.</param>
    /// <param name="overlap">The time before the mark at which the round begins.</param>
    /// <param name="takePage">Handles the outcomes of one page.</param>
    /// <param name="saveMark">
    /// Saves a newer mark after each page, so an interrupted round continues there. It also replaces a mark that lies in the future.
    /// </param>
    /// <param name="cancellationToken">Stops the round.</param>
    public async Task ReadAsync(
        Uri address, DateTimeOffset? mark, TimeSpan overlap, Func<ReservationOutcome[], Task> takePage, Func<DateTimeOffset, Task> saveMark,
        CancellationToken cancellationToken)
    {
        // If one replica of the orchestrator had a fast clock, a mark in the future would skip the changes of the others.
        if (mark is { } saved && Earlier(saved) is var now && now < saved)
            await saveMark((mark = now).Value);
        var since = mark is { } newestRead ? newestRead - overlap : (DateTimeOffset?)null;
        string? after = null;
        do
        {
            var page = await GetAsync(address, since, after, cancellationToken);
            await takePage(page.Items);
            if (page.Items is [.., var last] && Earlier(last.UpdatedAt) is var newest && (mark is null || newest > mark))
                await saveMark((mark = newest).Value);
            after = page.Next;
        }
        while (after is not null);
    }

    /// <inheritdoc />
    public void Dispose() => _http.Dispose();

    private DateTimeOffset Earlier(DateTimeOffset instant) => clock.GetUtcNow() is var now && instant < now ? instant : now;

    private async Task<ReservationOutcomes> GetAsync(Uri address, DateTimeOffset? since, string? after, CancellationToken cancellationToken)
    {
        var query = string.Create(CultureInfo.InvariantCulture, $"/internal/outcomes?limit={PageSize}");
        if (since is { } from)
            query += $"&since={from.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.FFFFFFF'Z'", CultureInfo.InvariantCulture)}";
        if (after is not null)
            query += $"&after={Uri.EscapeDataString(after)}";
        return await _http.GetInnerAsync<ReservationOutcomes>(address, query, secret, cancellationToken)
            ?? throw new HttpRequestException("The orchestrator returned no outcomes.");
    }
}
