using System.CommandLine;
using ConcertSaga.Benchmarks.Measuring;
using ConcertSaga.Benchmarks.Reservations;
using ConcertSaga.Benchmarks.Sagas;

namespace ConcertSaga.Benchmarks.Relays;

/// <summary>What one run of <c>relay</c> measures.</summary>
/// <param name="Rounds">How often each load runs, and each of the receiver's two states.</param>
/// <param name="Deliveries">Deliveries of a load, about.</param>
/// <param name="Warm">Deliveries each relay sends before it is measured, about.</param>
/// <param name="DelayMilliseconds">How long the receiver takes to answer.</param>
/// <param name="Reservations">Reservations of a round beside the receiver up or down; 0 for none.</param>
/// <param name="Concurrent">People who reserve at the same time.</param>
/// <param name="Write">Whether the result goes into the document.</param>
internal sealed record RelayPlan(int Rounds, int Deliveries, int Warm, int DelayMilliseconds, int Reservations, int Concurrent, bool Write)
{
    /// <summary>What the rounds beside a receiver are as rounds of reservations: up and down take turns.</summary>
    public ReservationsPlan Booking => new(2 * Rounds, Reservations, Math.Max(1, Reservations / 2), Concurrent, ReservationsPlan.DatesOfConcert, Write);
}

internal static class RelayCommand
{
    public static Command Create()
    {
        var rounds = SagaCommand.Positive("--rounds", "Rounds; every load runs in each, one after the other.", 3);
        var deliveries = SagaCommand.Positive("--deliveries", "Deliveries of a load.", 20_000);
        var warm = SagaCommand.Positive("--warm", "Deliveries each relay sends before it is measured.", 3_000);
        var delay = SagaCommand.Positive("--delay", "Milliseconds the receiver takes to answer.", 5);
        var reservations = new Option<int>("--reservations")
        {
            Description = "Reservations of a round with the receiver up, and of one with it down; 0 for neither.",
            DefaultValueFactory = _ => 600
        };
        var concurrent = SagaCommand.Positive("--concurrent", "People who reserve at the same time.", 32);
        var write = new Option<bool>("--write") { Description = "Writes the result into docs/performance.md." };
        var command = new Command("relay", "Deliveries to a data platform, and reservations beside one that is up or down. Build the solution in Release first.")
        {
            rounds, deliveries, warm, delay, reservations, concurrent, write
        };
        command.SetAction((parsed, cancellation) => RelayBenchmark.RunAsync(Checked(new RelayPlan(
            parsed.GetValue(rounds), parsed.GetValue(deliveries), parsed.GetValue(warm), parsed.GetValue(delay), parsed.GetValue(reservations),
            parsed.GetValue(concurrent), parsed.GetValue(write))), cancellation));
        return command;
    }

    private static RelayPlan Checked(RelayPlan plan) =>
        plan.Reservations < 0 ? throw new BenchmarkException("--reservations is out of range; allowed: 0 and more.")
        : plan.Booking.Warm + plan.Booking.Rounds * plan.Reservations is var asked && asked > plan.Booking.Seats
            ? throw new BenchmarkException($"--rounds and --reservations ask for {asked} seats; allowed: the {plan.Booking.Seats} there are.")
        : plan;
}
