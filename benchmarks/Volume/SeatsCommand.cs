using System.CommandLine;
using ConcertSaga.Benchmarks.Sagas;

namespace ConcertSaga.Benchmarks.Volume;

/// <summary>What one run of <c>seats</c> measures.</summary>
internal sealed record SeatsPlan(Catalogue Catalogue, int Seconds, int Connections, int People, int First, bool Write);

internal static class SeatsCommand
{
    public static Command Create()
    {
        var (schedules, seats) = LoadCommand.Sizes();
        var seconds = SagaCommand.Positive("--seconds", "How long each rate lasts.", 10);
        var connections = SagaCommand.Positive("--connections", "Connections; on each one request follows the other.", 128);
        var people = SagaCommand.Positive("--people", "Different callers, each with a pass for a concert of their own where reads are spread.", 2000);
        var first = SagaCommand.Positive("--rate", "Requests per second at first; doubled until no more get through.", 250);
        var write = new Option<bool>("--write") { Description = "Writes the result into docs/performance.md." };
        var command = new Command("seats", "Seat maps and lists of dates through the gateway, at rising rates until no more get through.")
        {
            schedules, seats, seconds, connections, people, first, write
        };
        command.SetAction((parsed, cancellation) => SeatsBenchmark.RunAsync(new SeatsPlan(
            new Catalogue(parsed.GetValue(schedules), parsed.GetValue(seats)), parsed.GetValue(seconds), parsed.GetValue(connections), parsed.GetValue(people),
            parsed.GetValue(first), parsed.GetValue(write)), cancellation));
        return command;
    }
}
