namespace ConcertSaga.Simulation.Tests;

/// <summary>
/// The saga, the booking call and the consumers of all services keep every promise, however their statements and messages interleave and
/// whichever process is killed. A failure prints its seed and the shortest story.
/// </summary>
public sealed class SimulationTests(ITestOutputHelper output)
{
    /// <summary>Seconds for new seeds, if another time is needed than that of every commit.</summary>
    private const string TimeVariable = "CONCERT_SIMULATION_SECONDS";

    // A minute is enough, unless the machine is busy.
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(3);

    [Fact]
    public Task Reservations_UnderAnyInterleaving_KeepEveryPromise() => PlayAsync(world => new Story(world));

    [Fact]
    public Task WaitingRooms_UnderAnyInterleaving_KeepEveryPromise() => PlayAsync(world => new RoomStory(world));

    [Theory]
    [InlineData(Protection.IdempotencyKey, 1)]
    [InlineData(Protection.DecisionRow, 1)]
    [InlineData(Protection.Tombstone, 1)]
    [InlineData(Protection.VersionCheck, 1)]
    // From 1 it takes 1,152 stories, about 40 seconds.
    [InlineData(Protection.AttemptNumber, 1_100)]
    [InlineData(Protection.DueAdmission, 1)]
    public async Task Protection_TakenAway_IsMissed(Protection protection, int firstSeed)
    {
        var (found, stories, _) = await Task.Run(() => Simulator.Run(
            world => protection == Protection.DueAdmission ? new RoomStory(world) : new Story(world), protection, firstSeed, Limit));

        Assert.True(found is not null, $"{stories} stories need no {protection}");
        output.WriteLine($"after {stories} stories, {found}");
    }

    private async Task PlayAsync(Func<World, IStory> begin)
    {
        var seconds = int.Parse(Environment.GetEnvironmentVariable(TimeVariable)
            ?? "10", System.Globalization.CultureInfo.InvariantCulture);
        var seed = Random.Shared.Next(1_000_000_000);

        // The thread of a test would continue flows on other threads.
        var (found, stories, choices) = await Task.Run(() => Simulator.Run(begin, Protection.None, seed, TimeSpan.FromSeconds(seconds)));

        output.WriteLine($"{stories} stories of {choices} choices from seed {seed}");
        Assert.True(found is null, found?.ToString());
        Assert.True(stories > 0);
    }
}
