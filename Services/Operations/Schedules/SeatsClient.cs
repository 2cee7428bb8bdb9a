using ConcertSaga.Contracts.Seats;
using ConcertSaga.Shared.Hosting.Http;
using Microsoft.Extensions.Options;

namespace ConcertSaga.Operations.Schedules;

/// <summary>Asks Seats about schedules, and cancels them.</summary>
internal sealed class SeatsClient(IOptions<OperationsOptions> options, IOptions<InnerWallOptions> wall) : IDisposable
{
    private readonly HttpClient _http = new(new SocketsHttpHandler { PooledConnectionLifetime = TimeSpan.FromMinutes(2) })
    {
        Timeout = TimeSpan.FromSeconds(5)
    };

    private Uri Address => options.Value.SeatsAddress ?? throw new HttpRequestException("The address of Seats is not set.");

    /// <summary>Finds a schedule; null if it does not exist.</summary>
    public Task<ScheduleConcert?> FindAsync(int scheduleId, CancellationToken cancellationToken) =>
        _http.GetInnerAsync<ScheduleConcert>(Address, $"/internal/schedules/{scheduleId}", wall.Value.Secret, cancellationToken);

    /// <summary>Permanently ends the sale of a schedule; null if it does not exist. Repeating it changes nothing.</summary>
    public Task<CancelledSchedule?> CancelAsync(int scheduleId, CancelSchedule command, CancellationToken cancellationToken) =>
        _http.PostInnerAsync<CancelledSchedule>(
            Address, $"/internal/schedules/{scheduleId}/cancel", command, wall.Value.Secret, cancellationToken);

    public void Dispose() => _http.Dispose();
}
