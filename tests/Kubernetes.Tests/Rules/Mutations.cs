using ConcertSaga.Kubernetes.Tests.Manifests;
using ConcertSaga.Kubernetes.Tests.Monitoring;
using k8s.Models;

namespace ConcertSaga.Kubernetes.Tests.Rules;

/// <summary>A change that breaks a rule.</summary>
/// <param name="Rule">The rule that must notice.</param>
/// <param name="Says">A part of the sentence that it says.</param>
/// <param name="Apply">Makes the change.</param>
internal sealed record Mutation(string Rule, string Says, Action<Manifest> Apply)
{
    public string Folder { get; init; } = Manifest.Production;
}

/// <summary>One change for each way to break a rule.</summary>
internal static class Mutations
{
    public static IReadOnlyList<Mutation> All { get; } = [.. Workloads(), .. Releases(), .. Networks(), .. Alerts()];

    private static IEnumerable<Mutation> Workloads() =>
    [
        new(nameof(WorkloadRules.Namespace_Enforces_Restricted), "namespace concertsaga",
            manifest => manifest.Get<V1Namespace>("concertsaga").Metadata.Labels.Clear()),
        new(nameof(WorkloadRules.Pods_Are_Restricted), "seats may run as root", manifest => PodOf(manifest).SecurityContext.RunAsUser = 0),
        new(nameof(WorkloadRules.Pods_Are_Restricted), "seats may gain privileges",
            manifest => ContainerOf(manifest).SecurityContext.ReadOnlyRootFilesystem = false),
        new(nameof(WorkloadRules.Pods_Are_Restricted), "seats keeps capabilities",
            manifest => ContainerOf(manifest).SecurityContext.Capabilities.Add = ["NET_RAW"]),
        new(nameof(WorkloadRules.Pods_Are_Restricted), "seats has no /tmp", manifest => ContainerOf(manifest).VolumeMounts.Clear()),
        new(nameof(WorkloadRules.Brokers_Are_Restricted), "rabbitmq may run as root",
            manifest => BrokerPodOf(manifest).Remove("securityContext")),
        new(nameof(WorkloadRules.Brokers_Are_Restricted), "setup-container of rabbitmq",
            manifest => BrokerPodOf(manifest).Remove("initContainers")),
        new(nameof(WorkloadRules.Pods_HaveNo_Token), "addresses of all services",
            manifest => PodOf(manifest).EnableServiceLinks = null),
        new(nameof(WorkloadRules.Pods_HaveNo_Token), "service account seats mounts",
            manifest => manifest.Get<V1ServiceAccount>("seats").AutomountServiceAccountToken = null),
        new(nameof(WorkloadRules.Pods_HaveNo_Token), "no service account of its own",
            manifest => PodOf(manifest).ServiceAccountName = "points"),
        new(nameof(WorkloadRules.Containers_State_Resources), "seats lacks a request",
            manifest => ContainerOf(manifest).Resources.Requests.Remove("memory")),
        new(nameof(WorkloadRules.Containers_State_Resources), "limit of processor time",
            manifest => ContainerOf(manifest).Resources.Limits["cpu"] = new ResourceQuantity("1")),
        new(nameof(WorkloadRules.Containers_State_Resources), "more memory than its limit",
            manifest => ContainerOf(manifest).Resources.Requests["memory"] = new ResourceQuantity("2Gi")),
        new(nameof(WorkloadRules.Probes_Have_DifferentMeanings), "seats lacks a probe",
            manifest => ContainerOf(manifest).StartupProbe = null),
        new(nameof(WorkloadRules.Probes_Have_DifferentMeanings), "seats asks a wrong route",
            manifest => ContainerOf(manifest).LivenessProbe.HttpGet.Path = "/health/ready"),
        new(nameof(WorkloadRules.Rollouts_Keep_AllReplicas), "seats",
            manifest => manifest.Get<V1Deployment>("seats").Spec.Strategy.RollingUpdate.MaxUnavailable = "25%"),
        new(nameof(WorkloadRules.Disruptions_Take_OnePod), "seats has 1 budgets",
            manifest => manifest.Get<V1PodDisruptionBudget>("seats").Spec.UnhealthyPodEvictionPolicy = null),
        new(nameof(WorkloadRules.Disruptions_Take_OnePod), "seats has 0 budgets",
            manifest => manifest.Documents.Remove(manifest.Get<V1PodDisruptionBudget>("seats"))),
        new(nameof(WorkloadRules.Replicas_Spread_OverZonesAndHosts), "replicas of seats",
            manifest => PodOf(manifest).TopologySpreadConstraints.RemoveAt(0)),
        new(nameof(WorkloadRules.Grace_IsLonger_ThanDrainAndRequest), "seats may be killed",
            manifest => PodOf(manifest).TerminationGracePeriodSeconds = 40),
        new(nameof(WorkloadRules.Grace_IsLonger_ThanDrainAndRequest), "without a drain",
            manifest => manifest.Settings("common").Data["Shutdown__DrainDelay"] = "00:00:00"),
        new(nameof(WorkloadRules.Selectors_Find_OneWorkload), "service seats selects 0 workloads",
            manifest => manifest.Get<V1Service>("seats").Spec.Selector["app.kubernetes.io/name"] = "seat"),
        new(nameof(WorkloadRules.Selectors_Find_OneWorkload), "service seats sends http",
            manifest => manifest.Get<V1Service>("seats").Spec.Ports[0].Port = 80),
        new(nameof(WorkloadRules.Selectors_Find_OneWorkload), "seats selects pods of another workload",
            manifest => manifest.Get<V1Deployment>("points").Spec.Template.Metadata.Labels["app.kubernetes.io/name"] = "seats")
    ];

    private static IEnumerable<Mutation> Releases() =>
    [
        new(nameof(ReleaseRules.Processes_Are_AllPrograms), "payments is a program",
            manifest => manifest.Documents.Remove(manifest.Get<V1Deployment>("payments"))),
        new(nameof(ReleaseRules.Processes_Are_AllPrograms), "pay has a Deployment",
            manifest => manifest.Get<V1Deployment>("payments").Metadata.Name = "pay"),
        new(nameof(ReleaseRules.Processes_Are_AllPrograms), "no image of pay",
            manifest => manifest.Get<V1Deployment>("payments").Metadata.Name = "pay"),
        new(nameof(ReleaseRules.Images_Name_OneVersion), "instead of a digest",
            manifest => ContainerOf(manifest).Image = "registry.example.com/concertsaga/seats:latest"),
        new(nameof(ReleaseRules.Images_Name_OneVersion), "instead of version",
            manifest => ContainerOf(manifest).Image = "concertsaga/seats:latest") { Folder = Manifest.Demo },
        new(nameof(ReleaseRules.Images_Name_OneVersion), "names no version",
            manifest => manifest.Get<V1StatefulSet>("rabbitmq").Spec.Template.Spec.Containers[0].Image = "rabbitmq:latest")
            { Folder = Manifest.Demo },
        new(nameof(ReleaseRules.Jobs_Belong_ToTheRelease), "no name of its own",
            manifest => manifest.Migrations.First().Metadata.Name = "seats-migration"),
        new(nameof(ReleaseRules.Jobs_Belong_ToTheRelease), "reads a ConfigMap", manifest => manifest.Migrations.First().Spec.Template.Spec
            .Containers[0].EnvFrom.Add(new V1EnvFromSource { ConfigMapRef = new V1ConfigMapEnvSource { Name = "common" } })),
        new(nameof(ReleaseRules.Owners_Have_OneMigration), "seats has not exactly one migration",
            manifest => manifest.Documents.Remove(MigrationOf(manifest))),
        new(nameof(ReleaseRules.Owners_Have_OneMigration), "does not migrate with the image",
            manifest => MigrationOf(manifest).Spec.Template.Spec.Containers[0].Image = "concertsaga/seats:0.9.0"),
        new(nameof(ReleaseRules.Owners_Have_OneMigration), "has not the secrets",
            manifest => MigrationOf(manifest).Spec.Template.Spec.Containers[0].EnvFrom[0].SecretRef.Name = "points"),
        new(nameof(ReleaseRules.Owners_Have_OneMigration), "migrates another server",
            manifest => manifest.Settings("common").Data["Database__Provider"] = "SqlServer"),
        new(nameof(ReleaseRules.Owners_Have_OneMigration), "do not wait",
            manifest => manifest.Settings("common").Data["Database__SchemaTimeout"] = "00:00:00"),
        new(nameof(ReleaseRules.Settings_Are_Documented), "has the setting Seats__SeedDemodata2",
            manifest => manifest.Settings("seats").Data["Seats__SeedDemodata2"] = "true"),
        new(nameof(ReleaseRules.Settings_Are_Documented), "reads the missing ConfigMap",
            manifest => manifest.Documents.Remove(manifest.Settings("seats"))),
        new(nameof(ReleaseRules.Secrets_Are_MadeOutsideGit), "secret seats is in git",
            manifest => manifest.Documents.Add(new V1Secret { Metadata = new V1ObjectMeta { Name = "seats" } })),
        new(nameof(ReleaseRules.Secrets_Are_MadeOutsideGit), "is a secret with the value",
            manifest => manifest.Settings("common").Data["Gateway__Secret"] = "a secret of the tests"),
        new(nameof(ReleaseRules.Secrets_Are_MadeOutsideGit), "which nothing makes",
            manifest => manifest.Documents.Remove(manifest.Get<ExternalSecret>("seats"))),
        new(nameof(ReleaseRules.Secrets_Are_MadeOutsideGit), "secret seats lacks Gateway__Secret",
            manifest => manifest.Get<ExternalSecret>("seats").Spec.Data.RemoveAt(0)),
        new(nameof(ReleaseRules.Secrets_Are_MadeOutsideGit), "secret seats lacks ConnectionStrings__seats",
            manifest => manifest.Get<ExternalSecret>("seats").Spec.Data.RemoveAt(2)),
        new(nameof(ReleaseRules.Orchestrators_Share_TheKeysOfTickets), "/elsewhere/tickets.pem is not in a secret",
            manifest => manifest.Settings("orchestrator").Data["Tickets__KeyFile"] = "/elsewhere/tickets.pem"),
        new(nameof(ReleaseRules.Orchestrators_Share_TheKeysOfTickets), "nothing makes tickets.pem",
            manifest => manifest.Documents.Remove(manifest.Get<ExternalSecret>("tickets"))),
        new(nameof(ReleaseRules.Scaling_Finds_ItsTarget), "seats is scaled and does not exist",
            manifest => manifest.Documents.Remove(manifest.Get<V1Deployment>("seats"))),
        new(nameof(ReleaseRules.Scaling_Finds_ItsTarget), "fixed number of replicas",
            manifest => manifest.Get<V1Deployment>("seats").Spec.Replicas = 2),
        new(nameof(ReleaseRules.Scaling_Finds_ItsTarget), "seats has 1 to",
            manifest => manifest.Get<ScaledObject>("seats").Spec.MinReplicaCount = 1),
        new(nameof(ReleaseRules.Scaling_Finds_ItsTarget), "queue seat-hold is not",
            manifest => manifest.Get<ScaledObject>("seats").Spec.Triggers[0].Metadata["queueName"] = "seat-hold"),
        new(nameof(ReleaseRules.Scaling_Finds_ItsTarget), "queue has one replica",
            manifest => manifest.Get<V1Deployment>("queue").Spec.Replicas = 1),
        new(nameof(ReleaseRules.Replicas_Are_ThoseOfTheReadme), "seats has 2–7 replicas, and k8s/README.md names 2–6",
            manifest => manifest.Get<ScaledObject>("seats").Spec.MaxReplicaCount = 7),
        new(nameof(ReleaseRules.Replicas_Are_ThoseOfTheReadme), "pay has 1 replicas, and k8s/README.md names none",
            manifest => manifest.Get<V1Deployment>("payments").Metadata.Name = "pay") { Folder = Manifest.Demo },
        new(nameof(ReleaseRules.Owners_Have_ADatabase), "operations has no database",
            manifest => manifest.Documents.RemoveAll(one => one is OperatedServer && one.Metadata.Name == "operations")),
        new(nameof(ReleaseRules.Owners_Have_ADatabase), "orchestrator has no database",
            manifest => manifest.Get<OperatedServer>("postgresql").Spec["bootstrap"] = ""),
        .. Sessions()
    ];

    private static IEnumerable<Mutation> Sessions() =>
    [
        new(nameof(ReleaseRules.Gateways_Share_TheKeysOfSessions), "2 gateways have keys of their own",
            manifest => manifest.Get<V1Deployment>("gateway").Spec.Replicas = 2) { Folder = Manifest.Demo },
        new(nameof(ReleaseRules.Gateways_Share_TheKeysOfSessions), "10 gateways have keys of their own",
            manifest => manifest.Settings("gateway").Data.Remove("Authentication__Pages__KeyFolder")),
        new(nameof(ReleaseRules.Gateways_Share_TheKeysOfSessions), "/keys is not the same",
            manifest => manifest.Settings("gateway").Data["Authentication__Pages__KeyFolder"] = "/keys"),
        new(nameof(ReleaseRules.Gateways_Share_TheKeysOfSessions), "/keys/sessions is not the same",
            manifest => manifest.Get<V1PersistentVolumeClaim>("gateway-keys").Spec.AccessModes = ["ReadWriteOnce"]),
        new(nameof(ReleaseRules.Gateways_Share_TheKeysOfSessions), "cannot create /keys/sessions",
            manifest => manifest.Get<V1Deployment>("gateway").Spec.Template.Spec.SecurityContext.FsGroup = null),
        new(nameof(ReleaseRules.Gateways_Share_TheKeysOfSessions), "each start opens",
            manifest => manifest.Get<V1Deployment>("gateway").Spec.Template.Spec.SecurityContext.FsGroupChangePolicy = null)
    ];

    private static IEnumerable<Mutation> Networks() =>
    [
        new(nameof(NetworkRules.Policies_Deny_ByDefault), "nothing denies",
            manifest => manifest.Get<V1NetworkPolicy>("default-deny").Spec.PolicyTypes.Remove("Egress")),
        new(nameof(NetworkRules.Policies_Deny_ByDefault), "seats has no policy",
            manifest => manifest.Documents.Remove(manifest.Get<V1NetworkPolicy>("seats"))),
        new(nameof(NetworkRules.Edges_Are_ThoseOfTheArchitecture), "points → seats is allowed",
            manifest => manifest.Get<V1NetworkPolicy>("points").Spec.Egress[0].To.Add(
                manifest.Get<V1NetworkPolicy>("orchestrator").Spec.Egress[0].To[0])),
        new(nameof(NetworkRules.Edges_Are_ThoseOfTheArchitecture), "queue → seats of docs/architecture.md is not",
            manifest => manifest.Get<V1NetworkPolicy>("queue").Spec.Egress.RemoveAt(0)),
        new(nameof(NetworkRules.Servers_Are_ReachedByTheirClients), "seats cannot connect to rabbitmq",
            manifest => manifest.Get<V1NetworkPolicy>("seats").Spec.Egress.Clear()),
        new(nameof(NetworkRules.Servers_Are_ReachedByTheirClients), "postgresql refuses seats",
            manifest => manifest.Get<V1NetworkPolicy>("postgresql").Spec.Ingress.RemoveAt(0)) { Folder = Manifest.Demo },
        new(nameof(NetworkRules.Metrics_Are_OpenToTheMonitoringOnly), "policy metrics opens",
            manifest => manifest.Get<V1NetworkPolicy>("metrics").Spec.Ingress[0].FromProperty = null),
        new(nameof(NetworkRules.Metrics_Are_OpenToTheMonitoringOnly), "policy gateway opens",
            manifest => manifest.Get<V1NetworkPolicy>("gateway").Spec.Ingress[0].Ports = null),
        new(nameof(NetworkRules.Metrics_Are_OpenToTheMonitoringOnly), "seats does not publish",
            manifest => ContainerOf(manifest).Ports[1].ContainerPort = 9091)
    ];

    private static IEnumerable<Mutation> Alerts() =>
    [
        new(nameof(AlertRules.Alerts_Lead_ToARunbook), "ProcessDown",
            manifest => AlertOf(manifest).Annotations["runbook_url"] = "docs/x.md#y"),
        new(nameof(AlertRules.Alerts_Lead_ToARunbook), "no severity", manifest => AlertOf(manifest).Labels.Clear()),
        new(nameof(AlertRules.Metrics_Of_Alerts_Exist), "queue_wating",
            manifest => AlertOf(manifest).Expr = "max by (concert) (queue_wating{x=\"y\"}) > 0"),
        new(nameof(AlertRules.Metrics_Of_Dashboards_Exist), "no_such_metric",
            manifest => manifest.Settings("dashboards").Data["sale.json"] =
                """{"panels":[{"targets":[{"expr":"rate(no_such_metric[5m])"}]}]}""")
    ];

    private static V1PodSpec PodOf(Manifest manifest) => manifest.Get<V1Deployment>("seats").Spec.Template.Spec;

    private static V1Container ContainerOf(Manifest manifest) => PodOf(manifest).Containers[0];

    private static V1Job MigrationOf(Manifest manifest) =>
        manifest.Migrations.Single(job => job.Name().StartsWith("seats-", StringComparison.Ordinal));

    private static IDictionary<object, object> BrokerPodOf(Manifest manifest) =>
        new[] { "override", "statefulSet", "spec", "template", "spec" }.Aggregate(
            (IDictionary<object, object>)manifest.Get<OperatedServer>("rabbitmq").Spec
                .ToDictionary(entry => (object)entry.Key, entry => entry.Value),
            (map, key) => (IDictionary<object, object>)map[key]);

    private static AlertRule AlertOf(Manifest manifest) => manifest.Get<PrometheusRule>("concertsaga").Spec.Groups[0].Rules[0];
}
