namespace ConcertSaga.Contracts.DataPlatform;

/// <summary>
/// Asks which reservations the data platform does not have yet. Sent by the orchestrator to <c>POST /internal/deliveries/check</c> of
/// DataPlatform before it deletes them.
/// </summary>
/// <param name="ReservationIds">The reservations.</param>
public sealed record DeliveryCheck(Guid[] ReservationIds);

/// <summary>Sent by DataPlatform in response to <see cref="DeliveryCheck"/>.</summary>
/// <param name="ReconciledTo">The relay knows every outcome up to this instant; null before its first comparison.</param>
/// <param name="Undelivered">Those of the reservations with an event that is neither delivered nor discarded.</param>
public sealed record DeliveryCheckResult(DateTimeOffset? ReconciledTo, Guid[] Undelivered);
