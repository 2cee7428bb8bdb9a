using System.CommandLine;
using ConcertSaga.Benchmarks.Sagas;

namespace ConcertSaga.Benchmarks.Gateways;

/// <summary>What one run of <c>gateway</c> measures.</summary>
internal sealed record GatewayPlan(int Rounds, int Seconds, int Connections, int People, bool PollsOnly, bool Write);

internal static class GatewayCommand
{
    public static Command Create()
    {
        var rounds = SagaCommand.Positive("--rounds", "Rounds; every variant runs in each, one after the other.", 8);
        var seconds = SagaCommand.Positive("--seconds", "How long a variant runs in each round.", 5);
        var connections = SagaCommand.Positive("--connections", "Connections; on each one request follows the other.", 16);
        var people = SagaCommand.Positive("--people", "Different callers, each with tokens of their own.", 1000);
        var pollsOnly = new Option<bool>("--polls-only") { Description = "Leaves out the route with a pass." };
        var write = new Option<bool>("--write") { Description = "Writes the result into docs/performance.md." };
        var command = new Command("gateway", "The gateway beside bare YARP with the JWT check, and a poll beside a bare endpoint.") { rounds, seconds, connections, people, pollsOnly, write };
        command.SetAction((parsed, cancellation) => GatewayBenchmark.RunAsync(
            new GatewayPlan(parsed.GetValue(rounds), parsed.GetValue(seconds), parsed.GetValue(connections), parsed.GetValue(people), parsed.GetValue(pollsOnly), parsed.GetValue(write)), cancellation));
        return command;
    }
}
