using System.Globalization;
using ConcertSaga.Benchmarks.Reservations;

namespace ConcertSaga.Benchmarks.Operations;

/// <summary>Customers with a pass who try to buy seats of a schedule that is cancelled. None may succeed.</summary>
internal sealed class ClosedSale(HttpClient http, PaidSchedule schedule)
{
    // Each customer tries rarely enough not to be slowed down because of the refusals.
    private const int Customers = 20;

    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(200);

    private readonly BookingCustomer[] _customers = new BookingCustomer[Customers];
    private readonly Dictionary<string, int> _answers = [];

    /// <summary>Attempts that were refused because the schedule is cancelled.</summary>
    public int Refused => _answers.GetValueOrDefault("SCHEDULE_CANCELLED");

    /// <summary>Other answers; and that there was none at all.</summary>
    public IEnumerable<string> Faults => _answers.Where(answer => answer.Key != "SCHEDULE_CANCELLED")
        .Select(answer => string.Create(CultureInfo.InvariantCulture,
            $"attempts to buy a seat of the cancelled schedule answered with {answer.Key}: {answer.Value}, expected 0"))
        .Concat(Refused == 0 ? ["no attempt to buy a seat of the cancelled schedule was refused"] : []);

    /// <summary>Gets a pass for each customer. Points are charged, so that only the cancellation is a reason to refuse.</summary>
    public async Task SignInAsync()
    {
        for (var place = 0; place < Customers; place++)
            _customers[place] = await BookingCustomer.SignInAsync(http, 1_000_000, schedule.ScheduleId);
    }

    /// <summary>Tries all seats in turn, those that were sold and those that were free, until the token is cancelled.</summary>
    public async Task TryAsync(CancellationToken cancellationToken)
    {
        // Coprime with the number of seats of the default size, so that it walks through all of them.
        const int stride = 7_919;
        for (var number = 0; !cancellationToken.IsCancellationRequested; number++)
        {
            var seat = (int)((long)number * stride % schedule.AllSeats) + 1;
            var answer = await _customers[number % Customers].TryAsync(schedule.ScheduleId, schedule.ScheduleId, seat);
            _answers[answer] = _answers.GetValueOrDefault(answer) + 1;
            await Task.Delay(Interval, CancellationToken.None);
        }
    }
}
