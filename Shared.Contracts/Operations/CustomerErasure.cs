namespace ConcertSaga.Contracts.Operations;

/// <summary>
/// Replaces the id of a customer in all rows of one owner. Sent by Operations to <c>POST /internal/customers/{owner}/erase</c>. The owner
/// acts once for each action id, so the request can be repeated.
/// </summary>
/// <param name="ActionId">The id under which the owner records it.</param>
/// <param name="Operator">The user id of the operator.</param>
/// <param name="Reason">The operator's reason.</param>
/// <param name="UserId">The customer.</param>
/// <param name="Pseudonym">The random id that replaces it; the same for all owners.</param>
/// <param name="ReservationIds">
/// The customer's reservations, for the owners that have no list by customer; empty for the orchestrator.
/// </param>
/// <param name="LastOutcomeAt">The time of the customer's last outcome that the data platform gets; null if there is none.</param>
public sealed record EraseCustomer(
    Guid ActionId, string Operator, string Reason, string UserId, string Pseudonym, Guid[] ReservationIds,
    DateTimeOffset? LastOutcomeAt = null);

/// <summary>Sent by an owner in response to <see cref="EraseCustomer"/>.</summary>
/// <param name="IsDone">False if the owner has to wait, and was not changed. Operations then asks again.</param>
/// <param name="Refusal">The code with which the owner refused it; null if it was carried out.</param>
public sealed record CustomerErasure(bool IsDone, string? Refusal);

/// <summary>The reservations of a customer. Sent by the orchestrator in response to <c>GET /internal/customers/reservations</c>.</summary>
/// <param name="ReservationIds">All of them.</param>
/// <param name="HasUnfinished">Whether one of them has not ended.</param>
/// <param name="LastOutcomeAt">The time of the last outcome that the data platform gets; null if there is none.</param>
public sealed record CustomerReservations(Guid[] ReservationIds, bool HasUnfinished, DateTimeOffset? LastOutcomeAt);
