using System.ComponentModel.DataAnnotations;
using System.Runtime.CompilerServices;
using ConcertSaga.Contracts;
using ConcertSaga.Contracts.Reservations;
using ConcertSaga.Orchestrator.Reservations;
using ConcertSaga.Shared.Hosting.Http;
using ConcertSaga.Shared.Hosting.Operators;
using MassTransit;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Orchestrator.Operations;

/// <summary>The services of the actions on reservations.</summary>
public sealed record OperatorServices(
    OrchestratorDbContext Database, AnswerWaiter Answers, ISendEndpointProvider Bus, TimeProvider Clock);

/// <summary><c>/ops/api/reservations</c>.</summary>
internal static class ReservationOperatorEndpoints
{
    private const string Route = "/ops/api/reservations";
    private const int ExportBatch = 1_000;

    public static void MapReservationOperators(this IEndpointRouteBuilder routes)
    {
        var reservations = routes.MapOperators(Route);
        reservations.MapGet("", ListReservations).ProducesProblems(400);
        // Operations serves it to operators, with the facts of the other owners.
        routes.MapGet("/internal/reservations/{id:guid}", GetReservation);
        reservations.MapPost("/{id:guid}/retry", RetryReservation)
            .Refuses(404, RefusalCodes.ReservationNotFound)
            .Refuses(409, RefusalCodes.ReservationNotRetryable)
            .Refuses(422, RefusalCodes.InvalidReason);
        reservations.MapPost("/{id:guid}/cancel", CancelReservation)
            .Refuses(404, RefusalCodes.ReservationNotFound)
            .Refuses(409, RefusalCodes.ReservationNotCancellable)
            .Refuses(422, RefusalCodes.InvalidReason);
    }

    /// <summary>
    /// Lists reservations of all customers, the newest first. With <c>format=csv</c> the response is CSV and has all that match.
    /// <c>retrying</c> selects those whose current command was sent more than once, <c>seat</c> needs <c>scheduleId</c>.
    /// </summary>
    internal static async Task<Results<Ok<Page<ReservationView>>, PushStreamHttpResult>> ListReservations(
        EnumName<ReservationState>? state, EnumName<ReservationStatus>? status, string? userId, int? concertId, int? scheduleId, int? seat,
        string? failureCode, bool? stuck, bool? retrying, IsoInstant? createdFrom, IsoInstant? createdTo, EnumName<ReservationOrder>? sort,
        EnumName<ListFormat>? format, [Range(1, Paging.MaxOperatorLimit)] int? limit, string? cursor, OrchestratorDbContext database,
        CancellationToken cancellationToken)
    {
        if (seat is not null && scheduleId is null)
            throw RefusedRequestException.Parameter(nameof(seat), "Give scheduleId too. Seat numbers repeat in each schedule.");
        var filter = new ReservationFilter
        {
            State = state?.Value,
            Status = status?.Value,
            UserId = userId,
            ConcertId = concertId,
            ScheduleId = scheduleId,
            Seat = seat,
            FailureCode = failureCode,
            Stuck = stuck,
            Retrying = retrying,
            CreatedFrom = createdFrom?.Value,
            CreatedTo = createdTo?.Value,
            Order = sort?.Value ?? ReservationOrder.Newest
        };
        var take = limit ?? Paging.DefaultLimit;
        var after = Paging.Cursor<InstantKey<Guid>>(cursor);
        if (format?.Value == ListFormat.Csv)
            return CsvExport.Stream("reservations.csv", ReadAllAsync(filter, after, database, cancellationToken), ReservationView.Columns);
        var rows = await filter.Page(database, after, take + 1).ToListAsync(cancellationToken);
        var page = Paging.Cut(rows, take, row => KeyOf(row));
        return TypedResults.Ok(new Page<ReservationView>([.. page.Items.Select(ReservationView.Of)], page.NextCursor));
    }

    /// <summary>Returns the saga's part of one reservation: its transitions and the actions of operators.</summary>
    internal static async Task<Results<Ok<ReservationDetails>, ProblemHttpResult>> GetReservation(
        Guid id, OrchestratorDbContext database, CancellationToken cancellationToken)
    {
        if (await FindAsync(database, id, cancellationToken) is not { } row)
            return NotFound();
        var history = await database.Transitions.AsNoTracking().Where(transition => transition.ReservationId == id)
            .OrderBy(transition => transition.Sequence).ToListAsync(cancellationToken);
        var target = OperatorRequest.TargetOf(id);
        var actions = await database.OperatorActions.AsNoTracking().Where(action => action.Target == target)
            .OrderByDescending(action => action.At).ThenByDescending(action => action.ActionId).ToListAsync(cancellationToken);
        return TypedResults.Ok(new ReservationDetails(
            ReservationView.Of(row), TransitionView.Of(history, actions), actions.ConvertAll(OperatorActionView.Of)));
    }

    /// <summary>
    /// Resends the command of the current step at once. The number of attempts stays, and the time for the reply starts again. The answer
    /// is 200 when the command is sent.
    /// </summary>
    internal static Task<Results<Ok<ReservationActionResult>, Accepted<ReservationActionResult>, ProblemHttpResult>> RetryReservation(
        Guid id, OperatorReason body, Caller caller, HttpContext http, [AsParameters] OperatorServices services,
        CancellationToken cancellationToken) =>
        ActAsync(id, body.Reason, actionId => new RetryReservation(id, actionId, caller.UserId, body.Reason!), _ => true, http, services,
            cancellationToken);

    /// <summary>
    /// Cancels a reservation in any state that can be compensated, also after the cut-off. The answer is 200 when it is cancelled.
    /// </summary>
    internal static Task<Results<Ok<ReservationActionResult>, Accepted<ReservationActionResult>, ProblemHttpResult>> CancelReservation(
        Guid id, OperatorReason body, Caller caller, HttpContext http, [AsParameters] OperatorServices services,
        CancellationToken cancellationToken) =>
        ActAsync(id, body.Reason, actionId => new CancelReservationByOperator(id, actionId, caller.UserId, body.Reason!),
            row => row.CurrentState == ReservationStates.Cancelled, http, services, cancellationToken);

    // The saga decides, also in a final state, so that each request leaves its row.
    private static async Task<Results<Ok<ReservationActionResult>, Accepted<ReservationActionResult>, ProblemHttpResult>> ActAsync<T>(
        Guid id, string? reason, Func<Guid, T> message, Func<Reservation, bool> isDone, HttpContext http, OperatorServices services,
        CancellationToken cancellationToken)
        where T : class
    {
        if (OperatorRoutes.RefuseReason(reason) is { } invalid)
            return invalid;
        var database = services.Database;
        if (await FindAsync(database, id, cancellationToken) is not { } found)
            return NotFound();
        var actionId = Guid.CreateVersion7(services.Clock.GetUtcNow());
        await services.Bus.SendToSagaAsync(message(actionId), cancellationToken, actionId);
        await database.SaveChangesAsync(cancellationToken);

        var latest = found;
        var answer = await services.Answers.WaitAsync<
            Results<Ok<ReservationActionResult>, Accepted<ReservationActionResult>, ProblemHttpResult>>(id, http.Request, async _ =>
        {
            var action = await database.OperatorActions.AsNoTracking()
                .FirstOrDefaultAsync(row => row.ActionId == actionId, cancellationToken);
            if (await FindAsync(database, id, cancellationToken) is not { } row)
                return NotFound();
            latest = row;
            if (action?.Refusal is { } code)
                return Refuse(row, code, actionId);
            if (action is not null && isDone(row))
                return TypedResults.Ok(new ReservationActionResult(actionId, ReservationView.Of(row)));
            return null;
        }, cancellationToken);
        if (answer is not null)
            return answer;
        http.Response.Headers.RetryAfter = "1";
        return TypedResults.Accepted($"{Route}/{id}", new ReservationActionResult(actionId, ReservationView.Of(latest)));
    }

    private static async IAsyncEnumerable<ReservationView> ReadAllAsync(
        ReservationFilter filter, InstantKey<Guid>? after, OrchestratorDbContext database,
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        List<Reservation> batch;
        do
        {
            batch = await filter.Page(database, after, ExportBatch).ToListAsync(cancellationToken);
            foreach (var row in batch)
                yield return ReservationView.Of(row);
            after = batch is [.., var last] ? KeyOf(last) : after;
        }
        while (batch.Count == ExportBatch);
    }

    private static InstantKey<Guid> KeyOf(Reservation row) => new(row.CreatedAt, row.CorrelationId);

    private static Task<Reservation?> FindAsync(OrchestratorDbContext database, Guid id, CancellationToken cancellationToken) =>
        database.Reservations.AsNoTracking().FirstOrDefaultAsync(row => row.CorrelationId == id, cancellationToken);

    private static ProblemHttpResult Refuse(Reservation row, string code, Guid actionId) => Problems.Refuse(
        StatusCodes.Status409Conflict, code, Explain(code, row.CurrentState),
        ("reservationId", row.CorrelationId), ("reservationStatus", ReservationResponse.StatusOf(row.CurrentState)),
        ("actionId", actionId));

    /// <summary>Explains why the saga has refused an action.</summary>
    internal static string Explain(string code, string state) => code == RefusalCodes.ReservationNotRetryable
        ? $"The reservation is {state} and awaits no reply, so there is no command to resend."
        : $"The reservation is {state} and cannot be cancelled.";

    private static ProblemHttpResult NotFound() =>
        Problems.Refuse(StatusCodes.Status404NotFound, RefusalCodes.ReservationNotFound, "This reservation does not exist.");
}
