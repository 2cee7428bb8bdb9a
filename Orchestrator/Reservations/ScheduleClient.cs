using ConcertSaga.Shared.Hosting.Background;
using ConcertSaga.Shared.Hosting.Http;
using Microsoft.Extensions.Options;

namespace ConcertSaga.Orchestrator.Reservations;

/// <summary>
/// Asks Seats for the current data of a schedule. It keeps no copy, which could be outdated when it matters: the message about a moved
/// schedule can be lost, and an operator can move a schedule with an SQL statement.
/// </summary>
public sealed class ScheduleClient(
    IOptions<ReservationOptions> options, IOptions<InnerWallOptions> wall, TimeProvider clock, ILogger<ScheduleClient> logger) : IDisposable
{
    private readonly OutageLog _outages = new("Asking Seats for the start of a schedule", logger, clock);

    private readonly HttpClient _http = new(new SocketsHttpHandler { PooledConnectionLifetime = TimeSpan.FromMinutes(2) })
    {
        Timeout = TimeSpan.FromSeconds(2)
    };

    /// <summary>The current start; null if Seats does not answer or does not know the schedule.</summary>
    public async Task<DateTimeOffset?> FindStartAsync(int scheduleId, CancellationToken cancellationToken) =>
        (await FindAsync(scheduleId, cancellationToken))?.StartsAt?.ToUniversalTime();

    /// <summary>The current data; null if Seats does not answer or does not know the schedule.</summary>
    public async Task<ScheduleData?> FindAsync(int scheduleId, CancellationToken cancellationToken)
    {
        // AllInOne sets the address after its start.
        if (options.Value.SeatsAddress is not { } address)
            return null;
        try
        {
            var schedule = await _http.GetInnerAsync<ScheduleData>(
                address, $"/internal/schedules/{scheduleId}", wall.Value.Secret, cancellationToken);
            _outages.Succeeded();
            return schedule;
        }
        catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
        {
            // Cancellation must not depend on Seats being up. Without its answer, the start as of the hold decides.
            _outages.Failed(exception);
            return null;
        }
    }

    public void Dispose() => _http.Dispose();
}

/// <summary>The data of a schedule that the orchestrator uses. A Seats of the previous version sends only the start.</summary>
public sealed record ScheduleData(DateTimeOffset? StartsAt, string? Title, string? Venue, string? TimeZone);
