using ConcertSaga.Kubernetes.Tests.Manifests;

namespace ConcertSaga.Kubernetes.Tests.Cluster;

/// <summary>Runs the <c>kubectl</c> of the search path, which fits the cluster, in the namespace of the product.</summary>
internal static class ClusterCommands
{
    /// <summary>The namespace of the product.</summary>
    public const string Namespace = "concertsaga";

    /// <summary>Returns the output of a command that succeeds.</summary>
    public static async Task<string> RunAsync(params string[] arguments)
    {
        var (code, output, error) = await TryAsync(arguments);
        return code == 0 ? output
            : throw new InvalidOperationException($"kubectl {string.Join(' ', arguments)} ended with {code}: {error}");
    }

    /// <summary>Returns the result of a command that may fail.</summary>
    public static Task<(int Code, string Output, string Error)> TryAsync(params string[] arguments) =>
        Task.Run(() => Kubectl.Run("kubectl", ["--namespace", Namespace, .. arguments]));

    /// <summary>Applies documents.</summary>
    public static async Task ApplyAsync(string documents)
    {
        var file = Path.GetTempFileName();
        try
        {
            await File.WriteAllTextAsync(file, documents);
            // An old cluster drops the fields that it does not know.
            await RunAsync("apply", "--validate=false", "--filename", file);
        }
        finally
        {
            File.Delete(file);
        }
    }

    /// <summary>The names of the pods of a workload.</summary>
    public static async Task<string[]> PodsAsync(string workload) =>
        (await RunAsync("get", "pods", "--selector", $"app.kubernetes.io/name={workload}", "--output", "name")).Split('\n',
            StringSplitOptions.RemoveEmptyEntries);

    /// <summary>Waits until a rollout has ended.</summary>
    public static Task<string> AwaitRolloutAsync(string workload, int seconds = 120) =>
        RunAsync("rollout", "status", workload, $"--timeout={seconds}s");
}
