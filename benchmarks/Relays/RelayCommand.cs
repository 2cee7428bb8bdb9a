using System.CommandLine;
using ConcertSaga.Benchmarks.Measuring;
using ConcertSaga.Benchmarks.Reservations;
using ConcertSaga.Benchmarks.Sagas;

namespace ConcertSaga.Benchmarks.Relays;

/// <summary>Parameters of one run of <c>relay</c>.</summary>
/// <param name="Rounds">Rounds of each load, and of each of the receiver's two states.</param>
/// <param name="Deliveries">Approximate deliveries of a load.</param>
/// <param name="Warm">Approximate deliveries of each relay before it is measured.</param>
/// <param name="DelayMilliseconds">Time until the receiver answers.</param>
/// <param name="Reservations">Reservations of a round with the receiver up or down; 0 for none.</param>
/// <param name="Concurrent">Customers who reserve at the same time.</param>
/// <param name="Write">Whether to write the result into the document.</param>
internal sealed record RelayPlan(int Rounds, int Deliveries, int Warm, int DelayMilliseconds, int Reservations, int Concurrent, bool Write)
{
    /// <summary>The plan for the reservations; the receiver's two states alternate.</summary>
    public ReservationsPlan Booking =>
        new(2 * Rounds, Reservations, Math.Max(1, Reservations / 2), Concurrent, ReservationsPlan.SchedulesPerConcert, Write);
}

internal static class RelayCommand
{
    public static Command Create()
    {
        var rounds = SagaCommand.Positive("--rounds", "Rounds; the loads take turns in each.", 3);
        var deliveries = SagaCommand.Positive("--deliveries", "Deliveries of a load.", 20_000);
        var warm = SagaCommand.Positive("--warm", "Deliveries each relay sends to warm up.", 3_000);
        var delay = SagaCommand.Positive("--delay", "Milliseconds until the receiver answers.", 5);
        var reservations = new Option<int>("--reservations")
        {
            Description = "Reservations of each round with the receiver up or down; 0 skips these rounds.",
            DefaultValueFactory = _ => 600
        };
        var concurrent = SagaCommand.Positive("--concurrent", "Customers who reserve at the same time.", 32);
        var write = new Option<bool>("--write") { Description = "Writes the result into docs/performance.md." };
        var command =
            new Command("relay",
            "Deliveries to a data platform, and reservations while it is up or down. Build the solution in Release first.")
        {
            rounds, deliveries, warm, delay, reservations, concurrent, write
        };
        command.SetAction((parsed, cancellation) => RelayBenchmark.RunAsync(Checked(new RelayPlan(
            parsed.GetValue(rounds), parsed.GetValue(deliveries), parsed.GetValue(warm), parsed.GetValue(delay),
                parsed.GetValue(reservations),
            parsed.GetValue(concurrent), parsed.GetValue(write))), cancellation));
        return command;
    }

    private static RelayPlan Checked(RelayPlan plan) =>
        plan.Reservations < 0 ? throw new BenchmarkException("--reservations is out of range; allowed: 0 and more.")
        : plan.Booking.Warm + plan.Booking.Rounds * plan.Reservations is var seats && seats > ReservationsPlan.AllSeats
            ? throw new BenchmarkException($"--rounds and --reservations need {seats} seats; allowed: up to {ReservationsPlan.AllSeats}.")
        : plan;
}
