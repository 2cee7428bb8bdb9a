using System.Collections.Concurrent;
using System.Text.Json;
using ConcertSaga.Gateway.Caching;
using ConcertSaga.Gateway.Upstream;

namespace ConcertSaga.Gateway.Queue;

/// <summary>Finds the concert of a schedule. It never changes, so the lookup asks Seats once and caches the answer.</summary>
internal sealed class ConcertLookup(UpstreamClient upstream)
{
    private const int Capacity = 65_536;

    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(1);

    private readonly RecentCache<int, int> _known = new(Capacity);
    private readonly ConcurrentDictionary<int, Task<int?>> _pending = new();

    /// <summary>The concert of the schedule; null if there is no such schedule or Seats does not answer.</summary>
    public ValueTask<int?> FindAsync(int scheduleId) =>
        _known.TryGet(scheduleId, out var concertId) ? new(concertId) : new(_pending.GetOrAdd(scheduleId, FetchAsync));

    private async Task<int?> FetchAsync(int scheduleId)
    {
        // Adds the task to the dictionary before it can finish and remove itself.
        await Task.Yield();
        try
        {
            using var response = await upstream.GetAsync("seats", $"/internal/schedules/{scheduleId}", Timeout, CancellationToken.None);
            if (!response.IsSuccessStatusCode || await response.Content.ReadFromJsonAsync(QueueJson.Default.ScheduleConcert)
                is not { } schedule)
                return null;
            _known.Set(scheduleId, schedule.ConcertId);
            return schedule.ConcertId;
        }
        catch (Exception exception) when (exception is HttpRequestException or JsonException)
        {
            return null;
        }
        finally
        {
            _pending.TryRemove(scheduleId, out _);
        }
    }
}
