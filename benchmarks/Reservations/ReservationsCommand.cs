using System.CommandLine;
using ConcertSaga.Benchmarks.Measuring;
using ConcertSaga.Benchmarks.Sagas;

namespace ConcertSaga.Benchmarks.Reservations;

/// <summary>Parameters of reservations by customers of whom so many reserve at a time.</summary>
internal sealed record ReservationsPlan(int Rounds, int Reservations, int Warm, int Concurrent, int Schedules, bool Write)
{
    // The demo data. A purchase ends the customer's pass for the concert.
    public const int Concerts = 3, SchedulesPerConcert = 30, SeatsPerSchedule = 50, MaxPerUser = Concerts,
        AllSeats = Concerts * SchedulesPerConcert * SeatsPerSchedule;

    /// <summary>The concerts of which seats are reserved: all, or one.</summary>
    public int SoldConcerts { get; init; } = Concerts;

    /// <summary>The plan for another number of customers. A few take long for many reservations, and many need some each.</summary>
    public ReservationsPlan With(int customers) =>
        this with { Concurrent = customers, Reservations = Math.Max(Math.Min(Reservations, 100 + 20 * customers), 2 * customers) };
}

/// <summary>Parameters of one run of <c>reservations</c>.</summary>
/// <param name="Booking">The reservations, with the largest number of customers.</param>
/// <param name="Customers">The numbers of customers who reserve at a time.</param>
/// <param name="Sagas">Sagas of a burst of the bare saga.</param>
/// <param name="AllInOne">Whether AllInOne takes turns with the cluster.</param>
internal sealed record ReservationsRunPlan(ReservationsPlan Booking, int[] Customers, int Sagas, bool AllInOne)
{
    /// <summary>The steady load of the bare saga, per second.</summary>
    public const int BareRate = 10;

    /// <summary>All reservations of the run.</summary>
    public int All => Booking.Warm + Booking.Rounds * Customers.Sum(customers => Booking.With(customers).Reservations);

    /// <summary>The bare saga, as <c>saga</c> runs it.</summary>
    public SagaPlan Bare => new([SagaVariantFactory.Bare], Booking.Rounds, Sagas, Sagas / 2, [BareRate], 20, 64, false, false, 0, false);
}

internal static class ReservationsCommand
{
    public static Command Create()
    {
        var rounds = SagaCommand.Positive("--rounds", "Rounds.", 3);
        var reservations = SagaCommand.Positive("--reservations", "Reservations of a round.", 1200);
        var warm = SagaCommand.Positive("--warm", "Reservations before the first round.", 800);
        var customers = SagaCommand.Numbers("--concurrent",
            "Customers who reserve at the same time, each one seat after the other; repeatable.", 1, 10_000, 32);
        var schedules = SagaCommand.Positive("--dates", "Schedules on sale of each of the three concerts; fewer cause more conflicts.",
            ReservationsPlan.SchedulesPerConcert);
        var one = new Option<bool>("--one-schedule") { Description = "All seats are of one schedule." };
        var allInOne = new Option<bool>("--all-in-one") { Description = "Measures AllInOne on SQLite too, in the same rounds." };
        var sagas = SagaCommand.Positive("--sagas", "Sagas of each burst of the bare saga, which is measured in each round.", 2000);
        var write = new Option<bool>("--write") { Description = "Writes the result into docs/performance.md and docs/images." };
        var command = new Command("reservations",
            "Whole reservations through the cluster's gateway, and their ratio to the bare saga. Build the solution in Release first.")
        {
            rounds, reservations, warm, customers, schedules, one, allInOne, sagas, write
        };
        command.SetAction((parsed, cancellation) =>
        {
            int[] levels = [.. parsed.GetValue(customers)!.Distinct().Order()];
            var isOne = parsed.GetValue(one);
            var booking = new ReservationsPlan(parsed.GetValue(rounds), parsed.GetValue(reservations), parsed.GetValue(warm), levels[^1],
                isOne ? 1 : parsed.GetValue(schedules), parsed.GetValue(write))
            { SoldConcerts = isOne ? 1 : ReservationsPlan.Concerts };
            return booking.Schedules > ReservationsPlan.SchedulesPerConcert
                ? throw new BenchmarkException($"--dates is out of range; allowed: 1 to {ReservationsPlan.SchedulesPerConcert}.")
                : ReservationsBenchmark.RunAsync(
                    new ReservationsRunPlan(booking, levels, parsed.GetValue(sagas), parsed.GetValue(allInOne)), cancellation);
        });
        return command;
    }
}
