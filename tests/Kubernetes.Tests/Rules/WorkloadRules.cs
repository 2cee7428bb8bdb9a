using ConcertSaga.Kubernetes.Tests.Manifests;
using k8s;
using k8s.Models;

namespace ConcertSaga.Kubernetes.Tests.Rules;

/// <summary>What every workload has. Each rule yields one sentence per violation.</summary>
internal static class WorkloadRules
{
    public static IEnumerable<string> Namespace_Enforces_Restricted(Manifest manifest) =>
        manifest.Of<V1Namespace>().Where(space => !space.Metadata.Labels.TryGetValue("pod-security.kubernetes.io/enforce", out var level)
            || level != "restricted").Select(space => $"namespace {space.Name()} does not enforce the level restricted");

    public static IEnumerable<string> Pods_Are_Restricted(Manifest manifest)
    {
        foreach (var pod in manifest.Pods)
        {
            if (pod.Spec.SecurityContext is not { RunAsNonRoot: true, RunAsUser: > 0, SeccompProfile.Type: "RuntimeDefault" })
                yield return $"{pod.Owner} may run as root or without seccomp";
            foreach (var container in pod.Containers)
            {
                if (container.SecurityContext is not { AllowPrivilegeEscalation: false, ReadOnlyRootFilesystem: true } context)
                    yield return $"{pod.Owner} may gain privileges or write to its image";
                else if (context.Capabilities is not { Add: null or [], Drop: ["ALL"] })
                    yield return $"{pod.Owner} keeps capabilities";
                if (container.VolumeMounts?.Any(mount => mount.MountPath == "/tmp") is not true)
                    yield return $"{pod.Owner} has no /tmp to write to";
            }
        }
    }

    /// <summary>The operator of RabbitMQ sets none of these by itself, so the namespace would refuse its pods.</summary>
    public static IEnumerable<string> Brokers_Are_Restricted(Manifest manifest)
    {
        foreach (var broker in manifest.Of<OperatedServer>().Where(server => server.Kind == "RabbitmqCluster"))
        {
            var pod = KubernetesYaml.Deserialize<V1StatefulSet>(KubernetesYaml.Serialize(
                ((IDictionary<object, object>)broker.Spec["override"])["statefulSet"])).Spec.Template.Spec;
            if (pod.SecurityContext is not { RunAsNonRoot: true, RunAsUser: > 0, SeccompProfile.Type: "RuntimeDefault" })
                yield return $"{broker.Name()} may run as root or without seccomp";
            foreach (var name in new[] { "setup-container", "rabbitmq" }.Where(name => (pod.InitContainers ?? []).Concat(pod.Containers)
                .SingleOrDefault(one => one.Name == name)?.SecurityContext is not
                { AllowPrivilegeEscalation: false, Capabilities: { Add: null or [], Drop: ["ALL"] } }))
                yield return $"{name} of {broker.Name()} may gain privileges or keeps capabilities";
        }
    }

    public static IEnumerable<string> Pods_HaveNo_Token(Manifest manifest)
    {
        foreach (var pod in manifest.Pods.Where(pod => pod.Spec is not { AutomountServiceAccountToken: false, EnableServiceLinks: false }))
            yield return $"{pod.Owner} has a token or the addresses of all services in its environment";
        foreach (var account in manifest.Of<V1ServiceAccount>().Where(account => account.AutomountServiceAccountToken is not false))
            yield return $"service account {account.Name()} mounts its token";
        var accounts = manifest.Of<V1ServiceAccount>().Select(account => account.Name()).ToHashSet();
        foreach (var owner in manifest.Deployments.Where(owner => owner.Spec.Template.Spec.ServiceAccountName != owner.Name()
            || !accounts.Contains(owner.Name())))
            yield return $"{owner.Name()} has no service account of its own";
    }

    public static IEnumerable<string> Containers_State_Resources(Manifest manifest)
    {
        foreach (var (owner, resources) in manifest.Pods.SelectMany(pod => pod.Containers.Select(one => (pod.Owner, one.Resources))))
        {
            if (resources?.Requests?.ContainsKey("cpu") is not true || !resources.Requests.ContainsKey("memory")
                || resources.Limits?.ContainsKey("memory") is not true)
                yield return $"{owner} lacks a request of processor or memory, or a limit of memory";
            else if (resources.Limits.ContainsKey("cpu"))
                yield return $"{owner} has a limit of processor time, which delays it while processors are idle";
            else if (resources.Limits["memory"].ToDecimal() < resources.Requests["memory"].ToDecimal())
                yield return $"{owner} requests more memory than its limit";
        }
    }

    public static IEnumerable<string> Probes_Have_DifferentMeanings(Manifest manifest)
    {
        foreach (var pod in manifest.Pods.Where(pod => pod.Spec.RestartPolicy is null or "Always"))
        {
            foreach (var container in pod.Containers.Where(one =>
                one.StartupProbe is null || one.LivenessProbe is null || one.ReadinessProbe is null))
                yield return $"{pod.Owner} lacks a probe";
        }
        foreach (var process in manifest.Processes)
        {
            var container = process.Spec.Template.Spec.Containers[0];
            if (container is not
                {
                    StartupProbe.HttpGet.Path: "/health/live", LivenessProbe.HttpGet.Path: "/health/live",
                    ReadinessProbe.HttpGet.Path: "/health/ready"
                })
                yield return $"{process.Name()} asks a wrong route, so an outage of its database would restart it";
        }
    }

    public static IEnumerable<string> Rollouts_Keep_AllReplicas(Manifest manifest) =>
        manifest.Processes.Where(process => process.Spec.Strategy is not
        { Type: "RollingUpdate", RollingUpdate: { MaxUnavailable.Value: "0", MaxSurge.Value: not "0" } })
            .Select(process => $"a rollout of {process.Name()} may have fewer replicas");

    public static IEnumerable<string> Disruptions_Take_OnePod(Manifest manifest)
    {
        foreach (var process in manifest.Processes)
        {
            var budgets = manifest.Of<V1PodDisruptionBudget>()
                .Where(budget => Selects(budget.Spec.Selector.MatchLabels, process.Spec.Template.Metadata.Labels)).ToArray();
            if (budgets is not [{ Spec: { MaxUnavailable.Value: "1", UnhealthyPodEvictionPolicy: "AlwaysAllow" } }])
                yield return $"{process.Name()} has {budgets.Length} budgets, or one that blocks a drain or allows two pods at once";
        }
    }

    public static IEnumerable<string> Replicas_Spread_OverZonesAndHosts(Manifest manifest)
    {
        string[] wanted = ["kubernetes.io/hostname", "topology.kubernetes.io/zone"];
        return manifest.Processes.Where(process => !wanted.SequenceEqual((process.Spec.Template.Spec.TopologySpreadConstraints ?? [])
            .Where(spread => spread.MatchLabelKeys is ["pod-template-hash"] && spread.MaxSkew == 1
                && Selects(spread.LabelSelector.MatchLabels, process.Spec.Template.Metadata.Labels))
            .Select(spread => spread.TopologyKey).Order()))
            .Select(process => $"the replicas of {process.Name()} may share a zone or a host");
    }

    public static IEnumerable<string> Grace_IsLonger_ThanDrainAndRequest(Manifest manifest)
    {
        var drain = TimeSpan.Parse(manifest.Settings("common").Data["Shutdown__DrainDelay"], null);
        var needed = drain + Documents.DefaultOf("Limits:RequestTimeout");
        if (drain < TimeSpan.FromSeconds(1))
            yield return "without a drain, a rollout loses requests";
        foreach (var process in manifest.Processes.Where(process =>
            !(process.Spec.Template.Spec.TerminationGracePeriodSeconds > needed.TotalSeconds)))
            yield return $"{process.Name()} may be killed within {needed}, before its last request has ended";
    }

    public static IEnumerable<string> Selectors_Find_OneWorkload(Manifest manifest)
    {
        foreach (var owner in manifest.Deployments)
        {
            if (!Selects(owner.Spec.Selector.MatchLabels, owner.Spec.Template.Metadata.Labels))
                yield return $"{owner.Name()} does not select its own pods";
            if (manifest.Pods.Count(pod => Selects(owner.Spec.Selector.MatchLabels, pod.Labels)) != 1)
                yield return $"{owner.Name()} selects pods of another workload";
        }
        foreach (var service in manifest.Of<V1Service>())
        {
            var pods = manifest.Pods.Where(pod => Selects(service.Spec.Selector, pod.Labels)).ToArray();
            if (pods is not [var pod])
                yield return $"service {service.Name()} selects {pods.Length} workloads";
            else
                foreach (var port in service.Spec.Ports.Where(port => !pod.Containers.Any(one =>
                    one.Ports.Any(open => open.Name == $"{port.TargetPort}" && open.ContainerPort == port.Port))))
                    yield return $"service {service.Name()} sends {port.Name} to a port that its pods do not have";
        }
    }

    public static bool Selects(IDictionary<string, string>? selector, IDictionary<string, string> labels) =>
        selector?.All(wanted => labels.TryGetValue(wanted.Key, out var value) && value == wanted.Value) is true;
}
