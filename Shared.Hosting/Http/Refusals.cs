using ConcertSaga.Contracts;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;

namespace ConcertSaga.Shared.Hosting.Http;

/// <summary>A refusal with a fixed status and text.</summary>
/// <param name="Status">The HTTP status.</param>
/// <param name="Code">The stable code that clients act on.</param>
/// <param name="Detail">What happened and what to do.</param>
public sealed record Refusal(int Status, string Code, string Detail)
{
    /// <summary>Creates the response.</summary>
    /// <param name="extensions">Further members of the problem.</param>
    public ProblemHttpResult Answer(params ReadOnlySpan<(string Name, object? Value)> extensions) =>
        Problems.Refuse(Status, Code, Detail, extensions);
}

/// <summary>The refusals with a fixed text, each stated once for all processes.</summary>
public static class Refusals
{
    // Queue tokens. The gateway refuses most of these requests itself; a service refuses those forwarded with Caller.QueueRefusal.

    /// <summary>The request carries no queue token.</summary>
    public static readonly Refusal QueueTokenMissing = new(StatusCodes.Status400BadRequest, RefusalCodes.QueueTokenMissing,
        "The queue token is missing. Send the most recent one in the header X-Queue-Token. POST /api/queue/tokens issues one.");

    /// <summary>The queue token was not issued here, or was changed.</summary>
    public static readonly Refusal QueueTokenInvalid = new(StatusCodes.Status401Unauthorized, RefusalCodes.QueueTokenInvalid,
        "The queue token is invalid. Send the most recent token exactly as you received it.");

    /// <summary>The queue token belongs to another customer.</summary>
    public static readonly Refusal QueueTokenNotYours = new(StatusCodes.Status403Forbidden, RefusalCodes.QueueTokenNotYours,
        "The queue token belongs to another customer. Send your own.");

    /// <summary>The queue token has expired.</summary>
    public static readonly Refusal QueueTokenExpired = new(StatusCodes.Status410Gone, RefusalCodes.QueueTokenExpired,
        "The queue token has expired. Enter the waiting room again.");

    /// <summary>A purchase or its owner ended the queue token.</summary>
    public static readonly Refusal QueueTokenRevoked = new(StatusCodes.Status410Gone, RefusalCodes.QueueTokenRevoked,
        "The queue token was used or given up. Enter the waiting room again.");

    /// <summary>The queue token only holds a place; the route needs a pass.</summary>
    public static readonly Refusal QueueTokenNotActive = new(StatusCodes.Status403Forbidden, RefusalCodes.QueueTokenNotActive,
        "This queue token only holds your place. Keep polling until you are admitted.");

    /// <summary>The queue token is for another concert.</summary>
    public static readonly Refusal QueueTokenWrongConcert = new(StatusCodes.Status403Forbidden, RefusalCodes.QueueTokenWrongConcert,
        "The queue token is for another concert. Enter this concert's waiting room.");

    /// <summary>The gateway cannot check queue tokens at the moment.</summary>
    public static readonly Refusal QueueUnavailable = new(StatusCodes.Status503ServiceUnavailable, RefusalCodes.QueueUnavailable,
        "Queue tokens cannot be checked right now. Wait as long as Retry-After says, then try again.");

    // The sale.

    /// <summary>No concert has this id.</summary>
    public static readonly Refusal ConcertNotFound = new(StatusCodes.Status404NotFound, RefusalCodes.ConcertNotFound,
        "This concert does not exist.");

    /// <summary>The sale of the concert is over.</summary>
    public static readonly Refusal SaleClosed = new(StatusCodes.Status409Conflict, RefusalCodes.SaleClosed,
        "The sale of this concert is over.");

    /// <summary>No schedule has this id.</summary>
    public static readonly Refusal ScheduleNotFound = new(StatusCodes.Status404NotFound, RefusalCodes.ScheduleNotFound,
        "This schedule does not exist.");

    /// <summary>The schedule is not on sale at the moment.</summary>
    public static readonly Refusal ScheduleClosed = new(StatusCodes.Status409Conflict, RefusalCodes.ScheduleClosed,
        "This schedule is not on sale at the moment.");

    /// <summary>An operator cancelled the schedule.</summary>
    public static readonly Refusal ScheduleCancelled = new(StatusCodes.Status409Conflict, RefusalCodes.ScheduleCancelled,
        "This schedule was cancelled. Points that were paid for it are refunded.");

    /// <summary>The schedule has no seat of this number.</summary>
    public static readonly Refusal SeatNotFound = new(StatusCodes.Status404NotFound, RefusalCodes.SeatNotFound,
        "This schedule has no such seat.");

    /// <summary>A seat is held or sold.</summary>
    public static readonly Refusal SeatUnavailable = new(StatusCodes.Status409Conflict, RefusalCodes.SeatUnavailable,
        "A seat is held or sold. Choose other seats.");

    /// <summary>The customer would exceed the allowed number of seats.</summary>
    public static readonly Refusal SeatLimitReached = new(StatusCodes.Status409Conflict, RefusalCodes.SeatLimitReached,
        "You would exceed the number of seats one customer may have. Choose fewer seats.");

    /// <summary>The caller has no reservation with this id.</summary>
    public static readonly Refusal ReservationNotFound = new(StatusCodes.Status404NotFound, RefusalCodes.ReservationNotFound,
        "You have no such reservation.");

    /// <summary>Another reservation of the customer is unpaid.</summary>
    public static readonly Refusal ReservationInProgress = new(StatusCodes.Status409Conflict, RefusalCodes.ReservationInProgress,
        "You have another reservation that is unpaid. Pay or cancel it first.");

    /// <summary>A step failed, and the saga has compensated the others.</summary>
    public static readonly Refusal ReservationFailed = new(StatusCodes.Status409Conflict, RefusalCodes.ReservationFailed,
        "The reservation could not be completed. Seats and points are back in their earlier state.");

    /// <summary>The balance does not cover the price.</summary>
    public static readonly Refusal InsufficientPoints = new(StatusCodes.Status402PaymentRequired, RefusalCodes.InsufficientPoints,
        "The balance does not cover the price. Charge points and pay again.");

    /// <summary>The seats were not paid for in time.</summary>
    public static readonly Refusal HoldExpired = new(StatusCodes.Status410Gone, RefusalCodes.HoldExpired,
        "The seats were not paid for in time and are available again. Reserve again.");

    /// <summary>The payment service refused the payment.</summary>
    public static readonly Refusal PaymentRejected = new(StatusCodes.Status409Conflict, RefusalCodes.PaymentRejected,
        "The payment was refused. Seats and points are back in their earlier state.");

    // The sign-in of pages.

    /// <summary>A change that the session cookie authenticates does not come from a page of the gateway.</summary>
    public static readonly Refusal CsrfRejected = new(StatusCodes.Status403Forbidden, RefusalCodes.CsrfRejected,
        "A change by a signed-in page must come from this site, with the header X-CSRF: 1. Send it from there, or use a bearer token.");

    // The operator routes.

    /// <summary>The caller lacks the role the route needs.</summary>
    public static readonly Refusal OperatorsOnly = new(StatusCodes.Status403Forbidden, RefusalCodes.Forbidden,
        "This route needs the role ops.");

    /// <summary>No delivery has this id.</summary>
    public static readonly Refusal DeliveryNotFound = new(StatusCodes.Status404NotFound, RefusalCodes.DeliveryNotFound,
        "This delivery does not exist.");

    /// <summary>No failed message has this id.</summary>
    public static readonly Refusal FailedMessageNotFound = new(StatusCodes.Status404NotFound, RefusalCodes.FailedMessageNotFound,
        "This failed message does not exist.");

    /// <summary>No operation has this id.</summary>
    public static readonly Refusal OperationNotFound = new(StatusCodes.Status404NotFound, RefusalCodes.OperationNotFound,
        "This operation does not exist.");

    /// <summary>No invariant has this name.</summary>
    public static readonly Refusal InvariantNotFound = new(StatusCodes.Status404NotFound, RefusalCodes.InvariantNotFound,
        "This invariant does not exist. GET /ops/api/invariants lists them.");

    private static readonly Dictionary<string, Refusal> OfQueueTokens = new[]
    {
        QueueTokenMissing, QueueTokenInvalid, QueueTokenNotYours, QueueTokenExpired,
        QueueTokenRevoked, QueueTokenNotActive, QueueTokenWrongConcert, QueueUnavailable
    }.ToDictionary(refusal => refusal.Code);

    /// <summary>
    /// Returns the refusal of a queue token with a code. An unknown code, from a newer gateway, is also a refusal.
    /// </summary>
    public static Refusal OfQueueToken(string code) => OfQueueTokens.GetValueOrDefault(code)
        ?? new Refusal(StatusCodes.Status403Forbidden, code, "The queue token does not open this address. Enter the waiting room again.");
}
