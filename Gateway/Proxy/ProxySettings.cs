using System.ComponentModel.DataAnnotations;
using ConcertSaga.Gateway.Upstream;

namespace ConcertSaga.Gateway.Proxy;

/// <summary>
/// Section <c>ReverseProxy</c>: the settings of the proxy that the gateway supports. The proxy reads the section itself and ignores
/// unknown names, so the gateway binds it first, only to check it.
/// </summary>
internal sealed class ProxySettings
{
    public Dictionary<string, RouteSettings> Routes { get; set; } = [];

    public Dictionary<string, ClusterSettings> Clusters { get; set; } = new(StringComparer.OrdinalIgnoreCase);
}

/// <summary>A route. Only its own method and path select it.</summary>
internal sealed class RouteSettings
{
    public string? ClusterId { get; set; }

    public MatchSettings Match { get; set; } = new();

    public int? Order { get; set; }

    [AllowedValues(null, "Anonymous", "Console", "Default", "Ops")]
    public string? AuthorizationPolicy { get; set; }

    [AllowedValues(null, "Booking", "Disable", "Poll", "Queue", "Read", "SignIn")]
    public string? RateLimiterPolicy { get; set; }

    [AllowedValues(null, "Disable")]
    public string? TimeoutPolicy { get; set; }

    public Dictionary<string, string> Metadata { get; set; } = new(StringComparer.OrdinalIgnoreCase);
}

internal sealed class MatchSettings
{
    public string? Path { get; set; }

    public string[] Methods { get; set; } = [];
}

internal sealed class ClusterSettings
{
    [AllowedValues(null, "FirstAlphabetical", "PowerOfTwoChoices", "Random", "RoundRobin")]
    public string? LoadBalancingPolicy { get; set; }

    public Dictionary<string, DestinationSettings> Destinations { get; set; } = [];

    public HealthCheckSettings HealthCheck { get; set; } = new();

    public HttpClientSettings HttpClient { get; set; } = new();

    public HttpRequestSettings HttpRequest { get; set; } = new();
}

internal sealed class DestinationSettings
{
    public Uri? Address { get; set; }

    public Uri? Health { get; set; }
}

internal sealed class HealthCheckSettings
{
    public PassiveCheckSettings Passive { get; set; } = new();

    public ActiveCheckSettings Active { get; set; } = new();

    [AllowedValues(null, "HealthyAndUnknown", "HealthyOrPanic")]
    public string? AvailableDestinationsPolicy { get; set; }
}

internal sealed class PassiveCheckSettings
{
    public bool? Enabled { get; set; }

    [AllowedValues(null, ConnectionHealthPolicy.PolicyName, "TransportFailureRate")]
    public string? Policy { get; set; }

    [Range(typeof(TimeSpan), "00:00:01", "1.00:00:00")]
    public TimeSpan? ReactivationPeriod { get; set; }
}

internal sealed class ActiveCheckSettings
{
    public bool? Enabled { get; set; }

    [AllowedValues(null, "ConsecutiveFailures")]
    public string? Policy { get; set; }

    [Range(typeof(TimeSpan), "00:00:01", "1.00:00:00")]
    public TimeSpan? Interval { get; set; }

    [Range(typeof(TimeSpan), "00:00:01", "1.00:00:00")]
    public TimeSpan? Timeout { get; set; }

    [RegularExpression("/[^?#]*", ErrorMessage = "a path such as /health/ready")]
    public string? Path { get; set; }
}

internal sealed class HttpClientSettings
{
    public bool? DangerousAcceptAnyServerCertificate { get; set; }

    public bool? EnableMultipleHttp2Connections { get; set; }

    [Range(1, 1_000_000)]
    public int? MaxConnectionsPerServer { get; set; }
}

internal sealed class HttpRequestSettings
{
    [Range(typeof(TimeSpan), "00:00:01", "1.00:00:00")]
    public TimeSpan? ActivityTimeout { get; set; }

    [AllowedValues(null, "1.0", "1.1", "2")]
    public string? Version { get; set; }

    public HttpVersionPolicy? VersionPolicy { get; set; }

    public bool? AllowResponseBuffering { get; set; }
}
