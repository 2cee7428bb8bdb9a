using System.Diagnostics;
using System.Globalization;
using ConcertSaga.EndToEnd.Tests.Client;
using ConcertSaga.EndToEnd.Tests.Invariants;
using ConcertSaga.EndToEnd.Tests.Systems;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Servers;
using Xunit;

namespace ConcertSaga.EndToEnd.Tests;

/// <summary>
/// Kills one part or several at once under load, repeatedly: customers buy, and operators intervene. <c>CONCERT_TEST_SEED</c> repeats the
/// choices of a run; <c>CONCERT_TEST_KILLS</c> sets the number of kills.
/// </summary>
[Trait("Part", "Faults")]
public sealed class KillTests(SystemFixture systems, PostgreSqlServer database, RabbitMqServer broker, ITestOutputHelper output)
{
    // How many parts die at once. Together they are the ten parts of the cluster.
    private static readonly int[] GroupSizes = [1, 2, 1, 3, 1, 2];

    [Theory]
    [InlineData(SystemKind.Embedded, 5)]
    [InlineData(SystemKind.Cluster, 6)]
    public async Task AnyPart_KilledUnderLoad_EveryPromiseIsKept(SystemKind kind, int kills)
    {
        var seed = Number("CONCERT_TEST_SEED", Random.Shared.Next());
        kills = Number("CONCERT_TEST_KILLS", kills);
        output.WriteLine($"{kind}: CONCERT_TEST_SEED={seed} CONCERT_TEST_KILLS={kills}");
        var random = new Random(seed);
        var system = await systems.GetAsync(kind, database, broker,
            [.. Settings.OfFaults, Settings.ShortHold, ("Reservation:StepTimeout", "00:00:02")]);
        Assert.True(system.Parts.Count is 1 || system.Parts.Count == GroupSizes.Sum(), "Change the sizes of the groups, and the kills.");
        var leftByOthers = (await Books.ReadStatesAsync(system)).Keys.ToHashSet();
        var watch = Stopwatch.StartNew();
        using var shoppers = await ShopperCrowd.StartAsync(system, customers: 8, schedules: 2, seed);
        using var operators = await OperatorCrowd.StartAsync(system, shoppers.Schedules, operators: 2, seed);

        foreach (var parts in Victims(system, random).Take(kills))
        {
            var names = string.Join(" and ", parts);
            // The system works before each kill. The exact moment is random.
            var before = shoppers.Accepted;
            await Eventually.TrueAsync(() => shoppers.Accepted >= before + 5, TimeSpan.FromSeconds(60),
                $"reservations are accepted before {names} is killed");
            await Task.Delay(random.Next(1000));
            var killed = watch.Elapsed;
            await Task.WhenAll(parts.Select(system.KillAsync));
            // Servers start first, because a process is ready only when its database is.
            await Task.WhenAll(parts.Where(ClusterSystem.IsServer).Select(system.StartAsync));
            await Task.WhenAll(parts.Where(part => !ClusterSystem.IsServer(part)).Select(system.StartAsync));
            output.WriteLine(
                $"{killed.TotalSeconds:0.0} s: killed {names}, ready again at {watch.Elapsed.TotalSeconds:0.0} s, {shoppers.Accepted} "
                    + $"reservations so far");
        }
        output.WriteLine(await shoppers.CloseAsync());
        await operators.CloseAsync();

        var books = await Auditor.CheckAsync(system, TimeSpan.FromSeconds(60), mayWait: leftByOthers);
        shoppers.Check(books);
        output.WriteLine(await operators.CheckAsync(books));
        Assert.Empty(await InvariantChecks.RunAsync(system));
        output.WriteLine($"{kind}: {kills} kills in {watch.Elapsed.TotalSeconds:0} s");
    }

    // Yields all parts in random order, in groups, repeatedly.
    private static IEnumerable<string[]> Victims(ISystem system, Random random)
    {
        while (true)
        {
            string[] parts = [.. system.Parts];
            random.Shuffle(parts);
            var first = 0;
            foreach (var size in GroupSizes.TakeWhile(_ => first < parts.Length))
            {
                yield return parts[first..(first + size)];
                first += size;
            }
        }
    }

    private static int Number(string variable, int otherwise) =>
        Environment.GetEnvironmentVariable(variable) is { Length: > 0 } text ? int.Parse(text, CultureInfo.InvariantCulture) : otherwise;
}
