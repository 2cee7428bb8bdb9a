using System.CommandLine;
using ConcertSaga.Benchmarks.Sagas;

namespace ConcertSaga.Benchmarks.Operations;

/// <summary>Parameters of one run of <c>operations</c>.</summary>
/// <param name="Rows">Reservations in the database.</param>
/// <param name="Requests">Requests of each measured list.</param>
/// <param name="Seats">Paid seats of each schedule that is cancelled, one per reservation.</param>
/// <param name="Rate">Reservations per second while the cleaner runs.</param>
/// <param name="Seconds">Duration of each part of the sale.</param>
/// <param name="Only">The parts to run.</param>
/// <param name="Write">Whether to write the result into the document.</param>
internal sealed record OperationsPlan(int Rows, int Requests, int Seats, int Rate, int Seconds, string[] Only, bool Write);

internal static class OperationsCommand
{
    public const string Lists = "lists", Changes = "changes", Retention = "retention";

    private const int MinRows = 10_000, MaxRows = 100_000_000;

    public static Command Create()
    {
        var rows = new Option<int>("--reservations")
        {
            Description = "Reservations in the database.",
            DefaultValueFactory = _ => 10_000_000
        };
        rows.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<int>() is var value && value is < MinRows or > MaxRows)
                result.AddError($"--reservations is {value}; allowed: {MinRows} to {MaxRows}.");
        });
        var requests = SagaCommand.Positive("--requests", "Requests of each list.", 100);
        var seats = SagaCommand.Positive("--seats", "Paid seats of a schedule that is cancelled.", 10_000);
        var rate = SagaCommand.Positive("--rate", "Reservations per second of the sale beside the cleaner.", 3);
        var seconds = SagaCommand.Positive("--seconds", "Seconds of the sale, with and without the cleaner.", 60);
        var only = new Option<string[]>("--only")
        {
            Description = "Parts to run.",
            AllowMultipleArgumentsPerToken = true,
            DefaultValueFactory = _ => [Lists, Retention, Changes]
        };
        only.AcceptOnlyFromAmong(Lists, Retention, Changes);
        var write = new Option<bool>("--write") { Description = "Writes the results into docs/performance.md." };
        var command = new Command("operations",
            "Lists, bulk changes and the retention among millions of reservations. Build the solution in Release first.")
        {
            rows, requests, seats, rate, seconds, only, write
        };
        command.SetAction((parsed, cancellation) => OperationsBenchmark.RunAsync(new OperationsPlan(
            parsed.GetValue(rows), parsed.GetValue(requests), parsed.GetValue(seats), parsed.GetValue(rate),
            parsed.GetValue(seconds), parsed.GetValue(only)!, parsed.GetValue(write)), cancellation));
        return command;
    }
}
