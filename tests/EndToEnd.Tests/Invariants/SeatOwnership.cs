using System.Collections.Concurrent;
using ConcertSaga.EndToEnd.Tests.Systems;

namespace ConcertSaga.EndToEnd.Tests.Invariants;

/// <summary>
/// The answers of customers about who has a seat, by one clock. A reservation has its seats without a gap, so it had them at least from the
/// first answer that said so until the last request whose answer said so. Two reservations of a seat whose times overlap break the
/// promise that it has one owner.
/// </summary>
internal sealed class SeatOwnership
{
    private readonly ConcurrentDictionary<Guid, Owner> _owners = new();

    private sealed record Owner(SeatSelection Seats, long From, long Until);

    /// <summary>Records an answer that a reservation has its seats.</summary>
    /// <param name="reservationId">The reservation.</param>
    /// <param name="seats">Its seats.</param>
    /// <param name="sent">When the request was sent.</param>
    /// <param name="received">When the answer was received.</param>
    public void Observe(Guid reservationId, SeatSelection seats, long sent, long received) =>
        _owners.AddOrUpdate(reservationId, new Owner(seats, received, sent), (_, known) =>
            known with { From = Math.Min(known.From, received), Until = Math.Max(known.Until, sent) });

    /// <summary>Returns the seats that two reservations had at the same time.</summary>
    public IEnumerable<string> FindShared()
    {
        var bySeat = _owners.Where(owner => owner.Value.From < owner.Value.Until)
            .SelectMany(owner => owner.Value.Seats.Numbers, (owner, number) => (owner.Value.Seats.ScheduleId, number, owner))
            .GroupBy(row => (row.ScheduleId, row.number), row => row.owner);
        foreach (var seat in bySeat)
        {
            var last = default(KeyValuePair<Guid, Owner>);
            foreach (var owner in seat.OrderBy(owner => owner.Value.From))
            {
                if (last.Value is not null && owner.Value.From < last.Value.Until)
                    yield return $"Seat {seat.Key.number} of schedule {seat.Key.ScheduleId} belonged to {last.Key} and {owner.Key} "
                        + "at once.";
                if (last.Value is null || owner.Value.Until > last.Value.Until)
                    last = owner;
            }
        }
    }
}
