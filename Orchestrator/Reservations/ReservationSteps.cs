using ConcertSaga.Contracts;
using ConcertSaga.Contracts.Payments;
using ConcertSaga.Contracts.Points;
using ConcertSaga.Contracts.Reservations;
using ConcertSaga.Contracts.Seats;
using MassTransit;
using Microsoft.Extensions.Options;
using Context = MassTransit.BehaviorContext<ConcertSaga.Orchestrator.Reservations.Reservation>;

namespace ConcertSaga.Orchestrator.Reservations;

/// <summary>The verbs of the story: each sends one message or changes one thing. Also writes the history, a row per transition.</summary>
/// <param name="clock">The clock of deadlines and history.</param>
/// <param name="options">Timeouts and attempts.</param>
/// <param name="refusals">Counts refusals; null if the machine is only drawn.</param>
public sealed class ReservationSteps(TimeProvider clock, IOptions<ReservationOptions> options, RefusalLimit? refusals = null)
    : IStateObserver<Reservation>
{
    private const string ScheduleCancelled = "The schedule was cancelled.";

    private readonly ReservationOptions _options = options.Value;

    // Commands. Each starts a step or a compensation, with a deadline for its reply.

    public Task HoldSeats(Context context)
    {
        var saga = context.Saga;
        return Command(context, CommandQueues.HoldSeats,
            new HoldSeats(saga.CorrelationId, 1, saga.UserId, saga.ConcertId, saga.ScheduleId, saga.SeatNumbers));
    }

    public Task DeductPoints(Context context)
    {
        // The condition IsNextAttempt keeps copies of earlier requests away from here.
        context.Saga.PaymentAttempt++;
        ClearFailure(context.Saga);
        return SendDeductPoints(context);
    }

    public Task ConfirmPayment(Context context) => Command(context, CommandQueues.ConfirmPayment,
        new ConfirmPayment(context.Saga.CorrelationId, 1, context.Saga.UserId, context.Saga.TotalPrice!.Value));

    public Task ConfirmSeats(Context context) =>
        Command(context, CommandQueues.ConfirmSeats, new ConfirmSeats(context.Saga.CorrelationId, 1));

    public Task CancelPayment(Context context) =>
        Command(context, CommandQueues.CancelPayment, new CancelPayment(context.Saga.CorrelationId, 1));

    public Task RefundPoints(Context context) => Command(context, CommandQueues.RefundPoints,
        new RefundPoints(context.Saga.CorrelationId, context.Saga.PaymentAttempt, context.Saga.UserId));

    public Task ReleaseSeats(Context context) =>
        Command(context, CommandQueues.ReleaseSeats, new ReleaseSeats(context.Saga.CorrelationId, 1));

    /// <summary>Resends the command of the current state and doubles the time for its reply.</summary>
    public Task Resend(Context context) =>
        ResendAsync(context, context.Saga.StepAttempts + 1, $"Resent, attempt {context.Saga.StepAttempts + 1}.");

    /// <summary>Resends the command of the current state and starts the time for its reply again. It is not another attempt.</summary>
    public Task ResendForOperator(Context context) => ResendAsync(context, context.Saga.StepAttempts, "Resent by an operator.");

    private async Task ResendAsync(Context context, int attempts, string detail)
    {
        var saga = context.Saga;
        var stuckSince = saga.StuckSince;
        await (saga.CurrentState switch
        {
            ReservationStates.HoldingSeats => HoldSeats(context),
            ReservationStates.DeductingPoints => SendDeductPoints(context),
            ReservationStates.ConfirmingPayment => ConfirmPayment(context),
            ReservationStates.ConfirmingSeats => ConfirmSeats(context),
            ReservationStates.CancellingPayment => CancelPayment(context),
            ReservationStates.RefundingPoints => RefundPoints(context),
            _ => ReleaseSeats(context)
        });
        var now = clock.GetUtcNow();
        saga.StepAttempts = attempts;
        saga.Deadline = now + _options.BackOff(saga.StepAttempts);
        saga.StuckSince = saga.StepAttempts > _options.StepAttempts ? stuckSince ?? now : null;
        saga.Record(context.Event.Name, saga.CurrentState, saga.CurrentState, context.MessageId, detail, now);
    }

    // Changes of the row.

    public void KeepHold(BehaviorContext<Reservation, SeatsHeld> context)
    {
        context.Saga.ConcertId = context.Message.ConcertId;
        context.Saga.StartsAt = context.Message.StartsAt;
        context.Saga.TotalPrice = context.Message.TotalPrice;
        context.Saga.HoldExpiresAt = clock.GetUtcNow() + _options.HoldDuration;
    }

    public void AwaitPayment(Context context)
    {
        context.Saga.StepAttempts = 0;
        context.Saga.Deadline = context.Saga.HoldExpiresAt;
    }

    public void KeepDeductionRefusal(BehaviorContext<Reservation, PointDeductionRejected> context)
    {
        // Not counted with the answer, because the caller may not wait for it.
        refusals?.Count(context.Saga.UserId);
        Explain(context.Saga, context.Message.Code, $"The balance does not cover {context.Saga.TotalPrice} points.");
    }

    public void KeepPayment(BehaviorContext<Reservation, PaymentConfirmed> context) => context.Saga.PaymentId = context.Message.PaymentId;

    public void WillExpire(Context context)
    {
        context.Saga.Outcome = ReservationStates.Expired;
        Explain(context.Saga, RefusalCodes.HoldExpired, "The seats were not paid in time.");
    }

    public void WillBeCancelled(Context context)
    {
        context.Saga.Outcome = ReservationStates.Cancelled;
        ClearFailure(context.Saga);
    }

    public void WillBeCancelledByOperator(BehaviorContext<Reservation, CancelReservationByOperator> context)
    {
        context.Saga.Outcome = ReservationStates.Cancelled;
        var code = context.Message.Code ?? RefusalCodes.CancelledByOperator;
        Explain(context.Saga, code, code == RefusalCodes.ScheduleCancelled
            ? ScheduleCancelled : "An operator cancelled the reservation.");
    }

    public void WillFailUnpaid(BehaviorContext<Reservation, PaymentRejected> context) =>
        WillFail(context.Saga, context.Message.Code, "The payment was refused.");

    public void WillFailUnconfirmed(BehaviorContext<Reservation, SeatConfirmationRejected> context) =>
        WillFail(context.Saga, context.Message.Code, context.Message.Code == RefusalCodes.ScheduleCancelled
            ? ScheduleCancelled : "The seats could not be confirmed.");

    public void WillFailTimedOut(Context context) =>
        WillFail(context.Saga, RefusalCodes.StepTimedOut,
            $"{context.Saga.CurrentState} was not answered after {context.Saga.StepAttempts} attempts.");

    // Outcomes. Each ends the reservation and publishes the outcome.

    public Task Confirm(Context context)
    {
        var saga = context.Saga;
        saga.ConfirmedAt = clock.GetUtcNow();
        End(saga, ReservationStates.Confirmed);
        return context.Publish(new ReservationConfirmed(saga.CorrelationId, saga.UserId, saga.ConcertId!.Value, saga.ScheduleId,
            saga.SeatNumbers, saga.TotalPrice!.Value, saga.QueueTokenId, saga.ConfirmedAt.Value, Sequence: 1));
    }

    public Task Reject(BehaviorContext<Reservation, SeatHoldRejected> context)
    {
        var saga = context.Saga;
        refusals?.Count(saga.UserId);
        var seats = context.Message.SeatNumbers;
        saga.RefusedSeats = seats.Length == 0 ? null : seats;
        Explain(saga, context.Message.Code, seats.Length == 0 ? null : $"Seats {string.Join(",", seats)}.");
        End(saga, ReservationStates.Rejected);
        return context.Publish(new ReservationRejected(saga.CorrelationId, saga.UserId, saga.ConcertId, saga.ScheduleId, saga.SeatNumbers,
            saga.QueueTokenId, saga.FailureCode!));
    }

    public Task Expire(Context context)
    {
        var saga = context.Saga;
        End(saga, ReservationStates.Expired);
        return context.Publish(new ReservationExpired(saga.CorrelationId, saga.UserId, saga.ConcertId, saga.ScheduleId, saga.SeatNumbers,
            saga.QueueTokenId));
    }

    public Task Cancel(Context context)
    {
        var saga = context.Saga;
        End(saga, ReservationStates.Cancelled);
        return context.Publish(new ReservationCancelled(saga.CorrelationId, saga.UserId, saga.ConcertId, saga.ScheduleId, saga.SeatNumbers,
            saga.ConfirmedAt is null ? 0 : saga.TotalPrice ?? 0, saga.QueueTokenId, saga.ConfirmedAt,
            Sequence: saga.ConfirmedAt is null ? 1 : 2));
    }

    public Task Fail(Context context)
    {
        var saga = context.Saga;
        End(saga, ReservationStates.Failed);
        return context.Publish(new ReservationFailed(saga.CorrelationId, saga.UserId, saga.ConcertId, saga.ScheduleId, saga.SeatNumbers,
            saga.QueueTokenId, saga.FailureCode ?? RefusalCodes.ReservationFailed));
    }

    // Conditions.

    public bool PaysImmediately(BehaviorContext<Reservation, SeatsHeld> context) => context.Saga.PayImmediately;

    public bool HoldIsAlive(Context context) => context.Saga.HoldExpiresAt > clock.GetUtcNow();

    public bool IsNextAttempt(BehaviorContext<Reservation, PayReservation> context) =>
        context.Message.ExpectedAttempt == context.Saga.PaymentAttempt + 1;

    public bool IsThisAttempt(BehaviorContext<Reservation, PointsDeducted> context) =>
        context.Message.Attempt == context.Saga.PaymentAttempt;

    public bool IsThisAttempt(BehaviorContext<Reservation, PointDeductionRejected> context) =>
        context.Message.Attempt == context.Saga.PaymentAttempt;

    public bool IsAsSeen(BehaviorContext<Reservation, CancelReservation> context) =>
        context.Message.ExpectedVersion == context.Saga.Version;

    public bool IsAsSeenBeforeCutoff(BehaviorContext<Reservation, CancelReservation> context) =>
        IsAsSeen(context) && IsBeforeCutoff(context);

    // The endpoint asked Seats for the current start. Without an answer, and in messages of older versions, it is null.
    private bool IsBeforeCutoff(BehaviorContext<Reservation, CancelReservation> context) =>
        (context.Message.StartsAt ?? context.Saga.StartsAt) - _options.CancellationCutoff
            > (context.Message.RequestedAt ?? clock.GetUtcNow());

    public bool IsDue(Context context) => context.Saga.Deadline <= clock.GetUtcNow();

    public bool MayResend(Context context) => IsDue(context) && context.Saga.StepAttempts < _options.StepAttempts;

    public bool HasTimedOut(Context context) => IsDue(context) && context.Saga.StepAttempts >= _options.StepAttempts;

    public bool EndsAsExpired(Context context) => context.Saga.Outcome == ReservationStates.Expired;

    public bool EndsAsCancelled(Context context) => context.Saga.Outcome == ReservationStates.Cancelled;

    public bool EndsAsFailed(Context context) => context.Saga.Outcome == ReservationStates.Failed;

    /// <summary>Writes the history row of a transition, in the transaction of the reservation's row.</summary>
    Task IStateObserver<Reservation>.StateChanged(Context context, State currentState, State previousState)
    {
        context.Saga.Record(context.Event.Name, previousState?.Name, currentState.Name, context.MessageId, context.Saga.FailureCode,
            clock.GetUtcNow());
        return Task.CompletedTask;
    }

    private Task SendDeductPoints(Context context) => Command(context, CommandQueues.DeductPoints,
        new DeductPoints(context.Saga.CorrelationId, context.Saga.PaymentAttempt, context.Saga.UserId, context.Saga.TotalPrice!.Value));

    private Task Command<TCommand>(Context context, string queue, TCommand command)
        where TCommand : class
    {
        context.Saga.StepAttempts = 1;
        context.Saga.StuckSince = null;
        context.Saga.Deadline = clock.GetUtcNow() + _options.BackOff(1);
        return context.Send(CommandQueues.AddressOf(queue), command);
    }

    private static void WillFail(Reservation saga, string code, string detail)
    {
        saga.Outcome = ReservationStates.Failed;
        Explain(saga, code, detail);
    }

    private static void Explain(Reservation saga, string code, string? detail)
    {
        saga.FailureCode = code;
        saga.FailureDetail = detail;
    }

    private static void ClearFailure(Reservation saga)
    {
        saga.FailureCode = null;
        saga.FailureDetail = null;
    }

    private static void End(Reservation saga, string outcome)
    {
        saga.Outcome = outcome;
        saga.UnpaidUserId = null;
        saga.Deadline = null;
        saga.StepAttempts = 0;
        saga.StuckSince = null;
    }
}
