using System.Text.Json;
using System.Text.RegularExpressions;
using ConcertSaga.Kubernetes.Tests.Manifests;
using ConcertSaga.Kubernetes.Tests.Rules;

namespace ConcertSaga.Kubernetes.Tests.Monitoring;

/// <summary>Alerts and dashboards.</summary>
internal static partial class AlertRules
{
    // Metrics of Prometheus, of kube-state-metrics and of RabbitMQ.
    private static readonly string[] Foreign =
    [
        "up", "kube_deployment_status_replicas_available", "kube_job_status_failed", "kube_job_status_succeeded", "rabbitmq_queue_messages"
    ];

    private static readonly string[] Words = ["and", "or", "unless", "by", "on", "without", "ignoring", "le"];

    public static IEnumerable<string> Alerts_Lead_ToARunbook(Manifest manifest)
    {
        foreach (var alert in AlertsOf(manifest))
        {
            if (!alert.Annotations.TryGetValue("runbook_url", out var url) || url != $"docs/operations.md#{alert.Alert.ToLowerInvariant()}"
                || !Documents.OperationsAnchors.Contains(url.Split('#')[1]))
                yield return $"{alert.Alert} leads to no heading of docs/operations.md";
            if (!alert.Labels.TryGetValue("severity", out var severity) || severity is not ("critical" or "warning"))
                yield return $"{alert.Alert} has no severity";
            if (!alert.Annotations.ContainsKey("summary"))
                yield return $"{alert.Alert} has no summary";
        }
    }

    public static IEnumerable<string> Metrics_Of_Alerts_Exist(Manifest manifest) =>
        AlertsOf(manifest).SelectMany(alert => UnknownMetricsOf(alert.Expr).Select(metric => $"{alert.Alert} uses {metric}"));

    public static IEnumerable<string> Metrics_Of_Dashboards_Exist(Manifest manifest)
    {
        if (manifest.Folder is not (Manifest.Production or Manifest.SaleOpening))
            yield break;
        foreach (var (file, text) in manifest.Settings("dashboards").Data)
        {
            foreach (var target in JsonDocument.Parse(text).RootElement.GetProperty("panels").EnumerateArray()
                .SelectMany(panel => panel.GetProperty("targets").EnumerateArray()))
            {
                foreach (var metric in UnknownMetricsOf(target.GetProperty("expr").GetString()!))
                    yield return $"{file} uses {metric}";
            }
        }
    }

    /// <summary>The metrics of an expression.</summary>
    public static IReadOnlyList<string> MetricsOf(string expression) =>
    [
        .. Identifiers().Matches(Grouping().Replace(Selector().Replace(Text().Replace(expression, ""), ""), ""))
            .Select(match => match.Value).Except(Words).Distinct()
    ];

    private static IEnumerable<AlertRule> AlertsOf(Manifest manifest) =>
        manifest.Of<PrometheusRule>().SelectMany(rule => rule.Spec.Groups).SelectMany(group => group.Rules);

    private static IEnumerable<string> UnknownMetricsOf(string expression) =>
        MetricsOf(expression).Where(metric => !PublishedMetrics.Names.Contains(metric) && !Foreign.Contains(metric));

    [GeneratedRegex("\"[^\"]*\"")]
    private static partial Regex Text();

    [GeneratedRegex(@"\{[^}]*\}|\[[^\]]*\]")]
    private static partial Regex Selector();

    [GeneratedRegex(@"\b(by|on|without|ignoring)\s*\([^)]*\)")]
    private static partial Regex Grouping();

    // A name before a parenthesis is a function.
    [GeneratedRegex(@"(?<![\w.])[a-zA-Z_:][\w:]*(?!\w|\s*\()")]
    private static partial Regex Identifiers();
}
