using System.Text.Json;
using System.Text.RegularExpressions;
using ConcertSaga.Kubernetes.Tests.Manifests;
using k8s.Models;

namespace ConcertSaga.Kubernetes.Tests.Rules;

/// <summary>Images, migrations, settings, secrets and scaling.</summary>
internal static partial class ReleaseRules
{
    public static IEnumerable<string> Processes_Are_AllPrograms(Manifest manifest)
    {
        var deployed = manifest.Processes.Select(process => process.Name()).ToArray();
        foreach (var program in Documents.Programs.Except(deployed))
            yield return $"{program} is a program and has no Deployment";
        foreach (var process in deployed.Except(Documents.Programs))
            yield return $"{process} has a Deployment and is no program";
        foreach (var process in deployed.Except(Documents.Images))
            yield return $"eng/images.sh builds no image of {process}";
    }

    public static IEnumerable<string> Images_Name_OneVersion(Manifest manifest)
    {
        var isProduction = manifest.Folder is Manifest.Production or Manifest.SaleOpening;
        foreach (var (owner, image) in manifest.Pods.SelectMany(pod => pod.Containers.Select(container => (pod.Owner, container.Image))))
        {
            if (!image.Contains("concertsaga/", StringComparison.Ordinal))
            {
                if (!FixedTag().IsMatch(image))
                    yield return $"{owner} uses {image}, which names no version";
            }
            else if (isProduction ? !Digest().IsMatch(image) : image.Split(':')[^1] != Documents.Version)
                yield return $"{owner} uses {image} instead of {(isProduction ? "a digest" : $"version {Documents.Version}")}";
        }
    }

    public static IEnumerable<string> Jobs_Belong_ToTheRelease(Manifest manifest)
    {
        foreach (var job in manifest.Of<V1Job>().Where(job => !job.Name().EndsWith($"-{Documents.Version.Replace('.', '-')}",
            StringComparison.Ordinal)))
            yield return $"job {job.Name()} has no name of its own in this version, and a Job cannot change";
        foreach (var job in manifest.Of<V1Job>().SelectMany(job => (job.Spec.Template.Spec.Containers[0].EnvFrom ?? [])
            .Where(source => source.ConfigMapRef is not null), (job, _) => job.Name()))
            yield return $"job {job} reads a ConfigMap whose name changes, and a Job cannot change";
    }

    public static IEnumerable<string> Owners_Have_OneMigration(Manifest manifest)
    {
        foreach (var process in manifest.Processes.Where(process => process.Name() != "gateway"))
        {
            if (manifest.Migrations.Where(job => job.Name().StartsWith($"{process.Name()}-migration-", StringComparison.Ordinal)).ToArray()
                is not [var migration])
            {
                yield return $"{process.Name()} has not exactly one migration";
                continue;
            }
            var container = migration.Spec.Template.Spec.Containers[0];
            if (container.Image != process.Spec.Template.Spec.Containers[0].Image || container.Args is not ["migrate"])
                yield return $"{migration.Name()} does not migrate with the image of its process";
            if (container.EnvFrom is not [{ SecretRef: { } secret }] || secret.Name != process.Name())
                yield return $"{migration.Name()} has not the secrets of its process";
            var provider = manifest.Settings("common").Data["Database__Provider"];
            if (container.Env?.SingleOrDefault(entry => entry.Name == "Database__Provider")?.Value != provider)
                yield return $"{migration.Name()} migrates another server than {provider}";
        }
        if (!TimeSpan.TryParse(manifest.Settings("common").Data["Database__SchemaTimeout"], null, out var timeout)
            || timeout < TimeSpan.FromMinutes(1))
            yield return "processes do not wait for their migration";
    }

    public static IEnumerable<string> Settings_Are_Documented(Manifest manifest)
    {
        var maps = manifest.Of<V1ConfigMap>().ToDictionary(map => map.Name());
        foreach (var (owner, container) in manifest.Pods.Where(pod => manifest.Processes.Any(process => process.Name() == pod.Owner)
            || pod.Owner.Contains("-migration-", StringComparison.Ordinal))
            .SelectMany(pod => pod.Containers.Select(one => (pod.Owner, one))))
        {
            var keys = (container.Env ?? []).Select(entry => entry.Name);
            foreach (var source in (container.EnvFrom ?? []).Where(source => source.ConfigMapRef is not null))
            {
                if (!maps.TryGetValue(source.ConfigMapRef.Name, out var map))
                    yield return $"{owner} reads the missing ConfigMap {source.ConfigMapRef.Name}";
                else if (!HashedName().IsMatch(map.Name()))
                    yield return $"ConfigMap {map.Name()} has no hash, so a change would not restart {owner}";
                else
                    keys = keys.Concat(map.Data.Keys);
            }
            foreach (var key in keys.Where(key => !Documents.IsSetting(key)))
                yield return $"{owner} has the setting {key}, which docs/configuration.md does not know";
        }
    }

    public static IEnumerable<string> Secrets_Are_MadeOutsideGit(Manifest manifest)
    {
        foreach (var secret in manifest.Of<V1Secret>())
            yield return $"secret {secret.Name()} is in git";
        foreach (var (name, value) in manifest.Of<V1ConfigMap>().Where(map => map.Name() != "demo-secrets")
            .SelectMany(map => map.Data).Where(entry => SecretName().IsMatch(entry.Key)))
            yield return $"{name} is a secret with the value {value} in git";
        if (manifest.Folder == Manifest.Base)
            yield break;
        var made = SecretsOf(manifest);
        foreach (var (owner, name) in manifest.Pods.SelectMany(pod => pod.Containers.SelectMany(one => one.EnvFrom ?? [])
            .Where(source => source.SecretRef is not null), (pod, source) => (pod.Owner, source.SecretRef.Name)).Distinct())
        {
            if (!made.ContainsKey(name))
                yield return $"{owner} reads the secret {name}, which nothing makes";
        }
        foreach (var process in manifest.Processes.Where(process => made.ContainsKey(process.Name())))
        {
            foreach (var key in made[process.Name()].Where(key => !Documents.IsSetting(key)))
                yield return $"secret {process.Name()} has the key {key}, which docs/configuration.md does not know";
            string[] needed = ["Gateway__Secret", "ConnectionStrings__RabbitMq",
                .. process.Name() == "gateway" ? Array.Empty<string>() : [$"ConnectionStrings__{process.Name()}"]];
            foreach (var missing in needed.Except(made[process.Name()], StringComparer.OrdinalIgnoreCase))
                yield return $"secret {process.Name()} lacks {missing}";
        }
    }

    public static IEnumerable<string> Orchestrators_Share_TheKeysOfTickets(Manifest manifest)
    {
        var file = manifest.Settings("orchestrator").Data["Tickets__KeyFile"];
        var pod = manifest.Get<V1Deployment>("orchestrator").Spec.Template.Spec;
        var mount = pod.Containers[0].VolumeMounts.FirstOrDefault(one => Path.GetDirectoryName(file) == one.MountPath);
        var secret = pod.Volumes.FirstOrDefault(volume => volume.Name == mount?.Name)?.Secret?.SecretName;
        if (secret is null)
            yield return $"{file} is not in a secret";
        else if (manifest.Folder != Manifest.Base
            && (!SecretsOf(manifest).TryGetValue(secret, out var keys) || !keys.Contains(Path.GetFileName(file))))
            yield return $"nothing makes {Path.GetFileName(file)} in the secret {secret}";
    }

    public static IEnumerable<string> Scaling_Finds_ItsTarget(Manifest manifest)
    {
        foreach (var (name, min, max) in ScalesOf(manifest))
        {
            if (manifest.Deployments.SingleOrDefault(deployment => deployment.Name() == name) is not { } target)
                yield return $"{name} is scaled and does not exist";
            else if (target.Spec.Replicas is not null)
                yield return $"{name} is scaled and has a fixed number of replicas, to which each apply would reset it";
            if (min < 2 || max < min)
                yield return $"{name} has {min} to {max} replicas; one can be lost with its node";
        }
        foreach (var queue in manifest.Of<ScaledObject>().SelectMany(scale => scale.Spec.Triggers)
            .Select(trigger => trigger.Metadata["queueName"]).Where(queue => !Documents.Queues.Contains(queue)))
            yield return $"queue {queue} is not in docs/operations.md";
        if (manifest.Folder is Manifest.Production or Manifest.Base)
        {
            foreach (var process in manifest.Processes.Where(process => process.Spec.Replicas < 2))
                yield return $"{process.Name()} has one replica";
        }
    }

    public static IEnumerable<string> Replicas_Are_ThoseOfTheReadme(Manifest manifest)
    {
        if (manifest.Folder == Manifest.Base)
            yield break;
        var stated = Documents.ReplicasIn(manifest.Folder);
        foreach (var process in manifest.Processes)
        {
            var (min, max) = ReplicasOf(manifest, process);
            var replicas = min == max ? $"{min}" : $"{min}–{max}";
            var expected = stated.GetValueOrDefault(process.Name(), "none");
            if (replicas != expected)
                yield return $"{process.Name()} has {replicas} replicas, and k8s/README.md names {expected}";
        }
    }

    /// <summary>CloudNativePG creates the databases; elsewhere, the migrations do.</summary>
    public static IEnumerable<string> Owners_Have_ADatabase(Manifest manifest)
    {
        var servers = manifest.Of<OperatedServer>().Where(server => server.ApiVersion.StartsWith("postgresql", StringComparison.Ordinal));
        var names = servers.Select(server => server.Kind == "Database" ? server.Spec["name"] : InitialDatabaseOf(server)).ToHashSet();
        return names.Count == 0 ? [] : manifest.Processes.Where(process => process.Name() != "gateway" && !names.Contains(process.Name()))
            .Select(process => $"{process.Name()} has no database");
    }

    /// <summary>Gateways with keys of their own would refuse each other's sessions.</summary>
    public static IEnumerable<string> Gateways_Share_TheKeysOfSessions(Manifest manifest)
    {
        var gateway = manifest.Get<V1Deployment>("gateway");
        var settings = manifest.Settings("gateway").Data;
        if (!settings.TryGetValue("Authentication__Pages__KeyFolder", out var folder))
        {
            var hasPages = settings["Authentication__Demo__Enabled"] == "true" || settings.ContainsKey("Authentication__Pages__ClientId");
            if (ReplicasOf(manifest, gateway).Max is > 1 and var replicas && hasPages)
                yield return $"{replicas} gateways have keys of their own";
            yield break;
        }
        var pod = gateway.Spec.Template.Spec;
        // The root of a volume has the mode of the volume, so the gateway must create the folder below it.
        var mount = pod.Containers[0].VolumeMounts.FirstOrDefault(one => folder.StartsWith($"{one.MountPath}/", StringComparison.Ordinal));
        var claim = pod.Volumes.FirstOrDefault(volume => volume.Name == mount?.Name)?.PersistentVolumeClaim?.ClaimName;
        if (mount?.ReadOnlyProperty is true || pod.SecurityContext.FsGroup != pod.SecurityContext.RunAsGroup)
            yield return $"the gateway cannot create {folder}";
        if (pod.SecurityContext.FsGroupChangePolicy != "OnRootMismatch")
            yield return $"each start opens {folder} to the group";
        if (manifest.Of<V1PersistentVolumeClaim>().SingleOrDefault(one => one.Name() == claim)?.Spec.AccessModes is not ["ReadWriteMany"])
            yield return $"{folder} is not the same in all gateways";
    }

    private static IEnumerable<(string Name, int Min, int Max)> ScalesOf(Manifest manifest) => manifest.Of<ScaledObject>()
        .Select(scale => (scale.Spec.ScaleTargetRef.Name, scale.Spec.MinReplicaCount, scale.Spec.MaxReplicaCount))
        .Concat(manifest.Of<V2HorizontalPodAutoscaler>()
            .Select(scale => (scale.Spec.ScaleTargetRef.Name, scale.Spec.MinReplicas ?? 1, scale.Spec.MaxReplicas)));

    private static (int Min, int Max) ReplicasOf(Manifest manifest, V1Deployment process) =>
        ScalesOf(manifest).Where(scale => scale.Name == process.Name()).Select(scale => (scale.Min, scale.Max))
            .SingleOrDefault((process.Spec.Replicas ?? 1, process.Spec.Replicas ?? 1));

    private static object? InitialDatabaseOf(OperatedServer cluster) =>
        cluster.Spec["bootstrap"] is IDictionary<object, object> bootstrap
            && bootstrap["initdb"] is IDictionary<object, object> initial ? initial["database"] : null;

    // The Secrets that an overlay makes, with their keys.
    private static Dictionary<string, string[]> SecretsOf(Manifest manifest) => manifest.Folder == Manifest.Demo
        ? JsonSerializer.Deserialize<Dictionary<string, Dictionary<string, string>>>(
            manifest.Settings("demo-secrets").Data["secrets.json"])!
            .ToDictionary(secret => secret.Key, secret => secret.Value.Keys.ToArray())
        : manifest.Of<ExternalSecret>().ToDictionary(secret => secret.Spec.Target.Name,
            secret => secret.Spec.Data.Select(entry => entry.SecretKey).ToArray());

    [GeneratedRegex(@":\d+(\.\d+)*$")]
    private static partial Regex FixedTag();

    [GeneratedRegex("^[a-z.]+/concertsaga/[a-z]+@sha256:[0-9a-f]{64}$")]
    private static partial Regex Digest();

    [GeneratedRegex("-[a-z0-9]{10}$")]
    private static partial Regex HashedName();

    [GeneratedRegex("Secret|Password|ConnectionStrings|Key$", RegexOptions.IgnoreCase)]
    private static partial Regex SecretName();
}
