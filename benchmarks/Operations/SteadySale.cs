using System.Diagnostics;
using ConcertSaga.Benchmarks.Measuring;
using ConcertSaga.Benchmarks.Reservations;

namespace ConcertSaga.Benchmarks.Operations;

/// <summary>
/// Customers reserve and pay for seats of the demo data at a fixed rate, whatever else happens. No two sales use the same seat.
/// </summary>
internal sealed class SteadySale(Cluster cluster, OperationsPlan plan) : IDisposable
{
    private static readonly ReservationsPlan Shape = new(1, 1, Warm: 30, Concurrent: 8, ReservationsPlan.SchedulesPerConcert, Write: false);

    private readonly HttpClient _http = ReservationsBenchmark.ClientOf(cluster, Shape);
    private int _first;

    /// <summary>Calls the gateway.</summary>
    public HttpClient Http => _http;

    public int Reservations => plan.Rate * plan.Seconds;

    /// <summary>Makes the first reservations, which are slower than later ones.</summary>
    public async Task WarmAsync(CancellationToken cancellationToken)
    {
        if (_first > 0)
            return;
        await ReservationsBenchmark.WarmAsync(_http, Shape, cancellationToken);
        _first = Shape.Warm;
    }

    /// <summary>Signs in the customers of one sale, and waits for their passes.</summary>
    public Task<BookingCustomer[]> SignInAsync(CancellationToken cancellationToken) =>
        ReservationsBenchmark.SignInAsync(_http, Shape with { Reservations = Reservations }, Reservations, cancellationToken);

    /// <summary>Sells. Each customer reserves once per concert, one after the other.</summary>
    /// <returns>The time of each reservation from when it was due to its confirmation, in milliseconds, in ascending order.</returns>
    public async Task<double[]> SellAsync(BookingCustomer[] customers, CancellationToken cancellationToken)
    {
        var first = _first;
        _first += customers.Length;
        if (_first > ReservationsPlan.SchedulesPerConcert * ReservationsPlan.SeatsPerSchedule)
            throw new BenchmarkException("there are not enough seats for so many sales; lower --rate or --seconds.");
        var started = Stopwatch.GetTimestamp();
        var all = await Task.WhenAll(Enumerable.Range(0, customers.Length * ReservationsPlan.MaxPerUser).Select(async number =>
        {
            var due = TimeSpan.FromSeconds((double)number / plan.Rate);
            await Task.Delay(due, cancellationToken);
            var (concert, customer) = Math.DivRem(number, customers.Length);
            var (seat, schedule) = Math.DivRem(first + customer, ReservationsPlan.SchedulesPerConcert);
            await customers[customer].ReserveAsync(concert * ReservationsPlan.SchedulesPerConcert + schedule + 1, seat + 1);
            return (Stopwatch.GetElapsedTime(started) - due).TotalMilliseconds;
        }));
        return [.. all.Order()];
    }

    public void Dispose() => _http.Dispose();
}
