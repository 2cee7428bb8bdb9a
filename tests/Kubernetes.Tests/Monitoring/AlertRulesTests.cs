using System.Text;
using ConcertSaga.Kubernetes.Tests.Manifests;
using ConcertSaga.Testing;
using k8s;

namespace ConcertSaga.Kubernetes.Tests.Monitoring;

[Collection(nameof(PublishedMetrics))]
public sealed class AlertRulesTests
{
    [Fact]
    public void Expression_OfAnAlert_NamesItsMetrics() =>
        Assert.Equal(["queue_waiting", "queue_admission", "queue_admitted_total"], AlertRules.MetricsOf("""
            (max by (concert) (queue_waiting) > 0 and max by (concert) (queue_admission{admission="Open"}) == 1)
              unless sum by (concert) (increase(queue_admitted_total[10m])) > 0.5e3
            """));

    /// <summary>The cases are in <c>alerts.test.yaml</c>. Without <c>promtool</c>, a part of Prometheus, the test is skipped.</summary>
    [Fact]
    public void Alerts_InTheirCases_FireAndResolve()
    {
        var promtool = Kubectl.InPath("promtool");
        Assert.SkipWhen(promtool is null, "promtool is not installed; test.sh installs it with Prometheus.");
        var folder = Directory.CreateTempSubdirectory("concertsaga-alerts-").FullName;
        try
        {
            var groups = Manifest.Read(Manifest.Production).Of<PrometheusRule>().Single().Spec;
            File.WriteAllText(Path.Combine(folder, "alerts.yaml"), KubernetesYaml.Serialize(groups), new UTF8Encoding(false));
            var cases = Path.Combine(folder, "cases.yaml");
            File.Copy(Path.Combine(Repository.Root, "tests/Kubernetes.Tests/Monitoring/alerts.test.yaml"), cases);

            var (code, output, error) = Kubectl.Run(promtool!, "test", "rules", cases);

            Assert.True(code == 0, output + error);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}
