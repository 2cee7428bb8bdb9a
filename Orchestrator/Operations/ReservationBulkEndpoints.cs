using System.Text.Json;
using ConcertSaga.Contracts;
using ConcertSaga.Contracts.Reservations;
using ConcertSaga.Orchestrator.Reservations;
using ConcertSaga.Shared.Hosting.Http;
using ConcertSaga.Shared.Hosting.Operators;
using MassTransit;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Orchestrator.Operations;

/// <summary>Chooses and changes reservations for Operations. The gateway does not route here.</summary>
internal static class ReservationBulkEndpoints
{
    // Cancels a reservation because its schedule is cancelled.
    private const string CancelSchedule = "CancelSchedule";

    private static readonly string[] Unchangeable =
        [ReservationStates.Rejected, ReservationStates.Expired, ReservationStates.Cancelled, ReservationStates.Failed];

    private static readonly string[] Cancellable = [.. ReservationStates.All.Except(Unchangeable)];

    private static readonly string[] Retryable =
        [.. Cancellable.Except([ReservationStates.AwaitingPayment, ReservationStates.Confirmed])];

    // Without those that already give their seats back: there can be more of them than one choice returns.
    private static readonly string[] WithSeats = [.. Cancellable.Except(
        [ReservationStates.CancellingPayment, ReservationStates.RefundingPoints, ReservationStates.ReleasingSeats])];

    public static void MapReservationBulk(this IEndpointRouteBuilder routes)
    {
        routes.MapPost("/internal/reservations/choice", ChooseReservations);
        routes.MapPost("/internal/reservations/changes", ChangeReservations);
    }

    /// <summary>Chooses the oldest reservations that match a filter and that the action applies to.</summary>
    internal static async Task<Ok<BulkChosen<Guid, ReservationView>>> ChooseReservations(
        BulkChoice<ReservationFilter> body, OrchestratorDbContext database, CancellationToken cancellationToken)
    {
        var states = IsRetry(body.Action) ? Retryable : body.Action == CancelSchedule ? WithSeats : Cancellable;
        if (body.Filter is { Seat: not null, ScheduleId: null })
            throw RefusedRequestException.Parameter("filter.seat", "Give scheduleId too. Seat numbers repeat in each schedule.");
        var ids = body.Filter is null ? [.. body.Ids ?? []]
            : await (body.Filter with { Order = ReservationOrder.Oldest }).Page(database, null, body.Limit, states)
                .Select(row => row.CorrelationId).ToListAsync(cancellationToken);
        var sampled = ids.Take(body.SampleSize).ToList();
        var sample = await database.Reservations.AsNoTracking().Where(row => sampled.Contains(row.CorrelationId))
            .OrderBy(row => row.CreatedAt).ThenBy(row => row.CorrelationId).ToListAsync(cancellationToken);
        return TypedResults.Ok(new BulkChosen<Guid, ReservationView>(ids, sample.ConvertAll(ReservationView.Of)));
    }

    /// <summary>
    /// Sends the saga one message for each change that is not recorded yet, and answers those that are. A message is handled once for each
    /// action id, so the request can be repeated. The messages therefore need no outbox.
    /// </summary>
    internal static async Task<Ok<BulkResult[]>> ChangeReservations(
        BulkChange body, OrchestratorDbContext database, IBus bus, BookingGate gate, CancellationToken cancellationToken)
    {
        var isRetry = IsRetry(body.Action);
        var actionIds = Array.ConvertAll(body.Items, item => item.ActionId);
        var ids = Array.ConvertAll(body.Items, item => item.Id);
        // Before the actions: a reservation that is deleted in between has its row.
        var existing = (await database.Reservations.Where(row => ids.Contains(row.CorrelationId)).Select(row => row.CorrelationId)
            .ToListAsync(cancellationToken)).ToHashSet();
        var recorded = await database.OperatorActions.AsNoTracking().Where(action => actionIds.Contains(action.ActionId))
            .ToDictionaryAsync(action => action.ActionId, cancellationToken);
        if (body.Starts)
        {
            // A send would wait for the connection, and Operations for the answer.
            if (!gate.IsHealthy)
                throw new RefusedRequestException(
                    StatusCodes.Status503ServiceUnavailable, RefusalCodes.Unavailable, "The message broker is away. Try again later.");
            await Task.WhenAll(body.Items.Where(item => !recorded.ContainsKey(item.ActionId) && existing.Contains(item.Id))
                .Select(item => isRetry
                    ? bus.SendToSagaAsync(
                        new RetryReservation(item.Id, item.ActionId, body.Operator, body.Reason), cancellationToken, item.ActionId)
                    : bus.SendToSagaAsync(
                        new CancelReservationByOperator(item.Id, item.ActionId, body.Operator, body.Reason, CodeOf(body.Action)),
                        cancellationToken, item.ActionId)));
        }
        return TypedResults.Ok(Array.ConvertAll(body.Items, item =>
            recorded.TryGetValue(item.ActionId, out var action) ? ResultOf(action)
            : existing.Contains(item.Id) ? new BulkResult(item.ActionId, null, null)
            : new BulkResult(item.ActionId, ItemOutcome.Skipped, "The reservation does not exist.")));
    }

    private static bool IsRetry(string action) => action switch
    {
        OperatorRequest.Retry => true,
        OperatorRequest.Cancel or CancelSchedule => false,
        _ => throw RefusedRequestException.Parameter("action", $"Allowed: {OperatorRequest.Retry}, {OperatorRequest.Cancel}.")
    };

    private static string? CodeOf(string action) => action == CancelSchedule ? RefusalCodes.ScheduleCancelled : null;

    private static BulkResult ResultOf(OperatorAction action)
    {
        if (action.Refusal is not { } code)
            return new BulkResult(action.ActionId, ItemOutcome.Succeeded, null);
        using var after = JsonDocument.Parse(action.After!);
        return new BulkResult(action.ActionId, ItemOutcome.Skipped,
            ReservationOperatorEndpoints.Explain(code, after.RootElement.GetProperty("state").GetString()!));
    }
}
