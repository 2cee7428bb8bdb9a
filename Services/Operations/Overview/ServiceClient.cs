using System.Text.Json;
using ConcertSaga.Shared.Hosting.Http;
using Microsoft.Extensions.Options;

namespace ConcertSaga.Operations.Overview;

/// <summary>Reads from services that may be away.</summary>
internal sealed class ServiceClient(IOptions<InnerWallOptions> wall) : IDisposable
{
    // Each request has a connection of its own, so that a load balancer can choose another replica.
    private readonly HttpClient _http = new(new SocketsHttpHandler { PooledConnectionLifetime = TimeSpan.Zero })
    {
        Timeout = TimeSpan.FromSeconds(3)
    };

    /// <summary>Reads an answer; null if the service gives none.</summary>
    public async Task<T?> TryReadAsync<T>(Uri? address, string path, CancellationToken cancellationToken)
        where T : class
    {
        if (address is null)
            return null;
        try
        {
            return await _http.GetInnerAsync<T>(address, path, wall.Value.Secret, cancellationToken);
        }
        catch (Exception exception) when (exception is HttpRequestException or JsonException or IOException
            || (exception is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            return null;
        }
    }

    public void Dispose() => _http.Dispose();
}
