using ConcertSaga.Kubernetes.Tests.Manifests;
using k8s.Models;

namespace ConcertSaga.Kubernetes.Tests.Rules;

/// <summary>Which pods may connect to which.</summary>
internal static class NetworkRules
{
    private const string Name = "app.kubernetes.io/name", Component = "app.kubernetes.io/component";

    public static IEnumerable<string> Policies_Deny_ByDefault(Manifest manifest)
    {
        if (!manifest.Of<V1NetworkPolicy>().Any(policy => policy.Spec is
            {
                PodSelector.MatchLabels: null or { Count: 0 },
                Ingress: null or [], Egress: null or []
            } && policy.Spec.PolicyTypes.Order().SequenceEqual(["Egress", "Ingress"])))
            yield return "nothing denies connections by default";
        foreach (var process in manifest.Processes.Where(process => !manifest.Of<V1NetworkPolicy>().Any(policy =>
            policy.Name() == process.Name() && WorkloadRules.Selects(policy.Spec.PodSelector.MatchLabels,
                process.Spec.Template.Metadata.Labels))))
            yield return $"{process.Name()} has no policy of its own";
    }

    /// <summary>A connection needs both ends: the egress of one pod and the ingress of the other.</summary>
    public static IEnumerable<string> Edges_Are_ThoseOfTheArchitecture(Manifest manifest)
    {
        var processes = manifest.Processes.Select(process => process.Name()).ToHashSet();
        var leaving = EdgesOf(manifest, policy => policy.Spec.Egress?.SelectMany(rule => rule.To ?? []), isEgress: true)
            .Where(edge => processes.IsSupersetOf([edge.From, edge.To])).Select(edge => $"{edge.From} → {edge.To}").Order().ToArray();
        var arriving = EdgesOf(manifest, policy => policy.Spec.Ingress?.SelectMany(rule => rule.FromProperty ?? []), isEgress: false)
            .Where(edge => processes.IsSupersetOf([edge.From, edge.To])).Select(edge => $"{edge.From} → {edge.To}").Order().ToArray();
        foreach (var edge in leaving.Except(Documents.Edges).Union(arriving.Except(Documents.Edges)))
            yield return $"{edge} is allowed, and docs/architecture.md does not draw it";
        foreach (var edge in Documents.Edges.Except(leaving).Union(Documents.Edges.Except(arriving)))
            yield return $"{edge} of docs/architecture.md is not allowed at both ends";
    }

    public static IEnumerable<string> Servers_Are_ReachedByTheirClients(Manifest manifest)
    {
        foreach (var process in manifest.Processes)
        {
            foreach (var (server, port) in new[] { ("rabbitmq", "5672"), ("postgresql", "5432") })
            {
                var isClient = server == "rabbitmq" || process.Name() != "gateway";
                var policies = PoliciesOf(manifest, process.Spec.Template.Metadata.Labels);
                var leaves = policies.SelectMany(policy => policy.Spec.Egress ?? []).Any(rule =>
                    rule.To?.Any(peer => Labelled(peer, Component) == server) is true && rule.Ports.Any(open => $"{open.Port}" == port));
                if (leaves != isClient)
                    yield return $"{process.Name()} {(isClient ? "cannot" : "can")} connect to {server}";
                var ofServer = PoliciesOf(manifest,
                    new Dictionary<string, string> { [Component] = server, [Name] = server, ["cnpg.io/cluster"] = server });
                var arrives = ofServer.SelectMany(policy => policy.Spec.Ingress ?? []).SelectMany(rule => rule.FromProperty ?? [])
                    .Any(peer => Admits(peer, process.Spec.Template.Metadata.Labels));
                if (manifest.Folder != Manifest.Base && arrives != isClient)
                    yield return $"{server} {(isClient ? "refuses" : "admits")} {process.Name()}";
            }
        }
    }

    /// <summary>The metrics port asks for no secret.</summary>
    public static IEnumerable<string> Metrics_Are_OpenToTheMonitoringOnly(Manifest manifest)
    {
        var common = manifest.Settings("common").Data["Metrics__Port"];
        foreach (var process in manifest.Processes)
        {
            if (!process.Spec.Template.Spec.Containers[0].Ports.Any(port => port.Name == "metrics" && $"{port.ContainerPort}" == common))
                yield return $"{process.Name()} does not publish the port of Metrics:Port";
        }
        foreach (var policy in manifest.Of<V1NetworkPolicy>())
        {
            foreach (var rule in (policy.Spec.Ingress ?? []).Where(rule => rule.Ports is null
                || rule.Ports.Any(port => $"{port.Port}" is "" or "metrics" || $"{port.Port}" == common)))
            {
                if (rule.FromProperty is not [{ PodSelector: null, NamespaceSelector.MatchLabels: { Count: 1 } labels }]
                    || labels["kubernetes.io/metadata.name"] != "monitoring")
                    yield return $"policy {policy.Name()} opens the metrics port to others than the monitoring";
            }
        }
    }

    private static IEnumerable<(string From, string To)> EdgesOf(
        Manifest manifest, Func<V1NetworkPolicy, IEnumerable<V1NetworkPolicyPeer>?> peersOf, bool isEgress) =>
        manifest.Of<V1NetworkPolicy>().Where(policy => policy.Spec.PodSelector.MatchLabels?.ContainsKey(Name) is true)
            .SelectMany(policy => (peersOf(policy) ?? []).Select(peer => Labelled(peer, Name)).OfType<string>(),
                (policy, peer) => isEgress ? (policy.Spec.PodSelector.MatchLabels[Name], peer)
                    : (peer, policy.Spec.PodSelector.MatchLabels[Name]));

    private static string? Labelled(V1NetworkPolicyPeer peer, string label) =>
        peer.PodSelector?.MatchLabels?.TryGetValue(label, out var value) is true ? value : null;

    private static IEnumerable<V1NetworkPolicy> PoliciesOf(Manifest manifest, IDictionary<string, string> labels) =>
        manifest.Of<V1NetworkPolicy>().Where(policy => policy.Spec.PodSelector.MatchLabels is { Count: > 0 } selector
            && WorkloadRules.Selects(selector, labels));

    private static bool Admits(V1NetworkPolicyPeer peer, IDictionary<string, string> labels) =>
        peer.PodSelector is { } pods && (pods.MatchLabels is { Count: > 0 } wanted ? WorkloadRules.Selects(wanted, labels)
            : pods.MatchExpressions?.All(one => one.OperatorProperty == "In" && labels.TryGetValue(one.Key, out var value)
                && one.Values.Contains(value)) is true);
}
