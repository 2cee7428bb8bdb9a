using System.Collections.Concurrent;
using System.Text.Json;
using ConcertSaga.Gateway.Proxy;

namespace ConcertSaga.Gateway.Seats;

/// <summary>Which concert a date belongs to, which never changes; asked of Seats once.</summary>
internal sealed class ScheduleConcerts(InnerClient inner)
{
    private const int Cached = 65_536;

    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(1);

    private readonly RecentCache<int, int> _known = new(Cached);
    private readonly ConcurrentDictionary<int, Task<int?>> _asking = new();

    /// <summary>Null when there is no such date, or when Seats does not say.</summary>
    public ValueTask<int?> FindAsync(int scheduleId) =>
        _known.TryGet(scheduleId, out var concertId) ? new(concertId) : new(_asking.GetOrAdd(scheduleId, AskAsync));

    private async Task<int?> AskAsync(int scheduleId)
    {
        // Registered before it can end.
        await Task.Yield();
        try
        {
            using var response = await inner.GetAsync("seats", $"/internal/schedules/{scheduleId}", Timeout, CancellationToken.None);
            if (!response.IsSuccessStatusCode || await response.Content.ReadFromJsonAsync(GatewayJson.Default.ScheduleConcert) is not { } schedule)
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
            _asking.TryRemove(scheduleId, out _);
        }
    }
}
