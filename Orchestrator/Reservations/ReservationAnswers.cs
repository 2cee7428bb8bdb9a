using ConcertSaga.Contracts;
using Microsoft.AspNetCore.Http.HttpResults;

namespace ConcertSaga.Orchestrator.Reservations;

/// <summary>Reads from a row how a call has ended; null while that is open.</summary>
internal static class ReservationAnswers
{
    /// <summary>The answer to <c>POST /api/reservations</c>.</summary>
    public static Results<Created<ReservationResponse>, Accepted<ReservationResponse>, ProblemHttpResult>? ToRequest(Reservation row) =>
        row.CurrentState switch
        {
            ReservationStates.Rejected => ReservationRefusals.Of(row),
            ReservationStates.AwaitingPayment when row.PayImmediately && row.FailureCode is not null => ReservationRefusals.Of(row),
            ReservationStates.AwaitingPayment or ReservationStates.Confirmed => Created(row),
            // The hold was granted, even if it has ended since. A request with payment asked for more than the hold.
            ReservationStates.Expired or ReservationStates.Cancelled or ReservationStates.Failed when row.HoldExpiresAt is not null
                && !row.PayImmediately => Created(row),
            ReservationStates.Cancelled when row.FailureCode == RefusalCodes.ScheduleCancelled && row.ConfirmedAt is null =>
                ReservationRefusals.Of(row),
            ReservationStates.Cancelled => Created(row),
            ReservationStates.Expired or ReservationStates.Failed => ReservationRefusals.Of(row),
            _ => null
        };

    /// <summary>The answer to <c>POST /api/reservations/{id}/payment</c>.</summary>
    /// <param name="row">The reservation.</param>
    /// <param name="attempt">The payment attempt that the call started or joined.</param>
    public static Results<Ok<ReservationResponse>, Accepted<ReservationResponse>, ProblemHttpResult>? ToPayment(
        Reservation row, int attempt) => row.CurrentState switch
        {
            ReservationStates.Confirmed => TypedResults.Ok(ReservationResponse.Of(row)),
            ReservationStates.AwaitingPayment when row.PaymentAttempt < attempt => null,
            ReservationStates.AwaitingPayment when row.FailureCode is not null => ReservationRefusals.Of(row),
            ReservationStates.Expired or ReservationStates.Failed => ReservationRefusals.Of(row),
            ReservationStates.Cancelled or ReservationStates.Rejected => ReservationRefusals.NotPayable(row),
            _ => null
        };

    /// <summary>The answer to <c>DELETE /api/reservations/{id}</c>.</summary>
    /// <param name="row">The reservation.</param>
    /// <param name="version">The version that the call asked to cancel.</param>
    public static Results<Ok<ReservationResponse>, Accepted<ReservationResponse>, ProblemHttpResult>? ToCancellation(
        Reservation row, int version) => row.CurrentState switch
        {
            ReservationStates.Cancelled => TypedResults.Ok(ReservationResponse.Of(row)),
            _ when row.Outcome == ReservationStates.Cancelled => null,
            // The saga has not handled the request yet.
            _ when row.Version <= version => null,
            // Another event came first, and the saga ignores a request for an outdated version.
            ReservationStates.AwaitingPayment or ReservationStates.Confirmed => ReservationRefusals.Overtaken(row),
            _ => ReservationRefusals.NotCancellable(row)
        };

    private static Created<ReservationResponse> Created(Reservation row) =>
        TypedResults.Created(ReservationResponse.LocationOf(row.CorrelationId), ReservationResponse.Of(row));
}
