using System.Diagnostics.Metrics;

namespace ConcertSaga.Queue.Domain;

/// <summary>What an operator wants to see of the waiting rooms, under the meter <c>ConcertSaga</c>.</summary>
internal sealed class QueueMetrics : IDisposable
{
    private readonly Meter _meter = new("ConcertSaga");
    private volatile IReadOnlyList<RoomCount> _rooms = [];

    public QueueMetrics()
    {
        Issued = Counter("queue.issued", "Places given.");
        Admitted = Counter("queue.admitted", "Places that were offered a pass.");
        Claimed = Counter("queue.claimed", "Passes that were fetched.");
        Expired = Counter("queue.expired", "Offers not taken and passes not used in time.");
        Left = Counter("queue.left", "Places given up.");
        Completed = Counter("queue.completed", "Passes that ended with a paid reservation.");
        _meter.CreateObservableGauge("queue.waiting", () => Measure(room => room.Waiting), "{person}", "People in line, at most.");
        _meter.CreateObservableGauge("queue.active", () => Measure(room => room.Active), "{person}", "Slots that are taken.");
    }

    public Counter<long> Issued { get; }

    public Counter<long> Admitted { get; }

    public Counter<long> Claimed { get; }

    public Counter<long> Expired { get; }

    public Counter<long> Left { get; }

    public Counter<long> Completed { get; }

    public static KeyValuePair<string, object?> Of(int concertId) => new("concert", concertId);

    public void See(IReadOnlyList<RoomCount> rooms) => _rooms = rooms;

    public void Dispose() => _meter.Dispose();

    private Counter<long> Counter(string name, string description) => _meter.CreateCounter<long>(name, "{person}", description);

    private IEnumerable<Measurement<long>> Measure(Func<RoomCount, long> value) =>
        _rooms.Select(room => new Measurement<long>(value(room), Of(room.ConcertId)));
}

/// <summary>How full a waiting room is.</summary>
internal readonly record struct RoomCount(int ConcertId, long Waiting, long Active);
