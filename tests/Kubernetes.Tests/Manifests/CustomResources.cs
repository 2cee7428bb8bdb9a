using k8s;
using k8s.Models;

namespace ConcertSaga.Kubernetes.Tests.Manifests;

// The fields that k8s uses of resources that operators define. A field that is not here fails the strict loading.

/// <summary>A resource of an operator.</summary>
internal abstract class CustomResource<TSpec> : IKubernetesObject<V1ObjectMeta>
    where TSpec : new()
{
    public string ApiVersion { get; set; } = "";

    public string Kind { get; set; } = "";

    public V1ObjectMeta Metadata { get; set; } = new();

    public TSpec Spec { get; set; } = new();
}

internal sealed class ScaledObject : CustomResource<ScaledObjectSpec>;

internal sealed class ScaledObjectSpec
{
    public ScaleTarget ScaleTargetRef { get; set; } = new();

    public int MinReplicaCount { get; set; }

    public int MaxReplicaCount { get; set; }

    public int PollingInterval { get; set; }

    public ScaleAdvanced Advanced { get; set; } = new();

    public ScaleFallback Fallback { get; set; } = new();

    public IList<ScaleTrigger> Triggers { get; set; } = [];
}

internal sealed class ScaleTarget
{
    public string Name { get; set; } = "";
}

internal sealed class ScaleAdvanced
{
    public ScaleBehavior HorizontalPodAutoscalerConfig { get; set; } = new();
}

internal sealed class ScaleBehavior
{
    public V2HorizontalPodAutoscalerBehavior Behavior { get; set; } = new();
}

internal sealed class ScaleFallback
{
    public int FailureThreshold { get; set; }

    public int Replicas { get; set; }
}

internal sealed class ScaleTrigger
{
    public string Type { get; set; } = "";

    public IDictionary<string, string> Metadata { get; set; } = new Dictionary<string, string>();
}

internal sealed class ServiceMonitor : CustomResource<ServiceMonitorSpec>;

internal sealed class ServiceMonitorSpec
{
    public V1LabelSelector Selector { get; set; } = new();

    public IList<string> TargetLabels { get; set; } = [];

    public IList<ScrapeEndpoint> Endpoints { get; set; } = [];
}

internal sealed class ScrapeEndpoint
{
    public string Port { get; set; } = "";

    public string Path { get; set; } = "";

    public string Interval { get; set; } = "";
}

internal sealed class PrometheusRule : CustomResource<PrometheusRuleSpec>;

internal sealed class PrometheusRuleSpec
{
    public IList<AlertGroup> Groups { get; set; } = [];
}

internal sealed class AlertGroup
{
    public string Name { get; set; } = "";

    public IList<AlertRule> Rules { get; set; } = [];
}

internal sealed class AlertRule
{
    public string Alert { get; set; } = "";

    public string Expr { get; set; } = "";

    public string? For { get; set; }

    public IDictionary<string, string> Labels { get; set; } = new Dictionary<string, string>();

    public IDictionary<string, string> Annotations { get; set; } = new Dictionary<string, string>();
}

internal sealed class HttpRoute : CustomResource<HttpRouteSpec>;

internal sealed class HttpRouteSpec
{
    public IList<RouteParent> ParentRefs { get; set; } = [];

    public IList<string> Hostnames { get; set; } = [];

    public IList<RouteRule> Rules { get; set; } = [];
}

internal sealed class RouteParent
{
    public string Name { get; set; } = "";

    public string Namespace { get; set; } = "";
}

internal sealed class RouteRule
{
    public IList<RouteMatch> Matches { get; set; } = [];

    public RouteTimeouts Timeouts { get; set; } = new();

    public IList<RouteBackend> BackendRefs { get; set; } = [];
}

internal sealed class RouteMatch
{
    public RoutePath Path { get; set; } = new();
}

internal sealed class RoutePath
{
    public string Type { get; set; } = "";

    public string Value { get; set; } = "";
}

internal sealed class RouteTimeouts
{
    public string Request { get; set; } = "";
}

internal sealed class RouteBackend
{
    public string Name { get; set; } = "";

    public int Port { get; set; }
}

internal sealed class ExternalSecret : CustomResource<ExternalSecretSpec>;

internal sealed class ExternalSecretSpec
{
    public string RefreshInterval { get; set; } = "";

    public SecretStore SecretStoreRef { get; set; } = new();

    public SecretTarget Target { get; set; } = new();

    public IList<SecretEntry> Data { get; set; } = [];
}

internal sealed class SecretStore
{
    public string Kind { get; set; } = "";

    public string Name { get; set; } = "";
}

internal sealed class SecretTarget
{
    public string Name { get; set; } = "";

    public string CreationPolicy { get; set; } = "";
}

internal sealed class SecretEntry
{
    public string SecretKey { get; set; } = "";

    public SecretSource RemoteRef { get; set; } = new();
}

internal sealed class SecretSource
{
    public string Key { get; set; } = "";

    public string Property { get; set; } = "";
}

/// <summary>A server that an operator runs. Its schema belongs to the operator, and no rule reads it.</summary>
internal sealed class OperatedServer : CustomResource<Dictionary<string, object>>;
