using System.CommandLine;

namespace ConcertSaga.Benchmarks.Sagas;

/// <summary>What one run of <c>saga</c> measures.</summary>
internal sealed record SagaPlan(
    string[] Variants, int Rounds, int Sagas, int Warm, int[] Rates, int Seconds, int Concurrency, bool Quorum, bool Sweep, int SoakMinutes, bool Write)
{
    /// <summary>How long ours remembers a message in a soak, so that one of minutes shows what an inbox of hours does.</summary>
    public const int SoakMemorySeconds = 60;
}

internal static class SagaCommand
{
    public static Command Create()
    {
        var rounds = Positive("--rounds", "Rounds; every variant runs in each, one after the other.", 5);
        var sagas = Positive("--sagas", "Sagas of a burst.", 3000);
        var warm = Positive("--warm", "Sagas each process runs before it is measured.", 1500);
        var seconds = Positive("--seconds", "How long a steady load lasts.", 20);
        var concurrency = Positive("--concurrency", "Messages an endpoint handles at the same time.", 64);
        var rates = new Option<int[]>("--rate")
        {
            Description = "Starts per second of a steady load, 0 for none; may be given several times.",
            DefaultValueFactory = _ => [10, 50],
            AllowMultipleArgumentsPerToken = true
        };
        Between(rates, 0, 10_000);
        var only = new Option<string[]>("--only")
        {
            Description = "The variants; may be given several times.",
            DefaultValueFactory = _ => [SagaVariants.Ours, SagaVariants.Bare],
            AllowMultipleArgumentsPerToken = true
        };
        only.AcceptOnlyFromAmong(SagaVariants.Kinds);
        var queues = new Option<string>("--queues") { Description = "The kind of queue.", DefaultValueFactory = _ => "classic" };
        queues.AcceptOnlyFromAmong("classic", "quorum");
        var sweep = new Option<bool>("--sweep") { Description = "Bursts of ours at concurrency 1, 2, 4, 8, 16 and 32 instead." };
        var soak = new Option<int>("--soak")
        {
            Description = $"Minutes at one --rate instead, ours only, with an inbox of {SagaPlan.SoakMemorySeconds} s: does anything grow?",
            DefaultValueFactory = _ => 0
        };
        Between(soak, 0, 24 * 60);
        var write = new Option<bool>("--write") { Description = "Writes the result into docs/performance.md and docs/images." };

        var command = new Command("saga", "A saga of seven messages and three steps over RabbitMQ and PostgreSQL: ours, and beside it the limit.")
        {
            rounds, sagas, warm, rates, seconds, only, queues, concurrency, sweep, soak, write
        };
        command.SetAction((parsed, cancellation) => SagaBenchmark.RunAsync(
            new SagaPlan([.. parsed.GetValue(only)!.Distinct()], parsed.GetValue(rounds), parsed.GetValue(sagas), parsed.GetValue(warm),
                [.. parsed.GetValue(rates)!.Where(rate => rate > 0)], parsed.GetValue(seconds), parsed.GetValue(concurrency),
                parsed.GetValue(queues) == "quorum", parsed.GetValue(sweep), parsed.GetValue(soak), parsed.GetValue(write)), cancellation));
        return command;
    }

    public static Option<int> Positive(string name, string description, int otherwise)
    {
        var option = new Option<int>(name) { Description = description, DefaultValueFactory = _ => otherwise };
        Between(option, 1, 1_000_000);
        return option;
    }

    private static void Between(Option option, int least, int most) => option.Validators.Add(result =>
    {
        if (result.Tokens.Any(token => !int.TryParse(token.Value, out var number) || number < least || number > most))
            result.AddError($"{option.Name} is {string.Join(' ', result.Tokens)}; allowed: {least} to {most}.");
    });
}
