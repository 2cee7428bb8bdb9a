using System.CommandLine;
using ConcertSaga.Benchmarks.Sagas;

namespace ConcertSaga.Benchmarks.Gateways;

/// <summary>Parameters of one run of <c>gateway</c> or <c>storefront</c>.</summary>
internal sealed record GatewayPlan(int Rounds, int Seconds, int Connections, int Customers, bool PollsOnly, bool Write);

internal static class GatewayCommand
{
    public static Command Create()
    {
        var pollsOnly = new Option<bool>("--polls-only") { Description = "Skips the route with a pass." };
        var command = Create("gateway", "The gateway beside bare YARP with the JWT check, and a poll beside a bare endpoint.", 8, 1000,
            pollsOnly, GatewayBenchmark.RunAsync);
        command.Add(pollsOnly);
        return command;
    }

    /// <summary>Many customers, because the gateway remembers those who have just polled.</summary>
    public static Command CreateStorefront() =>
        Create("storefront", "Opening the page of the waiting room, beside a poll alone.", 6, 100_000, null, StorefrontBenchmark.RunAsync);

    private static Command Create(string name, string description, int defaultRounds, int defaultCustomers, Option<bool>? pollsOnly,
        Func<GatewayPlan, CancellationToken, Task> run)
    {
        var rounds = SagaCommand.Positive("--rounds", "Rounds; the variants take turns in each.", defaultRounds);
        var seconds = SagaCommand.Positive("--seconds", "Seconds a variant runs in each round.", 5);
        var connections = SagaCommand.Positive("--connections", "Connections; each sends one request after the other.", 16);
        var customers = SagaCommand.Positive("--people", "Callers, each with its own tokens.", defaultCustomers);
        var write = new Option<bool>("--write") { Description = "Writes the result into docs/performance.md." };
        var command = new Command(name, description) { rounds, seconds, connections, customers, write };
        command.SetAction((parsed, cancellation) => run(
            new GatewayPlan(parsed.GetValue(rounds), parsed.GetValue(seconds), parsed.GetValue(connections), parsed.GetValue(customers),
                pollsOnly is not null && parsed.GetValue(pollsOnly), parsed.GetValue(write)), cancellation));
        return command;
    }
}
