namespace ConcertSaga.Contracts;

/// <summary>
/// The stable codes that tell refusals apart, in the member <c>code</c> of a problem, a reply or a failed reservation. A code never changes
/// its meaning.
/// </summary>
public static class RefusalCodes
{
    /// <summary>The request cannot be read.</summary>
    public const string BadRequest = "BAD_REQUEST";

    /// <summary>The request carries no valid bearer token.</summary>
    public const string Unauthenticated = "UNAUTHENTICATED";

    /// <summary>The balance does not cover the price.</summary>
    public const string PaymentRequired = "PAYMENT_REQUIRED";

    /// <summary>The caller lacks the role the route needs.</summary>
    public const string Forbidden = "FORBIDDEN";

    /// <summary>A change that a session cookie authenticates does not come from the gateway's own page.</summary>
    public const string CsrfRejected = "CSRF_REJECTED";

    /// <summary>The address does not exist.</summary>
    public const string NotFound = "NOT_FOUND";

    /// <summary>The address does not support the method.</summary>
    public const string MethodNotAllowed = "METHOD_NOT_ALLOWED";

    /// <summary>The server cannot produce any accepted media type.</summary>
    public const string NotAcceptable = "NOT_ACCEPTABLE";

    /// <summary>The request did not arrive completely in time.</summary>
    public const string RequestTimeout = "REQUEST_TIMEOUT";

    /// <summary>The request conflicts with the current state.</summary>
    public const string Conflict = "CONFLICT";

    /// <summary>The resource no longer exists.</summary>
    public const string Gone = "GONE";

    /// <summary>The request body is larger than the limit.</summary>
    public const string PayloadTooLarge = "PAYLOAD_TOO_LARGE";

    /// <summary>The address is longer than the limit.</summary>
    public const string UriTooLong = "URI_TOO_LONG";

    /// <summary>The body is not JSON in UTF-8.</summary>
    public const string UnsupportedMediaType = "UNSUPPORTED_MEDIA_TYPE";

    /// <summary>A member is missing or has a value that is not allowed.</summary>
    public const string Unprocessable = "UNPROCESSABLE";

    /// <summary>The caller has reached a rate limit.</summary>
    public const string TooManyRequests = "TOO_MANY_REQUESTS";

    /// <summary>The request headers are larger than the limit.</summary>
    public const string HeadersTooLarge = "HEADERS_TOO_LARGE";

    /// <summary>The client closed the connection before the response.</summary>
    public const string ClientClosedRequest = "CLIENT_CLOSED_REQUEST";

    /// <summary>The request failed because of an error in the server.</summary>
    public const string InternalError = "INTERNAL_ERROR";

    /// <summary>The HTTP version of the request is not supported.</summary>
    public const string HttpVersionNotSupported = "HTTP_VERSION_NOT_SUPPORTED";

    /// <summary>A part of the system that the request needs is temporarily unavailable.</summary>
    public const string Unavailable = "UNAVAILABLE";

    /// <summary>Any other refusal.</summary>
    public const string Error = "ERROR";

    /// <summary>The body has a member that the route does not define.</summary>
    public const string UnknownMember = "UNKNOWN_MEMBER";

    /// <summary>The query has a parameter that the route does not define.</summary>
    public const string UnknownParameter = "UNKNOWN_PARAMETER";

    /// <summary>The route needs the header <c>Idempotency-Key</c>.</summary>
    public const string IdempotencyKeyMissing = "IDEMPOTENCY_KEY_MISSING";

    /// <summary>The idempotency key is malformed.</summary>
    public const string IdempotencyKeyInvalid = "IDEMPOTENCY_KEY_INVALID";

    /// <summary>The idempotency key was used with another request.</summary>
    public const string IdempotencyKeyReused = "IDEMPOTENCY_KEY_REUSED";

    /// <summary>The user id is malformed.</summary>
    public const string InvalidUserId = "INVALID_USER_ID";

    /// <summary>A role does not exist.</summary>
    public const string InvalidRoles = "INVALID_ROLES";

    /// <summary>The amount of a charge is out of range.</summary>
    public const string InvalidAmount = "INVALID_AMOUNT";

    /// <summary>The seat numbers are missing, repeated, out of range or too many.</summary>
    public const string InvalidSeats = "INVALID_SEATS";

    /// <summary>A setting of a waiting room has a value that is not allowed.</summary>
    public const string InvalidSettings = "INVALID_SETTINGS";

    /// <summary>An operator gave no reason, or one that is too long.</summary>
    public const string InvalidReason = "INVALID_REASON";

    /// <summary>The request carries no queue token.</summary>
    public const string QueueTokenMissing = "QUEUE_TOKEN_MISSING";

    /// <summary>The queue token was not issued here, or was changed.</summary>
    public const string QueueTokenInvalid = "QUEUE_TOKEN_INVALID";

    /// <summary>The queue token belongs to another customer.</summary>
    public const string QueueTokenNotYours = "QUEUE_TOKEN_NOT_YOURS";

    /// <summary>The queue token has expired.</summary>
    public const string QueueTokenExpired = "QUEUE_TOKEN_EXPIRED";

    /// <summary>A purchase or its owner ended the queue token.</summary>
    public const string QueueTokenRevoked = "QUEUE_TOKEN_REVOKED";

    /// <summary>The queue token only holds a place; the route needs a pass.</summary>
    public const string QueueTokenNotActive = "QUEUE_TOKEN_NOT_ACTIVE";

    /// <summary>The queue token is for another concert.</summary>
    public const string QueueTokenWrongConcert = "QUEUE_TOKEN_WRONG_CONCERT";

    /// <summary>The gateway cannot check queue tokens at the moment.</summary>
    public const string QueueUnavailable = "QUEUE_UNAVAILABLE";

    /// <summary>No concert has this id.</summary>
    public const string ConcertNotFound = "CONCERT_NOT_FOUND";

    /// <summary>The sale of the concert is over.</summary>
    public const string SaleClosed = "SALE_CLOSED";

    /// <summary>No schedule has this id.</summary>
    public const string ScheduleNotFound = "SCHEDULE_NOT_FOUND";

    /// <summary>The schedule is not on sale at the moment.</summary>
    public const string ScheduleClosed = "SCHEDULE_CLOSED";

    /// <summary>An operator cancelled the schedule. Also recorded with the reservations that this cancelled.</summary>
    public const string ScheduleCancelled = "SCHEDULE_CANCELLED";

    /// <summary>The times of a schedule or its sale are missing, in the past or in the wrong order.</summary>
    public const string InvalidSchedule = "INVALID_SCHEDULE";

    /// <summary>The schedule has no seat of this number.</summary>
    public const string SeatNotFound = "SEAT_NOT_FOUND";

    /// <summary>A seat is held or sold.</summary>
    public const string SeatUnavailable = "SEAT_UNAVAILABLE";

    /// <summary>The customer would exceed the allowed number of seats.</summary>
    public const string SeatLimitReached = "SEAT_LIMIT_REACHED";

    /// <summary>The reservation holds no seats. Between services only.</summary>
    public const string SeatsNotHeld = "SEATS_NOT_HELD";

    /// <summary>The seats were released before they could be held. Between services only.</summary>
    public const string HoldReleased = "HOLD_RELEASED";

    /// <summary>The seats were not paid for in time.</summary>
    public const string HoldExpired = "HOLD_EXPIRED";

    /// <summary>The caller has no reservation with this id.</summary>
    public const string ReservationNotFound = "RESERVATION_NOT_FOUND";

    /// <summary>Another reservation of the customer is unpaid, or has not ended if the customer is to be erased.</summary>
    public const string ReservationInProgress = "RESERVATION_IN_PROGRESS";

    /// <summary>The reservation is in a state that does not accept a payment.</summary>
    public const string ReservationNotPayable = "RESERVATION_NOT_PAYABLE";

    /// <summary>The reservation is in a state that cannot be cancelled.</summary>
    public const string ReservationNotCancellable = "RESERVATION_NOT_CANCELLABLE";

    /// <summary>The reservation is in a state in which no command can be resent.</summary>
    public const string ReservationNotRetryable = "RESERVATION_NOT_RETRYABLE";

    /// <summary>An operator cancelled the reservation. Recorded with a cancelled reservation.</summary>
    public const string CancelledByOperator = "CANCELLED_BY_OPERATOR";

    /// <summary>A step failed, and the saga has compensated the others.</summary>
    public const string ReservationFailed = "RESERVATION_FAILED";

    /// <summary>A service did not answer a step. Recorded with a failed reservation.</summary>
    public const string StepTimedOut = "STEP_TIMED_OUT";

    /// <summary>The balance does not cover the price.</summary>
    public const string InsufficientPoints = "INSUFFICIENT_POINTS";

    /// <summary>The points were refunded before they could be deducted. Between services only.</summary>
    public const string DeductionRefunded = "DEDUCTION_REFUNDED";

    /// <summary>The payment service refused the payment.</summary>
    public const string PaymentRejected = "PAYMENT_REJECTED";

    /// <summary>The payment was cancelled before it could be confirmed. Between services only.</summary>
    public const string PaymentCancelled = "PAYMENT_CANCELLED";

    /// <summary>No delivery has this id.</summary>
    public const string DeliveryNotFound = "DELIVERY_NOT_FOUND";

    /// <summary>The data platform already has the delivery.</summary>
    public const string DeliveryDelivered = "DELIVERY_DELIVERED";

    /// <summary>A replica is sending the delivery.</summary>
    public const string DeliveryUnderWay = "DELIVERY_UNDER_WAY";

    /// <summary>No failed message has this id.</summary>
    public const string FailedMessageNotFound = "FAILED_MESSAGE_NOT_FOUND";

    /// <summary>A bulk change names no items, or names them in more than one way.</summary>
    public const string InvalidSelection = "INVALID_SELECTION";

    /// <summary>No operation has this id.</summary>
    public const string OperationNotFound = "OPERATION_NOT_FOUND";

    /// <summary>No invariant has this name.</summary>
    public const string InvariantNotFound = "INVARIANT_NOT_FOUND";
}
