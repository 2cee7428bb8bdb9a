using ConcertSaga.Contracts;
using ConcertSaga.Contracts.Payments;
using ConcertSaga.Contracts.Points;
using ConcertSaga.Contracts.Reservations;
using ConcertSaga.Contracts.Seats;
using MassTransit;
using Microsoft.Extensions.Options;
using Step = MassTransit.BehaviorContext<ConcertSaga.Orchestrator.Reservations.Reservation>;

namespace ConcertSaga.Orchestrator.Reservations;

/// <summary>The verbs of the story: each sends one message or changes one thing. Also writes the history: one row per transition.</summary>
public sealed class ReservationSteps(TimeProvider clock, IOptions<ReservationOptions> options) : IStateObserver<Reservation>
{
    private readonly ReservationOptions _options = options.Value;

    // Commands. Each starts a step with a deadline for its reply.

    public Task HoldSeats(Step step) => Command(step, CommandQueues.HoldSeats,
        new HoldSeats(step.Saga.CorrelationId, 1, step.Saga.UserId, step.Saga.ConcertId, step.Saga.ScheduleId, step.Saga.SeatNumbers));

    public Task DeductPoints(Step step)
    {
        // A copy of a request that was accepted before carries an older attempt, and never comes here.
        step.Saga.PaymentAttempt++;
        step.Saga.FailureCode = step.Saga.FailureDetail = null;
        return SendDeductPoints(step);
    }

    public Task ConfirmPayment(Step step) => Command(step, CommandQueues.ConfirmPayment,
        new ConfirmPayment(step.Saga.CorrelationId, 1, step.Saga.UserId, step.Saga.TotalPrice!.Value));

    public Task ConfirmSeats(Step step) => Command(step, CommandQueues.ConfirmSeats, new ConfirmSeats(step.Saga.CorrelationId, 1));

    public Task CancelPayment(Step step) => Command(step, CommandQueues.CancelPayment, new CancelPayment(step.Saga.CorrelationId, 1));

    public Task RefundPoints(Step step) => Command(step, CommandQueues.RefundPoints,
        new RefundPoints(step.Saga.CorrelationId, step.Saga.PaymentAttempt, step.Saga.UserId));

    public Task ReleaseSeats(Step step) => Command(step, CommandQueues.ReleaseSeats, new ReleaseSeats(step.Saga.CorrelationId, 1));

    /// <summary>Sends the command of the present step once more, with twice the patience.</summary>
    public async Task SendAgain(Step step)
    {
        var saga = step.Saga;
        var (attempts, stuckSince) = (saga.StepAttempts, saga.StuckSince);
        await (saga.CurrentState switch
        {
            ReservationStates.HoldingSeats => HoldSeats(step),
            ReservationStates.DeductingPoints => SendDeductPoints(step),
            ReservationStates.ConfirmingPayment => ConfirmPayment(step),
            ReservationStates.ConfirmingSeats => ConfirmSeats(step),
            ReservationStates.CancellingPayment => CancelPayment(step),
            ReservationStates.RefundingPoints => RefundPoints(step),
            _ => ReleaseSeats(step)
        });
        var now = clock.GetUtcNow();
        saga.StepAttempts = attempts + 1;
        saga.Deadline = now + BackOff(saga.StepAttempts);
        saga.StuckSince = saga.StepAttempts > _options.StepAttempts ? stuckSince ?? now : null;
        saga.Record(step.Event.Name, saga.CurrentState, saga.CurrentState, step.MessageId, $"Sent again, attempt {saga.StepAttempts}.", now);
    }

    // Changes of the row.

    public void KeepHold(BehaviorContext<Reservation, SeatsHeld> step)
    {
        step.Saga.ConcertId = step.Message.ConcertId;
        step.Saga.StartsAt = step.Message.StartsAt;
        step.Saga.TotalPrice = step.Message.TotalPrice;
        step.Saga.HoldExpiresAt = clock.GetUtcNow() + _options.HoldDuration;
    }

    public void AwaitPayment(Step step)
    {
        step.Saga.StepAttempts = 0;
        step.Saga.Deadline = step.Saga.HoldExpiresAt;
    }

    public void KeepDeductionRefusal(BehaviorContext<Reservation, PointDeductionRejected> step) =>
        Explain(step.Saga, step.Message.Code, $"The balance does not cover {step.Saga.TotalPrice} points.");

    public void KeepPayment(BehaviorContext<Reservation, PaymentConfirmed> step) => step.Saga.PaymentId = step.Message.PaymentId;

    public void WillExpire(Step step)
    {
        step.Saga.Outcome = ReservationStates.Expired;
        Explain(step.Saga, "HOLD_EXPIRED", "The seats were not paid in time.");
    }

    public void WillBeCancelled(Step step)
    {
        step.Saga.Outcome = ReservationStates.Cancelled;
        step.Saga.FailureCode = step.Saga.FailureDetail = null;
    }

    public void WillFailUnpaid(BehaviorContext<Reservation, PaymentRejected> step) =>
        WillFail(step.Saga, step.Message.Code, "The payment was refused.");

    public void WillFailUnconfirmed(BehaviorContext<Reservation, SeatConfirmationRejected> step) =>
        WillFail(step.Saga, step.Message.Code, "The seats could not be confirmed.");

    public void WillFailTimedOut(Step step) =>
        WillFail(step.Saga, "STEP_TIMED_OUT", $"{step.Saga.CurrentState} was not answered after {step.Saga.StepAttempts} attempts.");

    // Outcomes. Each ends the reservation and announces it.

    public Task Confirm(Step step)
    {
        var saga = step.Saga;
        saga.ConfirmedAt = clock.GetUtcNow();
        End(saga, ReservationStates.Confirmed);
        return step.Publish(new ReservationConfirmed(saga.CorrelationId, saga.UserId, saga.ConcertId!.Value, saga.ScheduleId, saga.SeatNumbers,
            saga.TotalPrice!.Value, saga.QueueTokenId, saga.ConfirmedAt.Value, Sequence: 1));
    }

    public Task Reject(BehaviorContext<Reservation, SeatHoldRejected> step)
    {
        var saga = step.Saga;
        Explain(saga, step.Message.Code, step.Message.SeatNumbers.Length == 0 ? null : $"Seats {string.Join(",", step.Message.SeatNumbers)}.");
        End(saga, ReservationStates.Rejected);
        return step.Publish(Rejection(saga));
    }

    public Task Expire(Step step)
    {
        var saga = step.Saga;
        End(saga, ReservationStates.Expired);
        return step.Publish(new ReservationExpired(saga.CorrelationId, saga.UserId, saga.ConcertId, saga.ScheduleId, saga.SeatNumbers, saga.QueueTokenId));
    }

    public Task Cancel(Step step)
    {
        var saga = step.Saga;
        End(saga, ReservationStates.Cancelled);
        return step.Publish(new ReservationCancelled(saga.CorrelationId, saga.UserId, saga.ConcertId, saga.ScheduleId, saga.SeatNumbers,
            saga.ConfirmedAt is null ? 0 : saga.TotalPrice ?? 0, saga.QueueTokenId, saga.ConfirmedAt, Sequence: saga.ConfirmedAt is null ? 1 : 2));
    }

    public Task Fail(Step step)
    {
        var saga = step.Saga;
        End(saga, ReservationStates.Failed);
        return step.Publish(new ReservationFailed(saga.CorrelationId, saga.UserId, saga.ConcertId, saga.ScheduleId, saga.SeatNumbers, saga.QueueTokenId,
            saga.FailureCode ?? "RESERVATION_FAILED"));
    }

    /// <summary>What is announced when a reservation got no seats.</summary>
    public static ReservationRejected Rejection(Reservation saga) =>
        new(saga.CorrelationId, saga.UserId, saga.ConcertId, saga.ScheduleId, saga.SeatNumbers, saga.QueueTokenId, saga.FailureCode!);

    // Conditions.

    public bool PaysImmediately(BehaviorContext<Reservation, SeatsHeld> step) => step.Saga.PayImmediately;

    public bool HoldIsAlive(Step step) => step.Saga.HoldExpiresAt > clock.GetUtcNow();

    public bool IsNextAttempt(BehaviorContext<Reservation, PayReservation> step) => step.Message.ExpectedAttempt == step.Saga.PaymentAttempt + 1;

    public bool IsThisAttempt(BehaviorContext<Reservation, PointsDeducted> step) => step.Message.Attempt == step.Saga.PaymentAttempt;

    public bool IsThisAttempt(BehaviorContext<Reservation, PointDeductionRejected> step) => step.Message.Attempt == step.Saga.PaymentAttempt;

    public bool IsAsSeen(BehaviorContext<Reservation, CancelReservation> step) => step.Message.ExpectedVersion == step.Saga.Version;

    public bool IsAsSeenBeforeCutoff(BehaviorContext<Reservation, CancelReservation> step) => IsAsSeen(step) && IsBeforeCutoff(step);

    private bool IsBeforeCutoff(Step step) => step.Saga.StartsAt - _options.CancellationCutoff > clock.GetUtcNow();

    public bool IsDue(Step step) => step.Saga.Deadline <= clock.GetUtcNow();

    public bool MayBeTriedAgain(Step step) => IsDue(step) && step.Saga.StepAttempts < _options.StepAttempts;

    public bool IsUsedUp(Step step) => IsDue(step) && step.Saga.StepAttempts >= _options.StepAttempts;

    public bool EndsAsExpired(Step step) => step.Saga.Outcome == ReservationStates.Expired;

    public bool EndsAsCancelled(Step step) => step.Saga.Outcome == ReservationStates.Cancelled;

    public bool EndsAsFailed(Step step) => step.Saga.Outcome == ReservationStates.Failed;

    /// <summary>Writes the history row of a transition, in the transaction of the reservation's row.</summary>
    Task IStateObserver<Reservation>.StateChanged(Step context, State currentState, State previousState)
    {
        context.Saga.Record(context.Event.Name, previousState?.Name, currentState.Name, context.MessageId, context.Saga.FailureCode, clock.GetUtcNow());
        return Task.CompletedTask;
    }

    private Task SendDeductPoints(Step step) => Command(step, CommandQueues.DeductPoints,
        new DeductPoints(step.Saga.CorrelationId, step.Saga.PaymentAttempt, step.Saga.UserId, step.Saga.TotalPrice!.Value));

    private Task Command<TCommand>(Step step, string queue, TCommand command)
        where TCommand : class
    {
        step.Saga.StepAttempts = 1;
        step.Saga.StuckSince = null;
        step.Saga.Deadline = clock.GetUtcNow() + BackOff(1);
        return step.Send(CommandQueues.AddressOf(queue), command);
    }

    // Doubles with each attempt, up to the interval of the last one; steps that are never given up stay there.
    private TimeSpan BackOff(int attempt) => _options.StepTimeout * Math.Pow(2, Math.Min(attempt, _options.StepAttempts) - 1);

    private static void WillFail(Reservation saga, string code, string detail)
    {
        saga.Outcome = ReservationStates.Failed;
        Explain(saga, code, detail);
    }

    private static void Explain(Reservation saga, string code, string? detail) => (saga.FailureCode, saga.FailureDetail) = (code, detail);

    private static void End(Reservation saga, string outcome)
    {
        saga.Outcome = outcome;
        saga.UnpaidUserId = null;
        saga.Deadline = null;
        saga.StepAttempts = 0;
        saga.StuckSince = null;
    }
}
