using ConcertSaga.Contracts.Payments;
using ConcertSaga.Contracts.Points;
using ConcertSaga.Contracts.Reservations;
using ConcertSaga.Contracts.Seats;
using ConcertSaga.Orchestrator.Reservations;
using ConcertSaga.Orchestrator.Tests.Hosts;
using static ConcertSaga.Orchestrator.Reservations.ReservationStates;

namespace ConcertSaga.Orchestrator.Tests.Reservations;

/// <summary>The expected result of an event that is handled. Instants are relative to now.</summary>
internal sealed record Then(string State, params string[] Sent)
{
    /// <summary>The deadline; null for a reservation that has ended.</summary>
    public TimeSpan? Deadline { get; init; }

    public int StepAttempts { get; init; }

    public int PaymentAttempt { get; init; }

    public string? Outcome { get; init; }

    public string? Code { get; init; }

    public bool StillUnpaid { get; init; } = true;

    public TimeSpan? StuckSince { get; init; }
}

/// <summary>A row of the table: a state, an event, and the result. Without <paramref name="Then"/> nothing may change.</summary>
internal sealed record Transition(string State, string Event, string Case, Then? Then, Action<Reservation>? Where = null,
    Func<Reservation, object>? With = null)
{
    public string Name => $"{State}, {Event}: {Case}";
}

/// <summary>The rows of all cells of the matrix that are handled, with both sides of every condition.</summary>
internal static class Transitions
{
    private const string Request = nameof(RequestReservation);
    private const string Pay = nameof(PayReservation);
    private const string Cancel = nameof(CancelReservation);
    private const string Deadline = nameof(ReservationDeadlineReached);
    private const string Retry = nameof(RetryReservation);
    private const string OperatorCancel = nameof(CancelReservationByOperator);
    private const string ByOperator = "CANCELLED_BY_OPERATOR";

    private static readonly TimeSpan Step = new ReservationOptions().StepTimeout;
    private static readonly TimeSpan Hold = new ReservationOptions().HoldDuration;
    private static readonly TimeSpan MaxBackOff = 16 * Step;
    private static readonly TimeSpan OneTick = TimeSpan.FromTicks(1);

    private static readonly Then Holding = new(HoldingSeats, "seats-hold HoldSeats #1") { Deadline = Step, StepAttempts = 1 };

    public static readonly Transition[] All =
    [
        new(Requested, Request, "the story begins", Holding),
        new(Requested, Deadline, "due: its request was lost, so it starts now", Holding),
        new(Requested, Deadline, "not due", null, NotDue),

        new(HoldingSeats, nameof(SeatsHeld), "to be paid later",
            new Then(AwaitingPayment) { Deadline = Hold }),
        new(HoldingSeats, nameof(SeatsHeld), "to be paid at once",
            new Then(DeductingPoints, "points-deduct DeductPoints #1") { Deadline = Step, StepAttempts = 1, PaymentAttempt = 1 },
            row => row.PayImmediately = true),
        new(HoldingSeats, nameof(SeatHoldRejected), "refused",
            new Then(Rejected, "ReservationRejected") { Outcome = Rejected, Code = "SEAT_UNAVAILABLE", StillUnpaid = false }),
        .. Resent(HoldingSeats, "seats-hold HoldSeats #1"),
        new(HoldingSeats, Deadline, "attempts used up",
            new Then(ReleasingSeats, "seats-release ReleaseSeats #1") { Deadline = Step, StepAttempts = 1, Outcome = Failed,
                Code = "STEP_TIMED_OUT" },
            row => row.StepAttempts = 5),

        new(AwaitingPayment, Pay, "first attempt, hold alive",
            new Then(DeductingPoints, "points-deduct DeductPoints #1") { Deadline = Step, StepAttempts = 1, PaymentAttempt = 1 }),
        new(AwaitingPayment, Pay, "next attempt after a refusal, in the last moment of the hold",
            new Then(DeductingPoints, "points-deduct DeductPoints #3") { Deadline = Step, StepAttempts = 1, PaymentAttempt = 3 },
            row => (row.PaymentAttempt, row.FailureCode, row.HoldExpiresAt) = (2, "INSUFFICIENT_POINTS", Machine.Start + OneTick)),
        new(AwaitingPayment, Pay, "the hold ends this instant",
            new Then(ReleasingSeats, "seats-release ReleaseSeats #1") { Deadline = Step, StepAttempts = 1, Outcome = Expired,
                Code = "HOLD_EXPIRED" }, HoldOver),
        new(AwaitingPayment, Pay, "a copy of an attempt made before", null, row => row.PaymentAttempt = 1,
            row => new PayReservation(row.CorrelationId, 1)),
        new(AwaitingPayment, Pay, "an attempt that comes too early", null, null, row => new PayReservation(row.CorrelationId, 2)),
        new(AwaitingPayment, Pay, "a copy of an attempt made before, hold over", null, row =>
        {
            HoldOver(row);
            row.PaymentAttempt = 1;
        }, row => new PayReservation(row.CorrelationId, 1)),
        new(AwaitingPayment, Cancel, "cancelled unpaid",
            new Then(ReleasingSeats, "seats-release ReleaseSeats #1") { Deadline = Step, StepAttempts = 1, Outcome = Cancelled }),
        new(AwaitingPayment, Cancel, "cancelled after a refused payment",
            new Then(ReleasingSeats, "seats-release ReleaseSeats #1") { Deadline = Step, StepAttempts = 1, Outcome = Cancelled,
                PaymentAttempt = 1 },
            row => (row.PaymentAttempt, row.FailureCode, row.FailureDetail) = (1, "INSUFFICIENT_POINTS", "…")),
        new(AwaitingPayment, Cancel, "requested before a payment that was refused", null,
            row => (row.PaymentAttempt, row.FailureCode) = (1, "INSUFFICIENT_POINTS"), row =>
                new CancelReservation(row.CorrelationId, row.Version - 2)),
        new(AwaitingPayment, Deadline, "due",
            new Then(ReleasingSeats, "seats-release ReleaseSeats #1") { Deadline = Step, StepAttempts = 1, Outcome = Expired,
                Code = "HOLD_EXPIRED" }),
        new(AwaitingPayment, Deadline, "not due", null, NotDue),

        new(DeductingPoints, nameof(PointsDeducted), "this attempt",
            new Then(ConfirmingPayment, "payments-confirm ConfirmPayment #1") { Deadline = Step, StepAttempts = 1, PaymentAttempt = 1 }),
        new(DeductingPoints, nameof(PointsDeducted), "another attempt", null, row => row.PaymentAttempt = 2,
            row => new PointsDeducted(row.CorrelationId, 1, 0)),
        new(DeductingPoints, nameof(PointDeductionRejected), "this attempt, hold alive",
            new Then(AwaitingPayment) { Deadline = Given.HoldLeft, PaymentAttempt = 1, Code = "INSUFFICIENT_POINTS" }),
        new(DeductingPoints, nameof(PointDeductionRejected), "this attempt, hold over",
            new Then(ReleasingSeats, "seats-release ReleaseSeats #1")
            { Deadline = Step, StepAttempts = 1, PaymentAttempt = 1, Outcome = Expired, Code = "HOLD_EXPIRED" }, HoldOver),
        new(DeductingPoints, nameof(PointDeductionRejected), "another attempt", null, row => row.PaymentAttempt = 2,
            row => new PointDeductionRejected(row.CorrelationId, 1, "INSUFFICIENT_POINTS")),
        .. Resent(DeductingPoints, "points-deduct DeductPoints #2", row => row.PaymentAttempt = 2),
        new(DeductingPoints, Deadline, "attempts used up",
            new Then(RefundingPoints, "points-refund RefundPoints #2")
            { Deadline = Step, StepAttempts = 1, PaymentAttempt = 2, Outcome = Failed, Code = "STEP_TIMED_OUT" },
            row => (row.StepAttempts, row.PaymentAttempt) = (5, 2)),

        new(ConfirmingPayment, nameof(PaymentConfirmed), "confirmed",
            new Then(ConfirmingSeats, "seats-confirm ConfirmSeats #1") { Deadline = Step, StepAttempts = 1, PaymentAttempt = 1 }),
        new(ConfirmingPayment, nameof(PaymentRejected), "refused",
            new Then(RefundingPoints, "points-refund RefundPoints #1")
            { Deadline = Step, StepAttempts = 1, PaymentAttempt = 1, Outcome = Failed, Code = "PAYMENT_REJECTED" }),
        .. Resent(ConfirmingPayment, "payments-confirm ConfirmPayment #1"),
        new(ConfirmingPayment, Deadline, "attempts used up",
            new Then(CancellingPayment, "payments-cancel CancelPayment #1")
            { Deadline = Step, StepAttempts = 1, PaymentAttempt = 1, Outcome = Failed, Code = "STEP_TIMED_OUT" },
            row => row.StepAttempts = 5),

        new(ConfirmingSeats, nameof(SeatsConfirmed), "done",
            new Then(Confirmed, "ReservationConfirmed") { PaymentAttempt = 1, Outcome = Confirmed, StillUnpaid = false }),
        new(ConfirmingSeats, nameof(SeatConfirmationRejected), "refused",
            new Then(CancellingPayment, "payments-cancel CancelPayment #1")
            { Deadline = Step, StepAttempts = 1, PaymentAttempt = 1, Outcome = Failed, Code = "SEATS_NOT_HELD" }),
        new(ConfirmingSeats, nameof(SeatConfirmationRejected), "the schedule is cancelled",
            new Then(CancellingPayment, "payments-cancel CancelPayment #1")
            { Deadline = Step, StepAttempts = 1, PaymentAttempt = 1, Outcome = Failed, Code = "SCHEDULE_CANCELLED" },
            null, row => new SeatConfirmationRejected(row.CorrelationId, 1, "SCHEDULE_CANCELLED")),
        .. AlwaysResent(ConfirmingSeats, "seats-confirm ConfirmSeats #1"),

        new(Confirmed, Cancel, "one tick before the cut-off",
            new Then(CancellingPayment, "payments-cancel CancelPayment #1")
            { Deadline = Step, StepAttempts = 1, PaymentAttempt = 1, Outcome = Cancelled, StillUnpaid = false },
            row => row.StartsAt = Machine.Start.AddDays(1) + OneTick),
        new(Confirmed, Cancel, "requested while it was unpaid", null, null,
            row => new CancelReservation(row.CorrelationId, row.Version - 1)),
        new(Confirmed, Cancel, "at the cut-off", null, row => row.StartsAt = Machine.Start.AddDays(1)),

        new(CancellingPayment, nameof(PaymentCancelled), "compensated",
            new Then(RefundingPoints, "points-refund RefundPoints #3")
            { Deadline = Step, StepAttempts = 1, PaymentAttempt = 3, Outcome = Failed, Code = "STEP_TIMED_OUT" },
            row => row.PaymentAttempt = 3),
        .. AlwaysResent(CancellingPayment, "payments-cancel CancelPayment #1"),

        new(RefundingPoints, nameof(PointsRefunded), "compensated",
            new Then(ReleasingSeats, "seats-release ReleaseSeats #1")
            { Deadline = Step, StepAttempts = 1, PaymentAttempt = 1, Outcome = Failed, Code = "STEP_TIMED_OUT" }),
        new(RefundingPoints, nameof(PointsRefunded), "compensated after being stuck",
            new Then(ReleasingSeats, "seats-release ReleaseSeats #1")
            { Deadline = Step, StepAttempts = 1, PaymentAttempt = 1, Outcome = Failed, Code = "STEP_TIMED_OUT" },
            row => (row.StepAttempts, row.StuckSince) = (9, Machine.Start.AddHours(-1))),
        .. AlwaysResent(RefundingPoints, "points-refund RefundPoints #1"),

        new(ReleasingSeats, nameof(SeatsReleased), "to end expired",
            new Then(Expired, "ReservationExpired") { Outcome = Expired, Code = "HOLD_EXPIRED", PaymentAttempt = 1, StillUnpaid = false },
            row => (row.Outcome, row.FailureCode) = (Expired, "HOLD_EXPIRED")),
        new(ReleasingSeats, nameof(SeatsReleased), "to end cancelled",
            new Then(Cancelled, "ReservationCancelled") { Outcome = Cancelled, PaymentAttempt = 1, StillUnpaid = false },
            row => (row.Outcome, row.FailureCode) = (Cancelled, null)),
        new(ReleasingSeats, nameof(SeatsReleased), "to end failed",
            new Then(Failed, "ReservationFailed") { Outcome = Failed, Code = "STEP_TIMED_OUT", PaymentAttempt = 1, StillUnpaid = false }),
        new(ReleasingSeats, nameof(SeatsReleased), "to end as an outcome that the machine does not know", null,
            row => row.Outcome = Rejected),
        .. AlwaysResent(ReleasingSeats, "seats-release ReleaseSeats #1"),

        new(Requested, Retry, "it starts now", Holding),
        .. Retried(HoldingSeats, "seats-hold HoldSeats #1"),
        .. Retried(DeductingPoints, "points-deduct DeductPoints #1"),
        .. Retried(ConfirmingPayment, "payments-confirm ConfirmPayment #1"),
        .. Retried(ConfirmingSeats, "seats-confirm ConfirmSeats #1"),
        .. Retried(CancellingPayment, "payments-cancel CancelPayment #1"),
        .. Retried(RefundingPoints, "points-refund RefundPoints #1"),
        .. Retried(ReleasingSeats, "seats-release ReleaseSeats #1"),

        new(Requested, OperatorCancel, "no command was sent",
            new Then(Cancelled, "ReservationCancelled") { Outcome = Cancelled, Code = ByOperator, StillUnpaid = false }),
        CancelledFrom(HoldingSeats, ReleasingSeats, "seats-release ReleaseSeats #1"),
        CancelledFrom(AwaitingPayment, ReleasingSeats, "seats-release ReleaseSeats #1"),
        CancelledFrom(DeductingPoints, RefundingPoints, "points-refund RefundPoints #1"),
        CancelledFrom(ConfirmingPayment, CancellingPayment, "payments-cancel CancelPayment #1"),
        CancelledFrom(ConfirmingSeats, CancellingPayment, "payments-cancel CancelPayment #1",
            row => (row.StepAttempts, row.StuckSince) = (9, Machine.Start.AddHours(-1))),
        CancelledFrom(Confirmed, CancellingPayment, "payments-cancel CancelPayment #1", row => row.StartsAt = Machine.Start.AddHours(-1))
    ];

    // The operator's copy of a command is not another attempt, and gets the time of the current one.
    private static Transition[] Retried(string state, string command)
    {
        var row = Given.In(state);
        var then = new Then(state, command) { PaymentAttempt = row.PaymentAttempt, Outcome = row.Outcome, Code = row.FailureCode };
        return
        [
            new(state, Retry, "after the first attempt", then with { Deadline = Step, StepAttempts = 1 }, NotDue),
            new(state, Retry, "attempts used up", then with { Deadline = MaxBackOff, StepAttempts = 5 }, r => r.StepAttempts = 5),
            new(state, Retry, "stuck for an hour: stays stuck since then",
                then with { Deadline = MaxBackOff, StepAttempts = 9, StuckSince = TimeSpan.FromHours(-1) },
                r => (r.StepAttempts, r.StuckSince) = (9, Machine.Start.AddHours(-1)))
        ];
    }

    // Whatever version the operator saw, and also after the cut-off.
    private static Transition CancelledFrom(string state, string to, string command, Action<Reservation>? where = null) =>
        new(state, OperatorCancel, "compensated",
            new Then(to, command)
            {
                Deadline = Step,
                StepAttempts = 1,
                PaymentAttempt = Given.In(state).PaymentAttempt,
                Outcome = Cancelled,
                Code = ByOperator,
                StillUnpaid = state != Confirmed
            }, where);

    // A step is resent, each time with twice the time for its reply.
    private static Transition[] Resent(string state, string command, Action<Reservation>? where = null)
    {
        var row = Given.In(state);
        where?.Invoke(row);
        var then = new Then(state, command) { PaymentAttempt = row.PaymentAttempt };
        return
        [
            new(state, Deadline, "due after the first attempt", then with { Deadline = 2 * Step, StepAttempts = 2 }, where),
            new(state, Deadline, "due with one attempt left", then with { Deadline = MaxBackOff, StepAttempts = 5 },
                where + (r => r.StepAttempts = 4)),
            new(state, Deadline, "not due", null, NotDue),
            new(state, Deadline, "not due, attempts used up", null, r =>
            {
                NotDue(r);
                r.StepAttempts = 5;
            })
        ];
    }

    // Confirming seats and compensations are resent at the longest interval until they are answered, and marked for the operator.
    private static Transition[] AlwaysResent(string state, string command)
    {
        var row = Given.In(state);
        var then = new Then(state, command) { PaymentAttempt = row.PaymentAttempt, Outcome = row.Outcome, Code = row.FailureCode };
        return
        [
            new(state, Deadline, "due after the first attempt", then with { Deadline = 2 * Step, StepAttempts = 2 }),
            new(state, Deadline, "due with one attempt left", then with { Deadline = MaxBackOff, StepAttempts = 5 },
                r => r.StepAttempts = 4),
            new(state, Deadline, "due, attempts used up: stuck from now on",
                then with { Deadline = MaxBackOff, StepAttempts = 6, StuckSince = TimeSpan.Zero }, r => r.StepAttempts = 5),
            new(state, Deadline, "due, stuck for an hour: stays stuck since then",
                then with { Deadline = MaxBackOff, StepAttempts = 41, StuckSince = TimeSpan.FromHours(-1) },
                r => (r.StepAttempts, r.StuckSince) = (40, Machine.Start.AddHours(-1))),
            new(state, Deadline, "not due", null, NotDue)
        ];
    }

    private static void NotDue(Reservation row) => row.Deadline = Machine.Start + OneTick;

    private static void HoldOver(Reservation row) => row.HoldExpiresAt = Machine.Start;
}
