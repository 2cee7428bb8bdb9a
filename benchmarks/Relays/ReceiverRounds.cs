using ConcertSaga.Benchmarks.Measuring;
using ConcertSaga.Benchmarks.Report;
using ConcertSaga.Benchmarks.Reservations;
using ConcertSaga.Testing;

namespace ConcertSaga.Benchmarks.Relays;

/// <summary>Whole reservations on the local cluster while the receiver runs, and while it does not, by turns.</summary>
internal static class ReceiverRounds
{
    private const string Receiver = "receiver";

    // After an outage deliveries wait for the breaker and for their time.
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(4);

    public static async Task<(string Text, List<string> Faults)> RunAsync(RelayPlan plan, CancellationToken cancellation)
    {
        var booking = plan.Booking;
        await using var cluster = await Cluster.StartAsync(ReservationsBenchmark.OpenDoors);
        using var http = ReservationsBenchmark.ClientOf(cluster, booking);
        await ReservationsBenchmark.WarmAsync(http, booking, cancellation);
        var (up, down) = (new List<ReservationsRound>(), new List<ReservationsRound>());
        for (var round = 0; round < booking.Rounds; round++)
        {
            // Whatever comes first has no advantage over the rounds.
            var isUp = (round + round / 2) % 2 == 0;
            var shoppers = await ReservationsBenchmark.SignInAsync(http, booking, booking.Reservations, cancellation);
            if (!isUp)
                await cluster.StopAsync(Receiver);
            var measured = await ReservationsBenchmark.MeasureAsync(shoppers, cluster, booking, booking.Warm + round * booking.Reservations, cancellation);
            (isUp ? up : down).Add(measured);
            Console.WriteLine($"round {round / 2 + 1}, receiver {(isUp ? "up" : "down")}: {measured.PerSecond:0} confirmed/s, p50 {measured.P50:0} ms, p99 {measured.P99:0} ms");
            if (!isUp)
                await cluster.StartAsync(Receiver);
            // What is left over is no load of the next round.
            var all = booking.Warm + (round + 1) * booking.Reservations;
            await Eventually.TrueAsync(async () => await DeliveredAsync(cluster) == all, Patience, $"all {all} deliveries have come");
        }

        var table = new Table("reservations", "confirmed/s", "p50 ms", "p99 ms", "CPU ms each, relay");
        foreach (var (name, rounds) in new[] { ("receiver up", up), ("receiver down", down) })
        {
            string Of(Func<ReservationsRound, double> figure, string format) => new Samples(rounds.Select(figure)).ToText(format);
            table.Add(name, Of(round => round.PerSecond, "0.0"), Of(round => round.P50, "0"), Of(round => round.P99, "0"), Of(round => round.Cpu["dataplatform"], "0.00"));
        }
        var text = $"""
            {plan.Concurrent} people at the same time; {plan.Rounds} rounds of {plan.Reservations} reservations with the receiver up and as many with it stopped, by turns, after {booking.Warm} to warm up. Median (least–most).

            {table}
            """;
        return (text, await ReservationsBenchmark.FaultsAsync(cluster, booking));
    }

    private static Task<long> DeliveredAsync(Cluster cluster) => cluster.NumberAsync("dataplatform", "SELECT count(*) FROM \"Deliveries\" WHERE \"Status\" = 'Delivered'");
}
