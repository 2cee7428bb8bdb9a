using System.CommandLine;

namespace ConcertSaga.Benchmarks.Sagas;

/// <summary>Parameters of one run of <c>saga</c>.</summary>
internal sealed record SagaPlan(
    string[] Variants, int Rounds, int Sagas, int Warm, int[] Rates, int Seconds, int Concurrency, bool Quorum, bool Sweep, int SoakMinutes,
        bool Write)
{
    /// <summary>Deduplication window of ours in a soak: a soak of minutes then shows the behaviour of an inbox of hours.</summary>
    public const int SoakMemorySeconds = 60;

    /// <summary>Whether the program of MassTransit's documentation is measured.</summary>
    public bool IsDocumented => Variants.Contains(SagaVariantFactory.Documented);
}

internal static class SagaCommand
{
    public static Command Create()
    {
        var rounds = Positive("--rounds", "Rounds; the variants take turns in each.", 5);
        var sagas = Positive("--sagas", "Sagas of a burst.", 3000);
        var warm = Positive("--warm", "Sagas each process runs to warm up.", 1500);
        var seconds = Positive("--seconds", "Seconds of a steady load.", 20);
        var concurrency = Positive("--concurrency", "Messages an endpoint handles at the same time.", 64);
        var rates = Numbers("--rate", "Starts per second of a steady load, 0 for none; repeatable.", 0, 10_000, 10, 50);
        var only = new Option<string[]>("--only")
        {
            Description = "Variants; repeatable. The documented one runs with 16 and with 64 handlers, beside bare.",
            DefaultValueFactory = _ => [SagaVariantFactory.Ours, SagaVariantFactory.Bare],
            AllowMultipleArgumentsPerToken = true
        };
        only.AcceptOnlyFromAmong(SagaVariantFactory.Kinds);
        var queues = new Option<string>("--queues") { Description = "The kind of queue.", DefaultValueFactory = _ => "classic" };
        queues.AcceptOnlyFromAmong("classic", "quorum");
        var sweep = new Option<bool>("--sweep") { Description = "Instead: bursts of ours at concurrency 1, 2, 4, 8, 16 and 32." };
        var soak = new Option<int>("--soak")
        {
            Description =
                $"Instead: this many minutes of ours at one --rate, with an inbox of {SagaPlan.SoakMemorySeconds} s, to find growth.",
            DefaultValueFactory = _ => 0
        };
        Between(soak, 0, 24 * 60);
        var write = new Option<bool>("--write") { Description = "Writes the result into docs/performance.md and docs/images." };

        var command = new Command("saga", "A saga of seven messages and three steps over RabbitMQ and PostgreSQL: ours beside the limit.")
        {
            rounds, sagas, warm, rates, seconds, only, queues, concurrency, sweep, soak, write
        };
        command.SetAction((parsed, cancellation) => SagaBenchmark.RunAsync(
            new SagaPlan([.. parsed.GetValue(only)!.Distinct()], parsed.GetValue(rounds), parsed.GetValue(sagas), parsed.GetValue(warm),
                [.. parsed.GetValue(rates)!.Where(rate => rate > 0)], parsed.GetValue(seconds), parsed.GetValue(concurrency),
                parsed.GetValue(queues) == "quorum", parsed.GetValue(sweep), parsed.GetValue(soak), parsed.GetValue(write)), cancellation));
        return command;
    }

    public static Option<int> Positive(string name, string description, int value)
    {
        var option = new Option<int>(name) { Description = description, DefaultValueFactory = _ => value };
        Between(option, 1, 1_000_000);
        return option;
    }

    public static Option<int[]> Numbers(string name, string description, int min, int max, params int[] values)
    {
        var option = new Option<int[]>(name)
        {
            Description = description,
            DefaultValueFactory = _ => values,
            AllowMultipleArgumentsPerToken = true
        };
        Between(option, min, max);
        return option;
    }

    private static void Between(Option option, int min, int max) => option.Validators.Add(result =>
    {
        if (result.Tokens.Any(token => !int.TryParse(token.Value, out var number) || number < min || number > max))
            result.AddError($"{option.Name} is {string.Join(' ', result.Tokens)}; allowed: {min} to {max}.");
    });
}
