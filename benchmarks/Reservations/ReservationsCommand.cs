using System.CommandLine;
using ConcertSaga.Benchmarks.Measuring;
using ConcertSaga.Benchmarks.Sagas;

namespace ConcertSaga.Benchmarks.Reservations;

/// <summary>What one run of <c>reservations</c> measures.</summary>
internal sealed record ReservationsPlan(int Rounds, int Reservations, int Warm, int Concurrent, int Dates, bool Write)
{
    // The demo data: three concerts of thirty dates with fifty seats each. A person's pass for a concert ends with the reservation it bought.
    public const int Concerts = 3, DatesOfConcert = 30, SeatsOfDate = 50, MostPerUser = Concerts;

    public int Seats => Concerts * Dates * SeatsOfDate;
}

internal static class ReservationsCommand
{
    public static Command Create()
    {
        var rounds = SagaCommand.Positive("--rounds", "Rounds.", 3);
        var reservations = SagaCommand.Positive("--reservations", "Reservations of a round.", 1200);
        var warm = SagaCommand.Positive("--warm", "Reservations before the first round.", 800);
        var concurrent = SagaCommand.Positive("--concurrent", "People who reserve at the same time, each one seat after the other.", 32);
        var dates = SagaCommand.Positive("--dates", "How many dates of each of the three concerts are on sale; fewer are more crowded.", ReservationsPlan.DatesOfConcert);
        var write = new Option<bool>("--write") { Description = "Writes the result into docs/performance.md and docs/images." };
        var command = new Command("reservations", "Whole reservations through the gateway of the local cluster: hold, deduct, pay, confirm. Build the solution in Release first.")
        {
            rounds, reservations, warm, concurrent, dates, write
        };
        command.SetAction((parsed, cancellation) => ReservationsBenchmark.RunAsync(Checked(new ReservationsPlan(
            parsed.GetValue(rounds), parsed.GetValue(reservations), parsed.GetValue(warm), parsed.GetValue(concurrent), parsed.GetValue(dates), parsed.GetValue(write))), cancellation));
        return command;
    }

    private static ReservationsPlan Checked(ReservationsPlan plan) =>
        plan.Dates > ReservationsPlan.DatesOfConcert ? throw new BenchmarkException($"--dates is out of range; allowed: 1 to {ReservationsPlan.DatesOfConcert}.")
        : plan.Warm + plan.Rounds * plan.Reservations is var asked && asked > plan.Seats
            ? throw new BenchmarkException($"--warm and --rounds times --reservations ask for {asked} seats; allowed: the {plan.Seats} there are.")
        : plan;
}
