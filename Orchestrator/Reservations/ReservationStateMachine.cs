using ConcertSaga.Contracts.Payments;
using ConcertSaga.Contracts.Points;
using ConcertSaga.Contracts.Reservations;
using ConcertSaga.Contracts.Seats;
using MassTransit;

namespace ConcertSaga.Orchestrator.Reservations;

/// <summary>
/// The story of a reservation. A state named by a gerund waits for exactly one reply; a state named by a participle is final. Before the
/// reservation ends, the saga compensates each step that was sent and not definitely refused, in exact reverse order.
/// </summary>
public sealed class ReservationStateMachine : MassTransitStateMachine<Reservation>
{
    public ReservationStateMachine(ReservationSteps verbs)
    {
        InstanceState(reservation => reservation.CurrentState);
        ConnectStateObserver(verbs);
        CorrelateEvents();

        Forward(verbs);
        Backward(verbs);
        Overdue(verbs);
        ByOperators(verbs);
        LateAndDuplicate();
    }

    private void Forward(ReservationSteps verbs)
    {
        During(Requested,
            When(ReservationRequested).ThenAsync(verbs.HoldSeats).TransitionTo(HoldingSeats));

        During(HoldingSeats,
            When(SeatsHeld).Then(verbs.KeepHold)
                .IfElse(verbs.PaysImmediately,
                    pay => pay.ThenAsync(verbs.DeductPoints).TransitionTo(DeductingPoints),
                    wait => wait.Then(verbs.AwaitPayment).TransitionTo(AwaitingPayment)),
            When(SeatHoldRejected).ThenAsync(verbs.Reject).TransitionTo(Rejected));

        During(AwaitingPayment,
            When(PaymentRequested, verbs.IsNextAttempt)
                .IfElse(verbs.HoldIsAlive,
                    pay => pay.ThenAsync(verbs.DeductPoints).TransitionTo(DeductingPoints),
                    late => late.Then(verbs.WillExpire).ThenAsync(verbs.ReleaseSeats).TransitionTo(ReleasingSeats)),
            When(CancellationRequested, verbs.IsAsSeen).Then(verbs.WillBeCancelled).ThenAsync(verbs.ReleaseSeats)
                .TransitionTo(ReleasingSeats));

        During(DeductingPoints,
            When(PointsDeducted, verbs.IsThisAttempt).ThenAsync(verbs.ConfirmPayment).TransitionTo(ConfirmingPayment),
            When(PointDeductionRejected, verbs.IsThisAttempt).Then(verbs.KeepDeductionRefusal)
                .IfElse(verbs.HoldIsAlive,
                    again => again.Then(verbs.AwaitPayment).TransitionTo(AwaitingPayment),
                    late => late.Then(verbs.WillExpire).ThenAsync(verbs.ReleaseSeats).TransitionTo(ReleasingSeats)));

        During(ConfirmingPayment,
            When(PaymentConfirmed).Then(verbs.KeepPayment).ThenAsync(verbs.ConfirmSeats).TransitionTo(ConfirmingSeats),
            When(PaymentRejected).Then(verbs.WillFailUnpaid).ThenAsync(verbs.RefundPoints).TransitionTo(RefundingPoints));

        During(ConfirmingSeats,
            When(SeatsConfirmed).ThenAsync(verbs.Confirm).TransitionTo(Confirmed),
            When(SeatConfirmationRejected).Then(verbs.WillFailUnconfirmed).ThenAsync(verbs.CancelPayment).TransitionTo(CancellingPayment));

        During(Confirmed,
            When(CancellationRequested, verbs.IsAsSeenBeforeCutoff).Then(verbs.WillBeCancelled).ThenAsync(verbs.CancelPayment)
                .TransitionTo(CancellingPayment));
    }

    private void Backward(ReservationSteps verbs)
    {
        During(CancellingPayment,
            When(PaymentCancelled).ThenAsync(verbs.RefundPoints).TransitionTo(RefundingPoints));

        During(RefundingPoints,
            When(PointsRefunded).ThenAsync(verbs.ReleaseSeats).TransitionTo(ReleasingSeats));

        During(ReleasingSeats,
            When(SeatsReleased, verbs.EndsAsExpired).ThenAsync(verbs.Expire).TransitionTo(Expired),
            When(SeatsReleased, verbs.EndsAsCancelled).ThenAsync(verbs.Cancel).TransitionTo(Cancelled),
            When(SeatsReleased, verbs.EndsAsFailed).ThenAsync(verbs.Fail).TransitionTo(Failed));
    }

    // A passed deadline resends a step until its attempts are used up; then the step and all before it are compensated. Confirming seats
    // and compensations never give up: they are resent at the longest interval until a reply arrives.
    private void Overdue(ReservationSteps verbs)
    {
        During(Requested,
            When(DeadlineReached, verbs.IsDue).ThenAsync(verbs.HoldSeats).TransitionTo(HoldingSeats));

        During(AwaitingPayment,
            When(DeadlineReached, verbs.IsDue).Then(verbs.WillExpire).ThenAsync(verbs.ReleaseSeats).TransitionTo(ReleasingSeats));

        During([HoldingSeats, DeductingPoints, ConfirmingPayment],
            When(DeadlineReached, verbs.MayResend).ThenAsync(verbs.Resend));

        During(HoldingSeats,
            When(DeadlineReached, verbs.HasTimedOut).Then(verbs.WillFailTimedOut).ThenAsync(verbs.ReleaseSeats)
                .TransitionTo(ReleasingSeats));

        During(DeductingPoints,
            When(DeadlineReached, verbs.HasTimedOut).Then(verbs.WillFailTimedOut).ThenAsync(verbs.RefundPoints)
                .TransitionTo(RefundingPoints));

        During(ConfirmingPayment,
            When(DeadlineReached, verbs.HasTimedOut).Then(verbs.WillFailTimedOut).ThenAsync(verbs.CancelPayment)
                .TransitionTo(CancellingPayment));

        During([ConfirmingSeats, CancellingPayment, RefundingPoints, ReleasingSeats],
            When(DeadlineReached, verbs.IsDue).ThenAsync(verbs.Resend));
    }

    // An operator resends a command without waiting for the deadline, and cancels without regard to the version and the cut-off. In all
    // other states the saga ignores both, and OperatorActionFilter records the refusal.
    private void ByOperators(ReservationSteps verbs)
    {
        During(Requested,
            When(OperatorRetryRequested).ThenAsync(verbs.HoldSeats).TransitionTo(HoldingSeats),
            When(OperatorCancellationRequested).Then(verbs.WillBeCancelledByOperator).ThenAsync(verbs.Cancel).TransitionTo(Cancelled));

        During([HoldingSeats, DeductingPoints, ConfirmingPayment, ConfirmingSeats, CancellingPayment, RefundingPoints, ReleasingSeats],
            When(OperatorRetryRequested).ThenAsync(verbs.ResendForOperator));

        During([HoldingSeats, AwaitingPayment],
            When(OperatorCancellationRequested).Then(verbs.WillBeCancelledByOperator).ThenAsync(verbs.ReleaseSeats)
                .TransitionTo(ReleasingSeats));

        During(DeductingPoints,
            When(OperatorCancellationRequested).Then(verbs.WillBeCancelledByOperator).ThenAsync(verbs.RefundPoints)
                .TransitionTo(RefundingPoints));

        During([ConfirmingPayment, ConfirmingSeats, Confirmed],
            When(OperatorCancellationRequested).Then(verbs.WillBeCancelledByOperator).ThenAsync(verbs.CancelPayment)
                .TransitionTo(CancellingPayment));
    }

    // In all other states an event is late or a duplicate, and changes nothing.
    private void LateAndDuplicate()
    {
        Except([Requested], Ignored(ReservationRequested));
        Except([HoldingSeats], Ignored(SeatsHeld), Ignored(SeatHoldRejected));
        Except([AwaitingPayment], Ignored(PaymentRequested));
        Except([AwaitingPayment, Confirmed], Ignored(CancellationRequested));
        Except([DeductingPoints], Ignored(PointsDeducted), Ignored(PointDeductionRejected));
        Except([ConfirmingPayment], Ignored(PaymentConfirmed), Ignored(PaymentRejected));
        Except([ConfirmingSeats], Ignored(SeatsConfirmed), Ignored(SeatConfirmationRejected));
        Except([CancellingPayment], Ignored(PaymentCancelled));
        Except([RefundingPoints], Ignored(PointsRefunded));
        Except([ReleasingSeats], Ignored(SeatsReleased));
        During([Confirmed, Rejected, Expired, Cancelled, Failed], Ignore(DeadlineReached));
        During([AwaitingPayment, Confirmed, Rejected, Expired, Cancelled, Failed], Ignored(OperatorRetryRequested));
        During([CancellingPayment, RefundingPoints, ReleasingSeats, Rejected, Expired, Cancelled, Failed],
            Ignored(OperatorCancellationRequested));
    }

    // States, in the order of the story.
    public State Requested { get; private set; } = null!;
    public State HoldingSeats { get; private set; } = null!;
    public State AwaitingPayment { get; private set; } = null!;
    public State DeductingPoints { get; private set; } = null!;
    public State ConfirmingPayment { get; private set; } = null!;
    public State ConfirmingSeats { get; private set; } = null!;
    public State Confirmed { get; private set; } = null!;
    public State CancellingPayment { get; private set; } = null!;
    public State RefundingPoints { get; private set; } = null!;
    public State ReleasingSeats { get; private set; } = null!;
    public State Rejected { get; private set; } = null!;
    public State Expired { get; private set; } = null!;
    public State Cancelled { get; private set; } = null!;
    public State Failed { get; private set; } = null!;

    // Events, in the order of the story.
    public Event<RequestReservation> ReservationRequested { get; private set; } = null!;
    public Event<SeatsHeld> SeatsHeld { get; private set; } = null!;
    public Event<SeatHoldRejected> SeatHoldRejected { get; private set; } = null!;
    public Event<PayReservation> PaymentRequested { get; private set; } = null!;
    public Event<PointsDeducted> PointsDeducted { get; private set; } = null!;
    public Event<PointDeductionRejected> PointDeductionRejected { get; private set; } = null!;
    public Event<PaymentConfirmed> PaymentConfirmed { get; private set; } = null!;
    public Event<PaymentRejected> PaymentRejected { get; private set; } = null!;
    public Event<SeatsConfirmed> SeatsConfirmed { get; private set; } = null!;
    public Event<SeatConfirmationRejected> SeatConfirmationRejected { get; private set; } = null!;
    public Event<CancelReservation> CancellationRequested { get; private set; } = null!;
    public Event<PaymentCancelled> PaymentCancelled { get; private set; } = null!;
    public Event<PointsRefunded> PointsRefunded { get; private set; } = null!;
    public Event<SeatsReleased> SeatsReleased { get; private set; } = null!;
    public Event<ReservationDeadlineReached> DeadlineReached { get; private set; } = null!;
    public Event<RetryReservation> OperatorRetryRequested { get; private set; } = null!;
    public Event<CancelReservationByOperator> OperatorCancellationRequested { get; private set; } = null!;

    private void CorrelateEvents()
    {
        On(() => ReservationRequested, message => message.ReservationId);
        On(() => SeatsHeld, message => message.ReservationId);
        On(() => SeatHoldRejected, message => message.ReservationId);
        On(() => PaymentRequested, message => message.ReservationId);
        On(() => PointsDeducted, message => message.ReservationId);
        On(() => PointDeductionRejected, message => message.ReservationId);
        On(() => PaymentConfirmed, message => message.ReservationId);
        On(() => PaymentRejected, message => message.ReservationId);
        On(() => SeatsConfirmed, message => message.ReservationId);
        On(() => SeatConfirmationRejected, message => message.ReservationId);
        On(() => CancellationRequested, message => message.ReservationId);
        On(() => PaymentCancelled, message => message.ReservationId);
        On(() => PointsRefunded, message => message.ReservationId);
        On(() => SeatsReleased, message => message.ReservationId);
        On(() => DeadlineReached, message => message.ReservationId);
        On(() => OperatorRetryRequested, message => message.ReservationId);
        On(() => OperatorCancellationRequested, message => message.ReservationId);
    }

    // The row is committed before any message about it leaves, so a missing row means that an operator or the cleaner deleted it.
    private void On<TMessage>(System.Linq.Expressions.Expression<Func<Event<TMessage>>> name, Func<TMessage, Guid> reservationId)
        where TMessage : class =>
        Event(name, e =>
        {
            e.CorrelateById(context => reservationId(context.Message));
            e.OnMissingInstance(missing => missing.Discard());
        });

    private EventActivities<Reservation> Ignored<TMessage>(Event<TMessage> message)
        where TMessage : class => Ignore(message);

    private void Except(State[] handledIn, params EventActivities<Reservation>[] ignored)
    {
        foreach (var state in States.Except(handledIn).Where(state => state != Initial && state != Final))
            During(state, ignored);
    }
}
