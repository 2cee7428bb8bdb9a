using System.Diagnostics;
using ConcertSaga.EndToEnd.Tests.Client;
using ConcertSaga.EndToEnd.Tests.Invariants;
using ConcertSaga.Testing;

namespace ConcertSaga.Kubernetes.Tests.Cluster;

/// <summary>
/// Operates the demo on a cluster while customers book. The figures are those of <c>docs/reliability.md</c>. Those with the trait
/// <c>Form=Brief</c> are the short form.
/// </summary>
[Trait("Category", "Cluster")]
public sealed class ClusterTests(DemoFixture demo, ITestOutputHelper output)
{
    // Of a request that a process may have to answer with 503, with a reserve for two busy cores.
    private static readonly TimeSpan MaxAnswerTime = TimeSpan.FromSeconds(35);

    private static readonly TimeSpan Settling = TimeSpan.FromMinutes(1);

    [Fact, Trait("Form", "Brief")]
    public async Task Demo_OnAnEmptyCluster_SellsASeatWithinFiveMinutes()
    {
        await demo.GetAsync();

        output.WriteLine($"a seat was sold {demo.UntilSold.TotalSeconds:0} s after kubectl apply");
        Assert.True(demo.UntilSold < TimeSpan.FromMinutes(5), demo.UntilSold.ToString());
    }

    [Fact]
    public async Task Rollout_OfEveryProcess_FailsNoRequest() => await RollAsync((await demo.GetAsync()).Parts);

    [Fact, Trait("Form", "Brief")]
    public Task Rollout_OfTwoProcesses_FailsNoRequest() => RollAsync(["gateway", "seats"]);

    /// <summary>The only node cannot start other pods while it is drained, so the budgets must keep one of each process.</summary>
    [Fact]
    public async Task Pods_OfTwoReplicas_AreDeletedDrainedAndScaledDownWithoutAFailedRequest()
    {
        var system = await demo.GetAsync();
        var node = (await ClusterCommands.RunAsync("get", "nodes", "--output", "name")).Trim().Split('/')[1];

        await UnderLoadAsync(system, mayFail: false, async () =>
        {
            await system.ScaleAsync(2);
            foreach (var part in system.Parts)
            {
                await ClusterCommands.RunAsync("delete", "--wait=false", (await ClusterCommands.PodsAsync(part))[0]);
                await ClusterCommands.AwaitRolloutAsync($"deployment/{part}");
            }
            try
            {
                var (code, _, error) = await ClusterCommands.TryAsync("drain", node,
                    $"--pod-selector=app.kubernetes.io/name in ({string.Join(',', system.Parts)})", "--ignore-daemonsets",
                    "--delete-emptydir-data", "--timeout=30s");
                Assert.True(code != 0 && error.Contains("disruption budget", StringComparison.Ordinal), error);
                foreach (var part in system.Parts)
                    Assert.Equal("1", await ClusterCommands.RunAsync(
                        "get", "deployment", part, "--output", "jsonpath={.status.readyReplicas}"));
            }
            finally
            {
                await ClusterCommands.RunAsync("uncordon", node);
            }
            foreach (var part in system.Parts)
                await ClusterCommands.AwaitRolloutAsync($"deployment/{part}");
            await system.ScaleAsync(1);
        });
    }

    [Fact]
    public async Task Processes_BehindTheGatewayKilledTogether_LoseNothing()
    {
        var system = await demo.GetAsync();
        string[] parts = [.. system.Parts.Where(part => part != "gateway")];

        await UnderLoadAsync(system, mayFail: true, async () =>
        {
            await Task.WhenAll(parts.Select(system.KillAsync));
            foreach (var part in parts)
                await system.StartAsync(part);
        });
    }

    [Theory, Trait("Form", "Brief")]
    [InlineData("rabbitmq")]
    [InlineData("postgresql")]
    public async Task Server_Killed_RequestsGetA503AndNothingIsLost(string server)
    {
        var system = await demo.GetAsync();

        await UnderLoadAsync(system, mayFail: true, async () =>
        {
            await system.KillAsync(server);
            await system.StartAsync(server);
        });
    }

    /// <summary>
    /// The version in <c>CONCERT_TEST_OLDER</c>, a folder that <c>.ci/cluster</c> makes, is upgraded under load: migrations run beside it,
    /// and its processes are replaced, all at once. Then it comes back, with the newer schema.
    /// </summary>
    [Fact]
    public async Task Version_UpgradedAndRolledBack_LosesNothing()
    {
        var older = Environment.GetEnvironmentVariable("CONCERT_TEST_OLDER") ?? "";
        Assert.SkipWhen(older == "", "CONCERT_TEST_OLDER is not set, so there is no older version.");
        var system = await demo.ReplaceAsync(older);
        var before = await MigrationsAsync(system);

        await UnderLoadAsync(system, mayFail: true, () => ReplaceAsync(Repository.Root));
        var after = await MigrationsAsync(system);
        Assert.True(after > before, "The older version has the same schema.");
        await UnderLoadAsync(system, mayFail: true, () => ReplaceAsync(older));
        Assert.Equal(after, await MigrationsAsync(system));
        await UnderLoadAsync(system, mayFail: true, () => ReplaceAsync(Repository.Root));

        output.WriteLine($"{after - before} migrations");

        async Task ReplaceAsync(string repository)
        {
            await DemoFixture.UpgradeAsync(repository);
            foreach (var part in system.Parts)
                await ClusterCommands.AwaitRolloutAsync($"deployment/{part}", seconds: 300);
        }
    }

    private static async Task<long> MigrationsAsync(DemoSystem system)
    {
        var count = 0L;
        foreach (var owner in DemoSystem.Owners)
        {
            await using var database = await system.OpenAsync(owner);
            await using var command = database.CreateCommand();
            command.CommandText = """SELECT count(*) FROM "__EFMigrationsHistory" """;
            count += (long)(await command.ExecuteScalarAsync())!;
        }
        return count;
    }

    private async Task RollAsync(IReadOnlyList<string> processes)
    {
        var system = await demo.GetAsync();
        await using var streams = await StreamWatch.StartAsync(system);

        await UnderLoadAsync(system, mayFail: false, async () =>
        {
            foreach (var parts in processes.Chunk(2))
            {
                await ClusterCommands.RunAsync(["rollout", "restart", .. parts.Select(part => $"deployment/{part}")]);
                foreach (var part in parts)
                    await ClusterCommands.AwaitRolloutAsync($"deployment/{part}");
            }
            // The old gateway closes the stream when it has drained.
            await Eventually.TrueAsync(() => streams.Opened > 1, TimeSpan.FromSeconds(60), "the stream has moved to the new gateway");
        });

        output.WriteLine($"{streams.Opened} event streams one after the other");
    }

    // If requests may fail, then with 503 and in time.
    private async Task UnderLoadAsync(DemoSystem system, bool mayFail, Func<Task> operate)
    {
        var leftByOthers = (await Books.ReadStatesAsync(system)).Keys.ToHashSet();
        var watch = Stopwatch.StartNew();
        using var shoppers = await ShopperCrowd.StartAsync(system, customers: 6, schedules: 1, seed: Random.Shared.Next());
        await Eventually.TrueAsync(() => shoppers.Accepted >= 5, Settling, "reservations are accepted before");

        await operate();

        var operated = watch.Elapsed;
        var before = shoppers.Accepted;
        await Eventually.TrueAsync(() => shoppers.Accepted >= before + 5, Settling, "reservations are accepted afterwards");
        output.WriteLine($"{operated.TotalSeconds:0} s: {await shoppers.CloseAsync()}");
        foreach (var failure in shoppers.Failures.GroupBy(failure => failure))
            output.WriteLine($"{failure.Count()} × {failure.Key}");
        string[] failed = [.. shoppers.Failures.Where(failure => !(mayFail && failure.StartsWith("503 ", StringComparison.Ordinal)))];
        Assert.True(failed.Length == 0, string.Join('\n', failed));
        Assert.True(shoppers.Slowest < MaxAnswerTime, $"An answer took {shoppers.Slowest}.");
        shoppers.Check(await Auditor.CheckAsync(system, Settling, mayWait: leftByOthers));
    }
}
