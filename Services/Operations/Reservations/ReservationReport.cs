using System.Text.Json;
using ConcertSaga.Contracts.Facts;
using ConcertSaga.Operations.Facts;
using ConcertSaga.Operations.Owners;

namespace ConcertSaga.Operations.Reservations;

/// <summary>A reservation with everything that the services have for it.</summary>
/// <param name="Reservation">The reservation as in the list.</param>
/// <param name="Transitions">Its transitions, in order.</param>
/// <param name="Actions">The actions of operators on it, newest first.</param>
/// <param name="Facts">What each owner has for it.</param>
/// <param name="Findings">Where the owners disagree with the saga. Steps in progress are no disagreement.</param>
/// <param name="Missing">The owners that did not answer. Neither facts nor findings cover them.</param>
public sealed record ReservationReport(
    JsonElement Reservation, JsonElement Transitions, JsonElement Actions, ReservationFacts Facts, IReadOnlyList<Disagreement> Findings,
    IReadOnlyList<Owner> Missing);

/// <summary>What each owner has for a reservation; null if it has nothing, or did not answer.</summary>
/// <param name="Seats">The hold, and the rows of its seats.</param>
/// <param name="Points">The decisions, and the entries of the ledger.</param>
/// <param name="Payments">The payment.</param>
/// <param name="Queue">The queue entry of the pass; also null if there was no pass.</param>
/// <param name="DataPlatform">The deliveries.</param>
public sealed record ReservationFacts(
    SeatFact? Seats, PointFact? Points, PaymentFact? Payments, QueueEntryFact? Queue, IReadOnlyList<DeliveryFact>? DataPlatform);

/// <summary>The orchestrator's part of the report. Its members pass through unchanged.</summary>
internal sealed record SagaReport(JsonElement Reservation, JsonElement Transitions, JsonElement Actions)
{
    public int Version => Reservation.GetProperty("version").GetInt32();

    public Guid? Pass => Reservation.GetProperty("queueTokenId") is { ValueKind: JsonValueKind.String } pass ? pass.GetGuid() : null;
}
