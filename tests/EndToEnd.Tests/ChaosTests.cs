using System.Globalization;
using ConcertSaga.EndToEnd.Tests.Chaos;
using ConcertSaga.EndToEnd.Tests.Invariants;
using ConcertSaga.EndToEnd.Tests.Systems;
using Xunit;

namespace ConcertSaga.EndToEnd.Tests;

/// <summary>
/// The short form of <c>benchmarks chaos</c>: two rounds of one seed, or <c>CONCERT_TEST_ROUNDS</c> of <c>CONCERT_TEST_SEED</c>.
/// </summary>
[Trait("Part", "Faults")]
public sealed class ChaosTests(ITestOutputHelper output)
{
    // With a new seed, an old fault could fail an unrelated change.
    private const int Seed = 31;

    [Fact]
    public async Task Cluster_BrokenInEveryWay_KeepsItsPromises()
    {
        foreach (var setting in new[] { "CONCERT_TEST_POSTGRES", "CONCERT_TEST_RABBITMQ" })
            Assert.SkipUnless(string.IsNullOrEmpty(Environment.GetEnvironmentVariable(setting)),
                $"{setting} names a server, which this test must not break.");
        var seed = Number("CONCERT_TEST_SEED", Seed);
        await using var run = new ChaosRun(seed, output.WriteLine);
        while (run.Counts.Rounds < Number("CONCERT_TEST_ROUNDS", 2))
            await run.RunRoundAsync();
    }

    [Fact]
    public void SeatOwnership_TimesThatOverlap_NamesBothReservations()
    {
        var seat = new SeatSelection(1, [7]);
        var (first, second) = (Guid.CreateVersion7(), Guid.CreateVersion7());
        var ownership = new SeatOwnership();
        ownership.Observe(first, seat, 10, 20);
        ownership.Observe(first, seat, 90, 99);
        ownership.Observe(second, new SeatSelection(1, [6, 7]), 95, 110);
        ownership.Observe(second, new SeatSelection(1, [6, 7]), 200, 210);
        Assert.Empty(ownership.FindShared());

        ownership.Observe(second, new SeatSelection(1, [6, 7]), 70, 80);
        Assert.Equal($"Seat 7 of schedule 1 belonged to {first} and {second} at once.", Assert.Single(ownership.FindShared()));
    }

    private static int Number(string variable, int otherwise) =>
        Environment.GetEnvironmentVariable(variable) is { Length: > 0 } text ? int.Parse(text, CultureInfo.InvariantCulture) : otherwise;
}
