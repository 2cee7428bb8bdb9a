using ConcertSaga.Benchmarks.Measuring;
using ConcertSaga.Benchmarks.Report;
using ConcertSaga.Benchmarks.Reservations;
using ConcertSaga.Testing;

namespace ConcertSaga.Benchmarks.Relays;

/// <summary>Compares whole reservations on the local cluster with the receiver running and stopped, in alternating rounds.</summary>
internal static class ReceiverComparison
{
    // After an outage, deliveries wait for the circuit breaker and their next attempt.
    private static readonly TimeSpan Timeout = TimeSpan.FromMinutes(4);

    public static async Task<(string Text, List<string> Faults)> RunAsync(RelayPlan plan, CancellationToken cancellation)
    {
        var booking = plan.Booking;
        await using var cluster = await Cluster.StartAsync(ReservationsBenchmark.FastAdmission);
        using var http = ReservationsBenchmark.ClientOf(cluster, booking);
        await ReservationsBenchmark.WarmAsync(http, booking, cancellation);
        var up = new List<ReservationsRound>();
        var down = new List<ReservationsRound>();
        for (var round = 0; round < booking.Rounds; round++)
        {
            // Up, down, down, up: neither state always runs first.
            var isUp = (round + round / 2) % 2 == 0;
            var customers = await ReservationsBenchmark.SignInAsync(http, booking, booking.Reservations, cancellation);
            if (!isUp)
                await cluster.StopReceiverAsync();
            var measured = await ReservationsBenchmark.MeasureAsync(customers, cluster, booking,
                booking.Warm + round * booking.Reservations, cancellation);
            (isUp ? up : down).Add(measured);
            Console.WriteLine($"round {round / 2 + 1}, receiver {(isUp ? "up" : "down")}: {measured.PerSecond:0} confirmed/s, "
                + $"p50 {measured.P50:0} ms, p99 {measured.P99:0} ms");
            if (!isUp)
                await cluster.StartReceiverAsync();
            // Leftover deliveries would be a load of the next round.
            var all = booking.Warm + (round + 1) * booking.Reservations;
            await Eventually.TrueAsync(async () => await DeliveredAsync(cluster) == all, Timeout, $"all {all} deliveries have arrived");
        }

        var table = new Table("reservations", "confirmed/s", "p50 ms", "p99 ms", "CPU ms each, relay");
        foreach (var (name, rounds) in new[] { ("receiver up", up), ("receiver down", down) })
        {
            string Of(Func<ReservationsRound, double> figure, string format) => new Samples(rounds.Select(figure)).ToText(format);
            table.Add(name, Of(round => round.PerSecond, "0.0"), Of(round => round.P50, "0"), Of(round => round.P99, "0"),
                Of(round => round.Cpu["dataplatform"], "0.00"));
        }
        var text = $"""
            {plan.Concurrent} customers at a time; {plan.Rounds} rounds of {plan.Reservations} reservations with the receiver up
            and as many with it stopped, alternating, after {booking.Warm} to warm up. Median (minimum–maximum).

            {table}
            """;
        return (text, await ReservationsBenchmark.FaultsAsync(cluster, booking.Warm + booking.Rounds * booking.Reservations,
            ReservationsPlan.AllSeats));
    }

    private static Task<long> DeliveredAsync(Cluster cluster) =>
        cluster.NumberAsync("dataplatform", "SELECT count(*) FROM \"Deliveries\" WHERE \"Status\" = 'Delivered'");
}
