using System.Text.Json;

namespace ConcertSaga.DevReceiver;

/// <summary>One accepted event.</summary>
/// <param name="Id">The <c>webhook-id</c>.</param>
/// <param name="Type">The event type.</param>
/// <param name="ReservationId">The reservation; null if the event names none.</param>
/// <param name="Sequence">The number among the events of the reservation; 0 if it has none.</param>
/// <param name="At">When it first arrived.</param>
/// <param name="Times">How often it arrived.</param>
public sealed record ReceivedEvent(string Id, string Type, Guid? ReservationId, int Sequence, DateTimeOffset At, int Times);

/// <summary>An accepted event with its body.</summary>
/// <param name="Event">The event.</param>
/// <param name="Body">The body of its first arrival; null if it was too large to keep.</param>
public sealed record ReceivedBody(ReceivedEvent Event, JsonElement? Body);

/// <summary>The counts of a receiver since its start.</summary>
/// <param name="StartedAt">When the receiver started.</param>
/// <param name="Count">Number of distinct accepted events.</param>
/// <param name="Repeats">Number of duplicates.</param>
/// <param name="Refused">Requests without a valid signature or body, by reason.</param>
/// <param name="Failed">Requests rejected on purpose.</param>
/// <param name="Reset">Connections reset on purpose.</param>
/// <param name="OutOfOrder">Events that arrived before their predecessor.</param>
/// <param name="Undecided">
/// Events with an unknown predecessor, which may have arrived before the start or may be forgotten.
/// </param>
/// <param name="Forgotten">Accepted events that the receiver no longer remembers.</param>
/// <param name="Last">The newest events, newest first.</param>
public sealed record ReceivedReport(
    DateTimeOffset StartedAt, long Count, long Repeats, IReadOnlyDictionary<string, long> Refused, long Failed, long Reset, long OutOfOrder,
    long Undecided, long Forgotten, IReadOnlyList<ReceivedBody> Last);

/// <summary>Remembers a bounded number of events and forgets the oldest first.</summary>
internal sealed class ReceivedEvents(int capacity, DateTimeOffset startedAt)
{
    /// <summary>The number of events kept with their bodies.</summary>
    public const int MaxBodies = 1_000;

    private const int MaxBodyBytes = 4_096;

    private readonly Lock _gate = new();
    private readonly Dictionary<string, ReceivedEvent> _byId = [];
    private readonly Dictionary<Guid, List<string>> _byReservation = [];
    private readonly Queue<string> _oldest = new();
    private readonly Queue<(string Id, string? Body)> _bodies = new();
    private readonly Dictionary<string, long> _refused = [];
    private long _count, _repeats, _failed, _reset, _outOfOrder, _undecided, _forgotten;

    /// <summary>Records an accepted event or its repeat.</summary>
    public void Add(string id, WebhookEvent content, DateTimeOffset now, ReadOnlySpan<byte> body)
    {
        var text = body.Length <= MaxBodyBytes ? System.Text.Encoding.UTF8.GetString(body) : null;
        lock (_gate)
        {
            if (_byId.TryGetValue(id, out var known))
            {
                _repeats++;
                _byId[id] = known with { Times = known.Times + 1 };
                return;
            }
            _count++;
            CheckOrder(content);
            _byId[id] = new ReceivedEvent(id, content.Type, content.ReservationId, content.Sequence, now, 1);
            _oldest.Enqueue(id);
            _bodies.Enqueue((id, text));
            if (content.ReservationId is { } reservation)
            {
                if (!_byReservation.TryGetValue(reservation, out var ids))
                    _byReservation[reservation] = ids = new List<string>(2);
                ids.Add(id);
            }
            if (_bodies.Count > MaxBodies)
                _bodies.Dequeue();
            if (_oldest.Count > capacity)
                Forget(_oldest.Dequeue());
        }
    }

    public void RecordRefusal(string reason)
    {
        lock (_gate)
            _refused[reason] = _refused.GetValueOrDefault(reason) + 1;
    }

    public void RecordFailure()
    {
        lock (_gate)
            _failed++;
    }

    public void RecordReset()
    {
        lock (_gate)
            _reset++;
    }

    /// <summary>Returns the events of a reservation in order of arrival.</summary>
    public IReadOnlyList<ReceivedEvent> Of(Guid reservation)
    {
        lock (_gate)
            return _byReservation.TryGetValue(reservation, out var ids) ? [.. ids.Select(id => _byId[id])] : [];
    }

    public ReceivedReport Report(int last)
    {
        lock (_gate)
        {
            return new ReceivedReport(startedAt, _count, _repeats, new Dictionary<string, long>(_refused), _failed, _reset, _outOfOrder,
                _undecided, _forgotten,
                [.. _bodies.Reverse().Where(kept => _byId.ContainsKey(kept.Id)).Take(last)
                    .Select(kept => new ReceivedBody(_byId[kept.Id],
                        kept.Body is null ? null : JsonSerializer.Deserialize<JsonElement>(kept.Body)))]);
        }
    }

    private void CheckOrder(WebhookEvent content)
    {
        if (content is not { ReservationId: { } reservation, Sequence: > 1 }
            || (_byReservation.TryGetValue(reservation, out var ids) && ids.Exists(id => _byId[id].Sequence == content.Sequence - 1)))
            return;
        if (_forgotten > 0 || content.ConfirmedAt < startedAt)
            _undecided++;
        else
            _outOfOrder++;
    }

    private void Forget(string id)
    {
        _forgotten++;
        if (_byId.Remove(id, out var old) && old.ReservationId is { } reservation && _byReservation.TryGetValue(reservation, out var ids)
            && ids.Remove(id) && ids.Count == 0)
            _byReservation.Remove(reservation);
    }
}
