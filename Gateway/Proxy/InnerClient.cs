using ConcertSaga.Shared.Hosting.Http;
using Microsoft.Extensions.Options;
using Yarp.ReverseProxy;

namespace ConcertSaga.Gateway.Proxy;

/// <summary>What the gateway itself asks a service: at the addresses and with the connections that requests are passed on with.</summary>
internal sealed class InnerClient(IProxyStateLookup proxy, IOptions<InnerWallOptions> wall)
{
    // An honest answer is far smaller; one without an end must not fill the memory.
    private const int MostBytes = 16 * 1024 * 1024;

    /// <summary>Asks one destination of the cluster, and reads its whole answer.</summary>
    /// <exception cref="HttpRequestException">It could not be reached, or broke off.</exception>
    public async Task<HttpResponseMessage> GetAsync(
        string cluster, string path, TimeSpan timeout, CancellationToken cancellationToken, params IEnumerable<(string Name, string Value)> headers)
    {
        if (!proxy.TryGetCluster(cluster, out var state) || state.DestinationsState.AvailableDestinations is not { Count: > 0 } destinations)
            throw new HttpRequestException($"The cluster {cluster} has no destination.");
        var destination = destinations[Random.Shared.Next(destinations.Count)];
        using var request = new HttpRequestMessage(HttpMethod.Get, destination.Model.Config.Address.TrimEnd('/') + path);
        request.Headers.TryAddWithoutValidation(InnerWall.SecretHeader, wall.Value.Secret);
        foreach (var (name, value) in headers)
            request.Headers.TryAddWithoutValidation(name, value);

        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(timeout);
        try
        {
            var response = await state.Model.HttpClient.SendAsync(request, limit.Token);
            await response.Content.LoadIntoBufferAsync(MostBytes, limit.Token);
            return response;
        }
        catch (Exception exception) when (exception is IOException || (exception is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            throw new HttpRequestException($"{cluster} did not answer in time, or broke off.", exception);
        }
    }
}
