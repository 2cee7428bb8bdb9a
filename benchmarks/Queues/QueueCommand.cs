using System.CommandLine;
using System.Globalization;
using ConcertSaga.Benchmarks.Sagas;

namespace ConcertSaga.Benchmarks.Queues;

/// <summary>What one run of <c>queue</c> simulates.</summary>
/// <param name="People">Who enter.</param>
/// <param name="Minutes">How long the sale is open.</param>
/// <param name="Vanish">The share of people who are gone when it is their turn.</param>
/// <param name="Capacity">Slots.</param>
/// <param name="StaySeconds">How long a person is inside on average until the reservation is paid.</param>
/// <param name="WindowSeconds">How long an offer is good.</param>
/// <param name="Write">Whether the result goes into the document.</param>
internal sealed record QueuePlan(int People, double Minutes, double Vanish, int Capacity, double StaySeconds, int WindowSeconds, bool Write)
{
    /// <summary>Of the demo data.</summary>
    public const int ConcertId = 1;

    /// <summary>So many wait while a poll is measured without a crowd.</summary>
    public const int Few = 10;

    /// <summary>As the product's defaults have it: five batches fill the slots.</summary>
    public int BatchSize => Math.Max(1, Capacity / 5);

    /// <summary>Places from which people are told to come back soon, whatever the crowd: ten batches.</summary>
    public int Near => 10 * BatchSize;

    /// <summary>Those after the first few who enter at the queue service itself, before the sale opens; the rest comes through the gateway while it is open.</summary>
    public int Early => Few + ((int)((People - Few) * 0.95));
}

internal static class QueueCommand
{
    private const double DefaultStay = 180;

    public static Command Create()
    {
        var people = SagaCommand.Positive("--people", "People who enter.", 1_000_000);
        var minutes = Between("--minutes", "How long the sale is open.", 5, 0.1, 600);
        var vanish = Between("--vanish", "The share of people who are gone when it is their turn.", 0.3, 0, 1);
        var capacity = SagaCommand.Positive("--capacity", "How many people can be inside at the same time.", 500);
        var stay = Between("--stay", $"Seconds a person is inside on average; without it {DefaultStay}, or six tenths of a short sale.", 0, 0, 3600);
        var window = SagaCommand.Positive("--window", "Seconds an offer is good.", 60);
        var write = new Option<bool>("--write") { Description = "Writes the result into docs/performance.md." };
        var command = new Command("queue", "A crowd before the waiting room: a real gateway and queue service. Build the solution in Release first.")
        {
            people, minutes, vanish, capacity, stay, window, write
        };
        command.SetAction((parsed, cancellation) =>
        {
            var (open, asked) = (parsed.GetValue(minutes), parsed.GetValue(stay));
            return QueueBenchmark.RunAsync(new QueuePlan(
                Math.Max(parsed.GetValue(people), 10 * QueuePlan.Few), open, parsed.GetValue(vanish), parsed.GetValue(capacity),
                asked > 0 ? asked : Math.Min(DefaultStay, open * 60 * 0.6), parsed.GetValue(window), parsed.GetValue(write)), cancellation);
        });
        return command;
    }

    private static Option<double> Between(string name, string description, double otherwise, double least, double most)
    {
        var option = new Option<double>(name) { Description = description, DefaultValueFactory = _ => otherwise };
        option.Validators.Add(result =>
        {
            if (result.Tokens.Any(token => !double.TryParse(token.Value, CultureInfo.InvariantCulture, out var number) || number < least || number > most))
                result.AddError($"{name} is {string.Join(' ', result.Tokens)}; allowed: {least} to {most}.");
        });
        return option;
    }
}
