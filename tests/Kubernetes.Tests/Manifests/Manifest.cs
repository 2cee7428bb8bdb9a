using System.Collections.Concurrent;
using k8s;
using k8s.Models;

namespace ConcertSaga.Kubernetes.Tests.Manifests;

/// <summary>A pod of a workload.</summary>
internal sealed record Pod(string Owner, V1PodTemplateSpec Template)
{
    public V1PodSpec Spec => Template.Spec;

    public IDictionary<string, string> Labels => Template.Metadata.Labels;

    public IEnumerable<V1Container> Containers => Spec.Containers.Concat(Spec.InitContainers ?? []);
}

/// <summary>All documents that one folder of <c>k8s</c> builds, each loaded strictly: an unknown field or kind is an error.</summary>
internal sealed class Manifest
{
    public const string Base = "base", Demo = "overlays/demo", Production = "overlays/production", SaleOpening = "overlays/sale-opening";

    private static readonly ConcurrentDictionary<string, Lazy<string>> Texts = new();

    private static readonly ConcurrentDictionary<string, Lazy<Manifest>> Unchanged = new();

    private static readonly Dictionary<string, Type> CustomTypes = new()
    {
        ["keda.sh/v1alpha1/ScaledObject"] = typeof(ScaledObject),
        ["monitoring.coreos.com/v1/ServiceMonitor"] = typeof(ServiceMonitor),
        ["monitoring.coreos.com/v1/PrometheusRule"] = typeof(PrometheusRule),
        ["gateway.networking.k8s.io/v1/HTTPRoute"] = typeof(HttpRoute),
        ["external-secrets.io/v1/ExternalSecret"] = typeof(ExternalSecret),
        ["rabbitmq.com/v1beta1/RabbitmqCluster"] = typeof(OperatedServer),
        ["postgresql.cnpg.io/v1/Cluster"] = typeof(OperatedServer),
        ["postgresql.cnpg.io/v1/Database"] = typeof(OperatedServer)
    };

    private Manifest(string folder, List<IKubernetesObject<V1ObjectMeta>> documents)
    {
        Folder = folder;
        Documents = documents;
    }

    public static IReadOnlyList<string> Folders { get; } = [Base, Demo, Production, SaleOpening];

    public string Folder { get; }

    public List<IKubernetesObject<V1ObjectMeta>> Documents { get; }

    public IEnumerable<V1Deployment> Deployments => Of<V1Deployment>();

    /// <summary>The Deployments of the product's own processes.</summary>
    public IEnumerable<V1Deployment> Processes => Deployments.Where(deployment => deployment.Name() != "receiver");

    public IEnumerable<V1Job> Migrations =>
        Of<V1Job>().Where(job =>
            job.Spec.Template.Metadata.Labels.TryGetValue("app.kubernetes.io/component", out var part) && part == "migration");

    public IEnumerable<Pod> Pods =>
    [
        .. Deployments.Select(owner => new Pod(owner.Name(), owner.Spec.Template)),
        .. Of<V1StatefulSet>().Select(owner => new Pod(owner.Name(), owner.Spec.Template)),
        .. Of<V1Job>().Select(owner => new Pod(owner.Name(), owner.Spec.Template))
    ];

    /// <summary>Returns the documents of a folder, which no test may change.</summary>
    public static Manifest Read(string folder) => Unchanged.GetOrAdd(folder, static name => new Lazy<Manifest>(() => Load(name))).Value;

    /// <summary>Builds a folder, once per test run, and loads a copy that the test may change.</summary>
    public static Manifest Load(string folder) =>
        Parse(folder, Texts.GetOrAdd(folder, static name => new Lazy<string>(() => Kubectl.Build(name))).Value);

    public static Manifest Parse(string folder, string text) =>
        new(folder, [.. KubernetesYaml.LoadAllFromString(text, CustomTypes, strict: true).Cast<IKubernetesObject<V1ObjectMeta>>()]);

    public IEnumerable<T> Of<T>() => Documents.OfType<T>();

    public T Get<T>(string name)
        where T : IKubernetesObject<V1ObjectMeta> => Of<T>().Single(document => document.Name() == name);

    /// <summary>The ConfigMap whose name begins so; the rest is the hash of its content.</summary>
    public V1ConfigMap Settings(string name) =>
        Of<V1ConfigMap>().Single(map => map.Name() == name || (map.Name().StartsWith(name + "-", StringComparison.Ordinal)
            && map.Name().LastIndexOf('-') == name.Length));
}
