using System.Diagnostics.Metrics;
using ConcertSaga.Contracts.Queue;

namespace ConcertSaga.Queue.Rooms;

/// <summary>Measures the waiting rooms, under the meter <c>ConcertSaga</c>.</summary>
internal sealed class QueueMetrics : IDisposable
{
    private readonly Meter _meter = new("ConcertSaga");
    private volatile IReadOnlyList<RoomCount> _rooms = [];

    public QueueMetrics(BookingWatch booking)
    {
        Issued = Counter("queue.issued", "Queue entries issued.");
        Admitted = Counter("queue.admitted", "Queue entries that were offered a pass.");
        Claimed = Counter("queue.claimed", "Offers that were claimed.");
        Expired = Counter("queue.expired", "Offers not claimed and passes not used in time.");
        Left = Counter("queue.left", "Queue entries that left.");
        Completed = Counter("queue.completed", "Passes that ended with a paid reservation.");
        _meter.CreateObservableGauge("queue.waiting", () => Measure(room => room.Waiting), "{person}", "Customers in line.");
        _meter.CreateObservableGauge("queue.admission",
            () => _rooms.Select(room => new Measurement<int>(1, Of(room.ConcertId), new("admission", $"{room.Admission}"))),
            description: "1 for each waiting room, tagged with its admission state.");
        _meter.CreateObservableGauge("queue.suspended", () => Suspensions(booking),
            description: "1 while no room admits customers for this reason.");
        _meter.CreateObservableGauge("queue.clock.difference", () => booking.ClockDifference.TotalSeconds, "s",
            "The orchestrator's clock minus this one.");
        Limited = Counter("queue.limited", "Entries refused because the customer had entered too often.");
        _meter.CreateObservableGauge("queue.active", () => Measure(room => room.Active), "{person}", "Slots taken.");
    }

    public Counter<long> Issued { get; }

    public Counter<long> Limited { get; }

    public Counter<long> Admitted { get; }

    public Counter<long> Claimed { get; }

    public Counter<long> Expired { get; }

    public Counter<long> Left { get; }

    public Counter<long> Completed { get; }

    public static KeyValuePair<string, object?> Of(int concertId) => new("concert", concertId);

    public void Update(IReadOnlyList<RoomCount> rooms) => _rooms = rooms;

    public void Dispose() => _meter.Dispose();

    private static IEnumerable<Measurement<int>> Suspensions(BookingWatch booking)
    {
        var state = booking.State;
        return Enum.GetValues<BookingState>().Where(reason => reason != BookingState.Open)
            .Select(reason => new Measurement<int>(reason == state ? 1 : 0, new KeyValuePair<string, object?>("reason", $"{reason}")));
    }

    private Counter<long> Counter(string name, string description) => _meter.CreateCounter<long>(name, "{person}", description);

    private IEnumerable<Measurement<long>> Measure(Func<RoomCount, long> value) =>
        _rooms.Select(room => new Measurement<long>(value(room), Of(room.ConcertId)));
}

/// <summary>The customers in line and the taken slots of one waiting room.</summary>
internal readonly record struct RoomCount(int ConcertId, long Waiting, long Active, QueueAdmission Admission);
