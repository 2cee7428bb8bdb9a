using System.CommandLine;
using System.Globalization;
using ConcertSaga.Benchmarks.Sagas;

namespace ConcertSaga.Benchmarks.Queues;

/// <summary>Parameters of one run of <c>queue</c>.</summary>
/// <param name="Customers">Customers who enter.</param>
/// <param name="Minutes">Length of the sale.</param>
/// <param name="Vanish">Share of customers who vanish near the front.</param>
/// <param name="Capacity">Slots.</param>
/// <param name="StaySeconds">Average time from the pass to the payment.</param>
/// <param name="WindowSeconds">Lifetime of an offer.</param>
/// <param name="Write">Whether to write the result into the document.</param>
internal sealed record QueuePlan(int Customers, double Minutes, double Vanish, int Capacity, double StaySeconds, int WindowSeconds,
    bool Write)
{
    /// <summary>A concert of the demo data.</summary>
    public const int ConcertId = 1;

    /// <summary>Customers in the queue while polls are measured without a crowd.</summary>
    public const int Few = 10;

    /// <summary>Five batches fill the slots, as with the product's defaults.</summary>
    public int BatchSize => Math.Max(1, Capacity / 5);

    /// <summary>Up to this position the gateway asks for short pauses between polls, however large the crowd is: ten batches.</summary>
    public int Near => 10 * BatchSize;

    /// <summary>Customers in the queue before the sale opens; the others enter through the gateway during the sale.</summary>
    public int Early => Few + ((int)((Customers - Few) * 0.95));
}

internal static class QueueCommand
{
    private const double DefaultStay = 180;

    public static Command Create()
    {
        var customers = SagaCommand.Positive("--people", "Customers who enter.", 1_000_000);
        var minutes = Between("--minutes", "Minutes the sale is open.", 5, 0.1, 600);
        var vanish = Between("--vanish", "Share of customers who vanish near the front.", 0.3, 0, 1);
        var capacity = SagaCommand.Positive("--capacity", "Slots: customers who can book at the same time.", 500);
        var stay = Between("--stay", $"Average seconds from pass to payment; default {DefaultStay}, or six tenths of a short sale.", 0, 0,
            3600);
        var window = SagaCommand.Positive("--window", "Seconds an offer is valid.", 60);
        var write = new Option<bool>("--write") { Description = "Writes the result into docs/performance.md." };
        var command = new Command(
            "queue", "A crowd in the waiting room, with a real gateway and queue service. Build the solution in Release first.")
        {
            customers, minutes, vanish, capacity, stay, window, write
        };
        command.SetAction((parsed, cancellation) =>
        {
            var open = parsed.GetValue(minutes);
            var given = parsed.GetValue(stay);
            return QueueBenchmark.RunAsync(new QueuePlan(
                Math.Max(parsed.GetValue(customers), 10 * QueuePlan.Few), open, parsed.GetValue(vanish), parsed.GetValue(capacity),
                given > 0 ? given : Math.Min(DefaultStay, open * 60 * 0.6), parsed.GetValue(window), parsed.GetValue(write)), cancellation);
        });
        return command;
    }

    private static Option<double> Between(string name, string description, double value, double min, double max)
    {
        var option = new Option<double>(name) { Description = description, DefaultValueFactory = _ => value };
        option.Validators.Add(result =>
        {
            if (result.Tokens.Any(token => !double.TryParse(token.Value, CultureInfo.InvariantCulture, out var number) || number < min
                || number > max))
                result.AddError($"{name} is {string.Join(' ', result.Tokens)}; allowed: {min} to {max}.");
        });
        return option;
    }
}
