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
/// <c>kill -9</c> under load, again and again, of one part or of several at the same moment. <c>CONCERT_TEST_SEED</c> repeats a run's choices; <c>CONCERT_TEST_KILLS</c> makes it longer.
/// </summary>
[Trait("Category", "RunOnce")]
public sealed class KillTests(SystemFixture systems, PostgreSqlServer database, RabbitMqServer broker, ITestOutputHelper output)
{
    private static readonly (string, string)[] Settings =
    [
        ("Reservation:HoldDuration", "00:00:08"), ("Reservation:StepTimeout", "00:00:02"),
        // What a killed relay had taken is free again before the books are looked at.
        ("DataPlatform:LeaseDuration", "00:00:10"), ("DataPlatform:Timeout", "00:00:03"), ("DataPlatform:BreakerPause", "00:00:01")
    ];

    [Theory]
    [InlineData(SystemKind.Embedded, 8)]
    [InlineData(SystemKind.Cluster, 12)]
    public async Task AnyPart_KilledUnderLoad_EveryPromiseIsKept(SystemKind kind, int kills)
    {
        var seed = Number("CONCERT_TEST_SEED", Random.Shared.Next());
        kills = Number("CONCERT_TEST_KILLS", kills);
        output.WriteLine($"{kind}: CONCERT_TEST_SEED={seed} CONCERT_TEST_KILLS={kills}");
        var random = new Random(seed);
        var system = await systems.GetAsync(kind, database, broker, Settings);
        var leftByOthers = (await Books.ReadStatesAsync(system)).Keys.ToHashSet();
        var watch = Stopwatch.StartNew();
        using var shoppers = await Shoppers.StartAsync(system, people: 12, dates: 2, seed);

        foreach (var parts in Victims(system, random).Take(kills))
        {
            var names = string.Join(" and ", parts);
            // The system works before each kill; the moment itself is any.
            var before = shoppers.Accepted;
            await Eventually.TrueAsync(() => shoppers.Accepted >= before + 5, TimeSpan.FromSeconds(60), $"reservations are accepted before {names} is killed");
            await Task.Delay(random.Next(1000));
            var killed = watch.Elapsed;
            await Task.WhenAll(parts.Select(system.KillAsync));
            // Servers first: a process is ready only when its database is.
            foreach (var part in system.Parts.Reverse().Where(parts.Contains))
                await system.StartAsync(part);
            output.WriteLine($"{killed.TotalSeconds:0.0} s: killed {names}, ready again at {watch.Elapsed.TotalSeconds:0.0} s, {shoppers.Accepted} reservations so far");
        }
        output.WriteLine(await shoppers.CloseAsync());

        var books = await Auditor.CheckAsync(system, TimeSpan.FromSeconds(60), mayWait: leftByOthers);
        shoppers.Check(books);
        output.WriteLine($"{kind}: {kills} kills in {watch.Elapsed.TotalSeconds:0} s");
    }

    // All parts in random order, then again in another; after every second one, on average, up to three at the same moment.
    private static IEnumerable<string[]> Victims(ISystem system, Random random)
    {
        while (true)
        {
            string[] parts = [.. system.Parts];
            random.Shuffle(parts);
            foreach (var part in parts)
            {
                yield return [part];
                if (parts.Length > 1 && random.Next(2) == 0)
                    yield return [.. random.GetItems(parts, 3).Distinct()];
            }
        }
    }

    private static int Number(string variable, int otherwise) =>
        Environment.GetEnvironmentVariable(variable) is { Length: > 0 } text ? int.Parse(text, CultureInfo.InvariantCulture) : otherwise;
}
