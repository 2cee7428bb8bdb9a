using ConcertSaga.Shared.Hosting.Http;
using Microsoft.Extensions.Options;
using Yarp.ReverseProxy;
using Yarp.ReverseProxy.Model;

namespace ConcertSaga.Gateway.Upstream;

/// <summary>Sends the gateway's own requests to services, with the proxy's destinations and connections.</summary>
internal sealed class UpstreamClient(IProxyStateLookup proxy, ConnectionHealthPolicy health, IOptions<InnerWallOptions> wall)
{
    // A schedule has at most 1,000,000 seats, and each takes at most 64 bytes as JSON. An endless response must not fill the memory.
    private const int MaxBytes = 96 * 1024 * 1024;

    /// <summary>
    /// Sends a GET to a destination of the cluster and reads the whole response. If the connection fails, it tries another destination.
    /// </summary>
    /// <exception cref="HttpRequestException">No destination could be reached, or the connection broke.</exception>
    public async Task<HttpResponseMessage> GetAsync(
        string cluster, string path, TimeSpan timeout, CancellationToken cancellationToken,
            params IEnumerable<(string Name, string Value)> headers)
    {
        if (!proxy.TryGetCluster(cluster, out var state) || state.DestinationsState.AvailableDestinations is not { Count: > 0 } available)
            throw new HttpRequestException($"The cluster {cluster} has no destination.");

        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(timeout);
        var untried = available.ToList();
        while (true)
        {
            var destination = untried[Random.Shared.Next(untried.Count)];
            untried.Remove(destination);
            try
            {
                var response = await SendAsync(state, destination, path, headers, limit.Token);
                health.Report(state, destination, null);
                return response;
            }
            catch (HttpRequestException exception) when (DestinationFailover.WasNeverSent(exception))
            {
                health.Report(state, destination, exception);
                if (untried.Count == 0)
                    throw;
            }
            catch (Exception exception)
                when (exception is IOException || (exception is OperationCanceledException && !cancellationToken.IsCancellationRequested))
            {
                throw new HttpRequestException($"{cluster} did not answer in time, or the connection broke.", exception);
            }
        }
    }

    private async Task<HttpResponseMessage> SendAsync(ClusterState cluster, DestinationState destination, string path,
        IEnumerable<(string Name, string Value)> headers, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, destination.Model.Config.Address.TrimEnd('/') + path);
        request.Headers.TryAddWithoutValidation(InnerWall.SecretHeader, wall.Value.Secret);
        foreach (var (name, value) in headers)
            request.Headers.TryAddWithoutValidation(name, value);
        var response = await cluster.Model.HttpClient.SendAsync(request, cancellationToken);
        await response.Content.LoadIntoBufferAsync(MaxBytes, cancellationToken);
        return response;
    }
}
