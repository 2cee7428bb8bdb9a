using System.Text.Json;

namespace ConcertSaga.DataPlatformStub;

/// <summary>One event that was taken.</summary>
/// <param name="Id">Its <c>webhook-id</c>.</param>
/// <param name="Type">What happened.</param>
/// <param name="ReservationId">The reservation it tells of; null where it names none.</param>
/// <param name="Sequence">Its number among the events of the reservation; 0 where it has none.</param>
/// <param name="At">When it first came.</param>
/// <param name="Times">How often it came.</param>
public sealed record ReceivedEvent(string Id, string Type, Guid? ReservationId, int Sequence, DateTimeOffset At, int Times);

/// <summary>An event that was taken, and all that was in it.</summary>
/// <param name="Event">The event.</param>
/// <param name="Body">The body as it first came; null where it was too large to keep.</param>
public sealed record ReceivedBody(ReceivedEvent Event, JsonElement? Body);

/// <summary>What a receiver has seen so far.</summary>
/// <param name="StartedAt">Since when.</param>
/// <param name="Count">Events that were taken, each counted once.</param>
/// <param name="Repeats">How often one came that had been taken before.</param>
/// <param name="Refused">Requests that were not signed, or not understood, by reason.</param>
/// <param name="Failed">Requests that were answered with a failure on purpose.</param>
/// <param name="Reset">Connections that were reset on purpose.</param>
/// <param name="OutOfOrder">Events that came before the one before them.</param>
/// <param name="Undecided">
/// Events whose predecessor is not known, but may have come before this receiver started, or is forgotten.
/// </param>
/// <param name="Forgotten">Events that were taken and are not remembered any more.</param>
/// <param name="Last">The newest ones, newest first.</param>
public sealed record ReceivedReport(
    DateTimeOffset StartedAt, long Count, long Repeats, IReadOnlyDictionary<string, long> Refused, long Failed, long Reset, long OutOfOrder, long Undecided,
    long Forgotten, IReadOnlyList<ReceivedBody> Last);

/// <summary>The memory of a receiver: bounded, the oldest is forgotten first.</summary>
internal sealed class ReceivedEvents(int most, DateTimeOffset startedAt)
{
    /// <summary>So many are kept with their bodies.</summary>
    public const int MostBodies = 1_000;

    private const int LargestBody = 4_096;

    private readonly Lock _gate = new();
    private readonly Dictionary<string, ReceivedEvent> _byId = [];
    private readonly Dictionary<Guid, List<string>> _byReservation = [];
    private readonly Queue<string> _oldest = new();
    private readonly Queue<(string Id, string? Body)> _bodies = new();
    private readonly Dictionary<string, long> _refused = [];
    private long _count, _repeats, _failed, _reset, _outOfOrder, _undecided, _forgotten;

    /// <summary>Takes an event, for the first time or again.</summary>
    public void Take(string id, WebhookEvent content, DateTimeOffset now, ReadOnlySpan<byte> body)
    {
        var text = body.Length <= LargestBody ? System.Text.Encoding.UTF8.GetString(body) : null;
        lock (_gate)
        {
            if (_byId.TryGetValue(id, out var known))
            {
                _repeats++;
                _byId[id] = known with { Times = known.Times + 1 };
                return;
            }
            _count++;
            Judge(content);
            _byId[id] = new ReceivedEvent(id, content.Type, content.ReservationId, content.Sequence, now, 1);
            _oldest.Enqueue(id);
            _bodies.Enqueue((id, text));
            if (content.ReservationId is { } reservation)
            {
                if (!_byReservation.TryGetValue(reservation, out var ids))
                    _byReservation[reservation] = ids = new List<string>(2);
                ids.Add(id);
            }
            if (_bodies.Count > MostBodies)
                _bodies.Dequeue();
            if (_oldest.Count > most)
                Forget(_oldest.Dequeue());
        }
    }

    public void Refuse(string reason)
    {
        lock (_gate)
            _refused[reason] = _refused.GetValueOrDefault(reason) + 1;
    }

    public void Fail()
    {
        lock (_gate)
            _failed++;
    }

    public void Reset()
    {
        lock (_gate)
            _reset++;
    }

    /// <summary>What came of a reservation, in the order in which it came.</summary>
    public IReadOnlyList<ReceivedEvent> Of(Guid reservation)
    {
        lock (_gate)
            return _byReservation.TryGetValue(reservation, out var ids) ? [.. ids.Select(id => _byId[id])] : [];
    }

    public ReceivedReport Report(int last)
    {
        lock (_gate)
        {
            return new ReceivedReport(startedAt, _count, _repeats, new Dictionary<string, long>(_refused), _failed, _reset, _outOfOrder, _undecided, _forgotten,
                [.. _bodies.Reverse().Where(one => _byId.ContainsKey(one.Id)).Take(last)
                    .Select(one => new ReceivedBody(_byId[one.Id], one.Body is null ? null : JsonSerializer.Deserialize<JsonElement>(one.Body)))]);
        }
    }

    private void Judge(WebhookEvent content)
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
