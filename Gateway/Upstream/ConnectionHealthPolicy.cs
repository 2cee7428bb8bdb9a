using Yarp.ReverseProxy.Forwarder;
using Yarp.ReverseProxy.Health;
using Yarp.ReverseProxy.Model;

namespace ConcertSaga.Gateway.Upstream;

/// <summary>
/// Marks a destination unhealthy for a few seconds if a connection to it failed. It never marks the only destination of a cluster. If all
/// destinations are unhealthy, the proxy uses them all (<c>HealthyOrPanic</c>).
/// </summary>
internal sealed class ConnectionHealthPolicy(IDestinationHealthUpdater health) : IPassiveHealthCheckPolicy
{
    /// <summary>The name of the policy in the settings.</summary>
    public const string PolicyName = "RefusedConnections";

    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(5);

    public string Name => PolicyName;

    public void RequestProxied(HttpContext context, ClusterState cluster, DestinationState destination) =>
        Report(cluster, destination, context.Features.Get<IForwarderErrorFeature>()?.Exception);

    /// <summary>Records the outcome of a request to the destination; <paramref name="failure"/> is null if it succeeded.</summary>
    public void Report(ClusterState cluster, DestinationState destination, Exception? failure)
    {
        if (DestinationFailover.WasNeverSent(failure))
        {
            if (cluster.Destinations.Count > 1)
                health.SetPassive(cluster, destination, DestinationHealth.Unhealthy, Pause);
        }
        else if (failure is null && destination.Health.Passive == DestinationHealth.Unhealthy)
        {
            health.SetPassive(cluster, destination, DestinationHealth.Healthy, Pause);
        }
    }
}
