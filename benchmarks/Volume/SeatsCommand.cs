using System.CommandLine;
using ConcertSaga.Benchmarks.Sagas;

namespace ConcertSaga.Benchmarks.Volume;

/// <summary>Parameters of one run of <c>seats</c>.</summary>
internal sealed record SeatsPlan(Catalogue Catalogue, int Seconds, int Connections, int Customers, int First, bool Write);

internal static class SeatsCommand
{
    public static Command Create()
    {
        var (schedules, seats) = LoadCommand.Sizes();
        var seconds = SagaCommand.Positive("--seconds", "Seconds of each rate.", 10);
        var connections = SagaCommand.Positive("--connections", "Connections; each sends one request after the other.", 128);
        var customers = SagaCommand.Positive("--people", "Callers; for spread reads, each has a pass for another concert.", 2000);
        var first = SagaCommand.Positive("--rate", "First rate in requests per second; doubled until no more get through.", 250);
        var write = new Option<bool>("--write") { Description = "Writes the result into docs/performance.md." };
        var command =
            new Command("seats", "Seat maps and lists of schedules through the gateway, at rising rates until no more get through.")
        {
            schedules, seats, seconds, connections, customers, first, write
        };
        command.SetAction((parsed, cancellation) => SeatsBenchmark.RunAsync(new SeatsPlan(
            new Catalogue(parsed.GetValue(schedules), parsed.GetValue(seats)), parsed.GetValue(seconds), parsed.GetValue(connections),
                parsed.GetValue(customers),
            parsed.GetValue(first), parsed.GetValue(write)), cancellation));
        return command;
    }
}
