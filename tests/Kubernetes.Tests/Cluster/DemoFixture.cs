using System.Diagnostics;
using System.Net.Security;
using System.Net.Sockets;
using ConcertSaga.EndToEnd.Tests.Client;
using ConcertSaga.Kubernetes.Tests.Cluster;
using ConcertSaga.Kubernetes.Tests.Manifests;
using ConcertSaga.Testing;

[assembly: AssemblyFixture(typeof(DemoFixture))]

namespace ConcertSaga.Kubernetes.Tests.Cluster;

/// <summary>
/// Installs the demo on the cluster of <c>KUBECONFIG</c>, for the first test that needs it. <c>CONCERT_TEST_CLUSTER</c> names the folder of
/// <c>Cluster</c> to apply: <c>outside</c>, or <c>debian</c>. Without it, such tests are skipped. An existing namespace is deleted.
/// </summary>
public sealed class DemoFixture
{
    private const string Setting = "CONCERT_TEST_CLUSTER";

    private DemoSystem? _system;

    /// <summary>How long it took from the command to a sold seat.</summary>
    internal TimeSpan UntilSold { get; private set; }

    /// <summary>Returns the running demo.</summary>
    internal async Task<DemoSystem> GetAsync() => _system ??= await InstallAsync(Repository.Root);

    /// <summary>Replaces the demo by that of another version.</summary>
    /// <param name="repository">The root of the repository in that version.</param>
    internal async Task<DemoSystem> ReplaceAsync(string repository) => _system = await InstallAsync(repository);

    /// <summary>
    /// Applies the product in another version. The data platform of the demo stays: it is outside, and keeps events in memory.
    /// </summary>
    internal static Task UpgradeAsync(string repository) =>
        ApplyAsync(repository, document => !(document.Contains("kind: Deployment\n", StringComparison.Ordinal)
            && document.Contains("\n  name: receiver\n", StringComparison.Ordinal)));

    private static async Task ApplyAsync(string repository, Func<string, bool> isApplied)
    {
        var folder = FolderOfCluster();
        var documents = string.Join("\n---\n", Kubectl.Build(Path.Combine(repository, "tests/Kubernetes.Tests/Cluster", folder))
            .Split("\n---\n").Where(isApplied));
        await ClusterCommands.ApplyAsync(folder == "debian" ? await ForOldClusterAsync(documents) : documents);
    }

    private async Task<DemoSystem> InstallAsync(string repository)
    {
        var folder = FolderOfCluster();
        await ClusterCommands.RunAsync("delete", "namespace", ClusterCommands.Namespace, "--ignore-not-found", "--timeout=2m");
        if (folder == "debian")
            await ClearVolumesAsync();

        var watch = Stopwatch.StartNew();
        await ApplyAsync(repository, _ => true);
        await ClusterCommands.RunAsync("wait", "deployment", "--all", "--for=condition=Available", "--timeout=5m");
        var system = await DemoSystem.FindAsync();
        Answer? sold = null;
        await Eventually.TrueAsync(async () =>
        {
            var customer = await Customer.SignInAsync(system, points: 500_000);
            sold = await customer.ReserveAsync(system.Seats.Take(2), pay: true, prefer: "wait=10");
            return sold.Status == 201 && sold.ReservationStatus == "Confirmed";
        }, TimeSpan.FromMinutes(1), "a seat is sold");
        UntilSold = watch.Elapsed;
        return system;
    }

    private static string FolderOfCluster()
    {
        var folder = Environment.GetEnvironmentVariable(Setting) ?? "";
        Assert.SkipWhen(folder == "", $"{Setting} is not set, so there is no cluster that these tests may use.");
        return folder;
    }

    private static async Task ClearVolumesAsync()
    {
        foreach (var owner in new[] { "postgresql", "rabbitmq" })
        {
            await ClusterCommands.RunAsync("delete", "persistentvolume", $"concertsaga-{owner}", "--ignore-not-found");
            var data = $"/var/tmp/concertsaga-{owner}";
            if (Directory.Exists(data))
                Directory.Delete(data, recursive: true);
            Directory.CreateDirectory(data);
            // The servers create folders of their own below it.
            Assert.Equal(0, Kubectl.Run("chmod", "777", data).Code);
        }
    }

    // Kubernetes 1.20 has an older version of budgets, and the cluster does not publish the certificate of its API.
    private static async Task<string> ForOldClusterAsync(string documents)
    {
        var server = new Uri(await ClusterCommands.RunAsync("config", "view", "--minify", "--output",
            "jsonpath={.clusters[0].cluster.server}"));
        return documents.Replace("apiVersion: policy/v1\n", "apiVersion: policy/v1beta1\n", StringComparison.Ordinal)
            .Replace("name: kube-root-ca.crt", "name: api-authority", StringComparison.Ordinal)
            + $"""

            ---
            apiVersion: v1
            kind: ConfigMap
            metadata: {"{"} name: api-authority, namespace: {ClusterCommands.Namespace} {"}"}
            data:
              ca.crt: "{(await AuthorityOfAsync(server)).Replace("\n", "\\n", StringComparison.Ordinal)}"
            """;
    }

    private static async Task<string> AuthorityOfAsync(Uri server)
    {
        var authority = "";
        using var connection = new TcpClient();
        await connection.ConnectAsync(server.Host, server.Port);
        await using var secure = new SslStream(connection.GetStream(), leaveInnerStreamOpen: false, (_, _, chain, _) =>
        {
            authority = chain?.ChainElements[^1].Certificate.ExportCertificatePem() ?? "";
            return authority != "";
        });
        await secure.AuthenticateAsClientAsync(server.Host);
        return authority;
    }
}
