using System.Text.Json;

namespace ConcertSaga.OperatorConsole.Api;

// The members of answers that the pages show. The owners describe them.

public sealed record PageOf<T>(T[] Items, string? NextCursor);

public sealed record FailureShown(string Code, string Detail);

public sealed record ReservationShown(
    Guid ReservationId, string State, string Status, string UserId, int? ConcertId, int ScheduleId, int[] SeatNumbers,
    DateTimeOffset? StartsAt, long? TotalPrice, int PaymentAttempt, Guid? PaymentId, Guid? QueueTokenId, string? Outcome,
    FailureShown? Failure, string[] RemainingSteps, int StepAttempts, DateTimeOffset? NextAttemptAt, DateTimeOffset? StuckSince,
    DateTimeOffset? HoldExpiresAt, DateTimeOffset? ConfirmedAt, DateTimeOffset CreatedAt, DateTimeOffset UpdatedAt, int Version)
{
    /// <summary>Whether a step awaits its reply, so that its command can be resent.</summary>
    public bool IsRetryable => NextAttemptAt is not null;

    /// <summary>Whether the saga accepts a cancellation.</summary>
    public bool IsCancellable => State is "Confirmed" || (RemainingSteps.Length > 0 && Outcome is null or "Cancelled");
}

public sealed record TransitionShown(
    int Sequence, DateTimeOffset At, long? DurationMilliseconds, string Trigger, string? FromState, string ToState, string? Detail,
    string? Operator, string? Reason);

public sealed record ActionShown(
    string? Owner, Guid ActionId, DateTimeOffset At, string Operator, string Action, string Target, string Reason, string? Refusal,
    JsonElement? Before, JsonElement? After)
{
    /// <summary>An action as the owners of deliveries and failed messages describe it.</summary>
    public static ActionShown Of(DateTimeOffset at, string user, string action, string reason) =>
        new(null, Guid.Empty, at, user, action, "", reason, null, null, null);
}

public sealed record FindingShown(string Owner, string? Invariant, string Detail);

public sealed record ReservationReportShown(
    ReservationShown Reservation, TransitionShown[] Transitions, ActionShown[] Actions, Dictionary<string, JsonElement>? Facts,
    FindingShown[]? Findings, string[]? Missing);

public sealed record ReservationActionShown(Guid ActionId, ReservationShown Reservation);
