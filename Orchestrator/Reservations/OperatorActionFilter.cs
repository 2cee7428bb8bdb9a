using ConcertSaga.Contracts;
using ConcertSaga.Contracts.Reservations;
using ConcertSaga.Shared.Hosting.Operators;
using MassTransit;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Orchestrator.Reservations;

/// <summary>What an operator asks the saga to do.</summary>
internal sealed record OperatorRequest(string Action, Guid ActionId, string Operator, string Reason)
{
    public const string Retry = "Retry", Cancel = "Cancel";

    private const string Prefix = "reservations/";

    public static OperatorRequest Of(RetryReservation message) => new(Retry, message.ActionId, message.Operator, message.Reason);

    public static OperatorRequest Of(CancelReservationByOperator message) =>
        new(Cancel, message.ActionId, message.Operator, message.Reason);

    /// <summary>The target of the actions on a reservation.</summary>
    public static string TargetOf(Guid reservationId) => $"{Prefix}{reservationId}";

    /// <summary>The reservation of a target.</summary>
    public static Guid? ReservationOf(string target) =>
        target.StartsWith(Prefix, StringComparison.Ordinal) ? Guid.Parse(target.AsSpan(Prefix.Length)) : null;

    /// <summary>The refusal of a request that changed nothing; null if the reservation is already being cancelled, as requested.</summary>
    public string? RefusalBy(Reservation unchanged) =>
        Action == Retry ? RefusalCodes.ReservationNotRetryable
        : unchanged is { Outcome: ReservationStates.Cancelled, Deadline: not null } ? null
        : RefusalCodes.ReservationNotCancellable;
}

/// <summary>
/// Records what an operator's request did to a reservation, in the transaction of the change. A request that the saga ignores also has its
/// row, with the refusal. A copy of a recorded request changes nothing, even after the inbox has forgotten the message.
/// </summary>
internal sealed class OperatorActionFilter<T>(Func<T, OperatorRequest> read, TimeProvider clock)
    : IFilter<SagaConsumeContext<Reservation, T>>
    where T : class
{
    public async Task Send(SagaConsumeContext<Reservation, T> context, IPipe<SagaConsumeContext<Reservation, T>> next)
    {
        var database = context.GetPayload<IServiceProvider>().GetRequiredService<OrchestratorDbContext>();
        var request = read(context.Message);
        if (await database.OperatorActions.AnyAsync(row => row.ActionId == request.ActionId, context.CancellationToken))
            return;
        var saga = context.Saga;
        var (version, before) = (saga.Version, Describe(saga));

        await next.Send(context);

        database.Add(new OperatorAction
        {
            ActionId = request.ActionId,
            At = clock.GetUtcNow(),
            Operator = request.Operator,
            Action = request.Action,
            Target = OperatorRequest.TargetOf(saga.CorrelationId),
            Reason = request.Reason,
            Before = before,
            After = Describe(saga),
            Refusal = saga.Version == version ? request.RefusalBy(saga) : null
        });
    }

    public void Probe(ProbeContext context) => context.CreateFilterScope("operatorActions");

    private static string Describe(Reservation saga) => OperatorAction.Describe(new
    {
        State = saga.CurrentState,
        saga.Outcome,
        saga.StepAttempts,
        saga.Deadline,
        saga.StuckSince,
        saga.Version
    });
}
