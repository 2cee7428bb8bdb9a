using ConcertSaga.Contracts.DataPlatform;
using ConcertSaga.Shared.Hosting.Http;
using Microsoft.Extensions.Options;

namespace ConcertSaga.Orchestrator.Reservations;

/// <summary>Asks the relay what the data platform does not have yet.</summary>
public sealed class DeliveryClient(IOptions<ReservationOptions> options, IOptions<InnerWallOptions> wall) : IDisposable
{
    private readonly HttpClient _http = new(new SocketsHttpHandler { PooledConnectionLifetime = TimeSpan.FromMinutes(2) })
    {
        Timeout = TimeSpan.FromSeconds(30)
    };

    /// <summary>Asks about reservations; null without the address of the relay.</summary>
    /// <exception cref="HttpRequestException">The relay does not answer.</exception>
    public async Task<DeliveryCheckResult?> CheckAsync(IEnumerable<Guid> reservationIds, CancellationToken cancellationToken) =>
        options.Value.DataPlatformAddress is not { } address ? null
            : await _http.PostInnerAsync<DeliveryCheckResult>(
                address, "/internal/deliveries/check", new DeliveryCheck([.. reservationIds]), wall.Value.Secret, cancellationToken);

    public void Dispose() => _http.Dispose();
}
