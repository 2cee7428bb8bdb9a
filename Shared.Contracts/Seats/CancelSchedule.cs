namespace ConcertSaga.Contracts.Seats;

/// <summary>
/// Permanently ends the sale of a schedule. Sent by Operations to <c>POST /internal/schedules/{scheduleId}/cancel</c> of Seats, which
/// refuses every later hold. Idempotent by action.
/// </summary>
/// <param name="ActionId">The operator's action.</param>
/// <param name="Operator">The user id of the operator.</param>
/// <param name="Reason">Why, in the operator's words.</param>
public sealed record CancelSchedule(Guid ActionId, string Operator, string Reason);

/// <summary>Sent by Seats in response to <see cref="CancelSchedule"/>. A reservation that is requested later gets no seats.</summary>
/// <param name="CancelledAt">When the schedule was cancelled for the first time.</param>
public sealed record CancelledSchedule(DateTimeOffset CancelledAt);
