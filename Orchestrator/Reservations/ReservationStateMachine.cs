using ConcertSaga.Contracts.Payments;
using ConcertSaga.Contracts.Points;
using ConcertSaga.Contracts.Reservations;
using ConcertSaga.Contracts.Seats;
using MassTransit;

namespace ConcertSaga.Orchestrator.Reservations;

/// <summary>
/// The story of a reservation. Gerunds wait for exactly one reply, participles are final. Each step that was sent and not definitely refused
/// is undone, in exact reverse order, before the reservation ends.
/// </summary>
public sealed class ReservationStateMachine : MassTransitStateMachine<Reservation>
{
    public ReservationStateMachine(ReservationSteps step)
    {
        InstanceState(reservation => reservation.CurrentState);
        ConnectStateObserver(step);
        CorrelateEvents();

        Forward(step);
        Backward(step);
        Overdue(step);
        LateAndDuplicate();
    }

    private void Forward(ReservationSteps step)
    {
        During(Requested,
            When(ReservationRequested).ThenAsync(step.HoldSeats).TransitionTo(HoldingSeats));

        During(HoldingSeats,
            When(SeatsHeld).Then(step.KeepHold)
                .IfElse(step.PaysImmediately,
                    pay => pay.ThenAsync(step.DeductPoints).TransitionTo(DeductingPoints),
                    wait => wait.Then(step.AwaitPayment).TransitionTo(AwaitingPayment)),
            When(SeatHoldRejected).ThenAsync(step.Reject).TransitionTo(Rejected));

        During(AwaitingPayment,
            When(PaymentRequested, step.IsNextAttempt)
                .IfElse(step.HoldIsAlive,
                    pay => pay.ThenAsync(step.DeductPoints).TransitionTo(DeductingPoints),
                    late => late.Then(step.WillExpire).ThenAsync(step.ReleaseSeats).TransitionTo(ReleasingSeats)),
            When(CancellationRequested, step.IsAsSeen).Then(step.WillBeCancelled).ThenAsync(step.ReleaseSeats).TransitionTo(ReleasingSeats));

        During(DeductingPoints,
            When(PointsDeducted, step.IsThisAttempt).ThenAsync(step.ConfirmPayment).TransitionTo(ConfirmingPayment),
            When(PointDeductionRejected, step.IsThisAttempt).Then(step.KeepDeductionRefusal)
                .IfElse(step.HoldIsAlive,
                    again => again.Then(step.AwaitPayment).TransitionTo(AwaitingPayment),
                    late => late.Then(step.WillExpire).ThenAsync(step.ReleaseSeats).TransitionTo(ReleasingSeats)));

        During(ConfirmingPayment,
            When(PaymentConfirmed).Then(step.KeepPayment).ThenAsync(step.ConfirmSeats).TransitionTo(ConfirmingSeats),
            When(PaymentRejected).Then(step.WillFailUnpaid).ThenAsync(step.RefundPoints).TransitionTo(RefundingPoints));

        During(ConfirmingSeats,
            When(SeatsConfirmed).ThenAsync(step.Confirm).TransitionTo(Confirmed),
            When(SeatConfirmationRejected).Then(step.WillFailUnconfirmed).ThenAsync(step.CancelPayment).TransitionTo(CancellingPayment));

        During(Confirmed,
            When(CancellationRequested, step.IsAsSeenBeforeCutoff).Then(step.WillBeCancelled).ThenAsync(step.CancelPayment).TransitionTo(CancellingPayment));
    }

    private void Backward(ReservationSteps step)
    {
        During(CancellingPayment,
            When(PaymentCancelled).ThenAsync(step.RefundPoints).TransitionTo(RefundingPoints));

        During(RefundingPoints,
            When(PointsRefunded).ThenAsync(step.ReleaseSeats).TransitionTo(ReleasingSeats));

        During(ReleasingSeats,
            When(SeatsReleased, step.EndsAsExpired).ThenAsync(step.Expire).TransitionTo(Expired),
            When(SeatsReleased, step.EndsAsCancelled).ThenAsync(step.Cancel).TransitionTo(Cancelled),
            When(SeatsReleased, step.EndsAsFailed).ThenAsync(step.Fail).TransitionTo(Failed));
    }

    // What a passed deadline does. A forward step is tried again until its attempts are used up, then it and all before it are undone.
    // Confirming seats and undoing are never given up: they are tried again at the longest interval until they are answered.
    private void Overdue(ReservationSteps step)
    {
        During(Requested,
            When(DeadlineReached, step.IsDue).ThenAsync(step.HoldSeats).TransitionTo(HoldingSeats));

        During(AwaitingPayment,
            When(DeadlineReached, step.IsDue).Then(step.WillExpire).ThenAsync(step.ReleaseSeats).TransitionTo(ReleasingSeats));

        During([HoldingSeats, DeductingPoints, ConfirmingPayment],
            When(DeadlineReached, step.MayBeTriedAgain).ThenAsync(step.SendAgain));

        During(HoldingSeats,
            When(DeadlineReached, step.IsUsedUp).Then(step.WillFailTimedOut).ThenAsync(step.ReleaseSeats).TransitionTo(ReleasingSeats));

        During(DeductingPoints,
            When(DeadlineReached, step.IsUsedUp).Then(step.WillFailTimedOut).ThenAsync(step.RefundPoints).TransitionTo(RefundingPoints));

        During(ConfirmingPayment,
            When(DeadlineReached, step.IsUsedUp).Then(step.WillFailTimedOut).ThenAsync(step.CancelPayment).TransitionTo(CancellingPayment));

        During([ConfirmingSeats, CancellingPayment, RefundingPoints, ReleasingSeats],
            When(DeadlineReached, step.IsDue).ThenAsync(step.SendAgain));
    }

    // Everything not named above is late or a duplicate and changes nothing; where a column of the table is not ignored, it is handled.
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
    }

    // The row is committed before any message about it is sent, so a message without a row is about one that an operator removed.
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
