using System.Diagnostics;

namespace ConcertSaga.Simulation.Tests;

/// <summary>A broken promise, with the shortest story that breaks it.</summary>
internal sealed record Violation(int Seed, string Text, IReadOnlyList<string> Story)
{
    public override string ToString() => $"seed {Seed}: {Text}\n  {string.Join("\n  ", Story)}";
}

/// <summary>Plays stories from seeds.</summary>
internal static class Simulator
{
    private const int StoriesOfAWorld = 300;

    private static readonly TimeSpan ShorteningTime = TimeSpan.FromSeconds(20);

    /// <summary>Plays one story after the other until one fails or the time is over.</summary>
    /// <returns>The violation; null if there is none. And the number of stories and choices.</returns>
    public static (Violation? Found, int Stories, long Choices) Run(
        Func<World, IStory> begin, Protection removed, int firstSeed, TimeSpan time)
    {
        var watch = Stopwatch.StartNew();
        var (stories, choices) = (0, 0L);
        while (watch.Elapsed < time)
        {
            using var world = new World(removed);
            for (var i = 0; i < StoriesOfAWorld && watch.Elapsed < time; i++, stories++)
            {
                var seed = firstSeed + stories;
                var story = ChoicesOf(seed);
                choices += story.Count;
                if (Play(begin(world), story).Violation is not null)
                    return (Shorten(begin, removed, seed, story), stories + 1, choices);
            }
        }
        return (null, stories, choices);
    }

    private static List<(int Kind, int Index)> ChoicesOf(int seed)
    {
        var random = new Random(seed);
        // Every second story is mainly about payments that are refused, repeated and late.
        int[] favoured = seed % 2 == 0 ? [] : [Story.Repeats, Story.Passes, Story.Pays, Story.Pays, Story.Charges];
        return [.. Enumerable.Range(0, random.Next(60, 400)).Select(_ => (Kind(), random.Next(100_000)))];

        int Kind() => favoured.Length > 0 && random.Next(3) == 0 ? favoured[random.Next(favoured.Length)] : random.Next(100);
    }

    private static (string? Violation, IReadOnlyList<string> Log) Play(IStory played, List<(int Kind, int Index)> choices)
    {
        using var story = played;
        try
        {
            foreach (var (kind, index) in choices)
                story.Play(kind, index);
            story.End();
            return (null, story.Log);
        }
        catch (ViolationException violation)
        {
            return (violation.Message, story.Log);
        }
    }

    // Leaves out ever smaller parts that the violation does not need.
    private static Violation Shorten(
        Func<World, IStory> begin, Protection removed, int seed, List<(int Kind, int Index)> choices)
    {
        var watch = Stopwatch.StartNew();
        using var world = new World(removed);
        var (text, log) = Play(begin(world), choices);
        for (var size = choices.Count / 2; size >= 1; size /= 2)
        {
            for (var start = 0; start < choices.Count && watch.Elapsed < ShorteningTime;)
            {
                var shorter = choices.Where((_, index) => index < start || index >= start + size).ToList();
                if (Play(begin(world), shorter) is { Violation: { } violation } found)
                    (choices, text, log) = (shorter, violation, found.Log);
                else
                    start += size;
            }
        }
        return new Violation(seed, text ?? "not repeated", log);
    }
}
