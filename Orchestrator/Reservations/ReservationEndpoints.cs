using System.ComponentModel.DataAnnotations;
using ConcertSaga.Contracts;
using ConcertSaga.Contracts.Reservations;
using ConcertSaga.Shared.Hosting.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;

namespace ConcertSaga.Orchestrator.Reservations;

/// <summary><c>/api/reservations</c>.</summary>
public static class ReservationEndpoints
{
    public static void MapReservations(this IEndpointRouteBuilder routes)
    {
        var reservations = routes.MapGroup("/api/reservations").WithTags("Reservations");
        reservations.MapPost("", Reserve)
            .Refuses(402, RefusalCodes.InsufficientPoints)
            .Refuses(403, RefusalCodes.QueueTokenWrongConcert)
            .Refuses(404, RefusalCodes.ScheduleNotFound, RefusalCodes.SeatNotFound)
            .Refuses(409, RefusalCodes.SeatUnavailable, RefusalCodes.ReservationInProgress, RefusalCodes.SeatLimitReached,
                RefusalCodes.ScheduleClosed, RefusalCodes.ScheduleCancelled, RefusalCodes.PaymentRejected, RefusalCodes.ReservationFailed)
            .Refuses(410, RefusalCodes.HoldExpired, RefusalCodes.QueueTokenRevoked)
            .Refuses(422, RefusalCodes.InvalidSeats);
        reservations.MapGet("", List);
        reservations.MapGet("/{id:guid}", Get)
            .Refuses(404, RefusalCodes.ReservationNotFound);
        reservations.MapPost("/{id:guid}/payment", Pay)
            .Refuses(402, RefusalCodes.InsufficientPoints)
            .Refuses(403, RefusalCodes.QueueTokenWrongConcert)
            .Refuses(404, RefusalCodes.ReservationNotFound)
            .Refuses(409, RefusalCodes.ReservationNotPayable, RefusalCodes.ScheduleCancelled, RefusalCodes.PaymentRejected,
                RefusalCodes.ReservationFailed)
            .Refuses(410, RefusalCodes.HoldExpired);
        reservations.MapDelete("/{id:guid}", Cancel)
            .Refuses(404, RefusalCodes.ReservationNotFound)
            .Refuses(409, RefusalCodes.ReservationNotCancellable);
    }

    /// <summary>
    /// Requests a reservation. The orchestrator writes the row and the message that starts the saga in one transaction, so a 2xx is
    /// durable; then the call waits for the outcome. A repeat of the same key joins the first call.
    /// </summary>
    public static async Task<Results<Created<ReservationResponse>, Accepted<ReservationResponse>, ProblemHttpResult>> Reserve(
        ReservationRequest request, Caller caller, IdempotencyKey key, HttpContext http, [AsParameters] BookingServices services,
        CancellationToken cancellationToken)
    {
        // The next commit decides, even if the caller hangs up.
        var outcome = await services.Admissions.HandleAsync(new ReserveCall(request, caller, key.Value, http.Response));
        var admission = (AdmissionResult)outcome.Reply;
        if (admission.Refusal is { } refusal)
            return refusal;
        if (admission.IsRepeat)
            IdempotencyKey.MarkReplayed(http.Response);
        return await services.Answers.WaitAsync(
            admission.ReservationId, http, ReservationAnswers.ToRequest, cancellationToken, admission.Added);
    }

    /// <summary>Returns one reservation of the caller.</summary>
    public static async Task<Results<Ok<ReservationResponse>, ProblemHttpResult>> Get(
        Guid id, Caller caller, OrchestratorDbContext database, ScheduleClient schedules, IOptions<ReservationOptions> options,
        CancellationToken cancellationToken)
    {
        if (await FindAsync(database, id, caller, cancellationToken) is not { } row)
            return Refusals.ReservationNotFound.Answer();
        if (row.CurrentState != ReservationStates.Confirmed)
            return TypedResults.Ok(ReservationResponse.Of(row));
        var startsAt = await schedules.FindStartAsync(row.ScheduleId, cancellationToken);
        return TypedResults.Ok(ReservationResponse.Of(row) with { CancellableUntil = CancellableUntil(row, startsAt, options.Value) });
    }

    /// <summary>Lists the caller's reservations, newest first. Rejected ones appear only with <c>status=Rejected</c>.</summary>
    public static async Task<Ok<Page<ReservationResponse>>> List(
        EnumName<ReservationStatus>? status, [Range(1, Paging.MaxLimit)] int? limit, string? cursor, Caller caller,
        OrchestratorDbContext database, CancellationToken cancellationToken)
    {
        var take = limit ?? Paging.DefaultLimit;
        var rows = WithStatus(database.Reservations.AsNoTracking().Where(row => row.UserId == caller.UserId), status?.Value);
        if (Paging.Cursor<InstantKey<Guid>>(cursor) is var (createdAt, lastId))
            // The first condition bounds the index scan.
            rows = rows.Where(row => row.CreatedAt <= createdAt && (row.CreatedAt < createdAt || row.CorrelationId < lastId));

        var found = await rows.OrderByDescending(row => row.CreatedAt).ThenByDescending(row => row.CorrelationId).Take(take + 1)
            .ToListAsync(cancellationToken);
        var page = Paging.Cut(found, take, row => new InstantKey<Guid>(row.CreatedAt, row.CorrelationId));
        return TypedResults.Ok(new Page<ReservationResponse>([.. page.Items.Select(ReservationResponse.Of)], page.NextCursor));
    }

    /// <summary>Pays a held reservation with points. A second call joins the first; after a refused payment it is a new attempt.</summary>
    public static async Task<Results<Ok<ReservationResponse>, Accepted<ReservationResponse>, ProblemHttpResult>> Pay(
        Guid id, Caller caller, HttpContext http, [AsParameters] BookingServices services, CancellationToken cancellationToken)
    {
        var found = await FindAsync(services.Database, id, caller, cancellationToken);
        if (RefusePayment(found, caller) is { } refusal)
            return refusal;
        var row = found!;
        var attempt = row.PaymentAttempt;
        if (row.CurrentState == ReservationStates.AwaitingPayment)
        {
            if (services.Refusals.Check(caller.UserId, http.Response) is { } tooMany)
                return tooMany;
            if (!services.Gate.IsOpen)
                return ReservationRefusals.BookingClosed();
            attempt++;
            await SendAsync(services, new PayReservation(id, attempt), cancellationToken);
        }
        else if (attempt > 0 && row.CurrentState is not (ReservationStates.Cancelled or ReservationStates.Expired))
        {
            // In those two states, the answer differs from the first one.
            IdempotencyKey.MarkReplayed(http.Response);
        }
        return await services.Answers.WaitAsync(id, http, now => ReservationAnswers.ToPayment(now, attempt), cancellationToken);
    }

    /// <summary>
    /// Cancels a reservation. Its seats are free again, and points that were paid return. A second call joins the first.
    /// </summary>
    public static async Task<Results<Ok<ReservationResponse>, Accepted<ReservationResponse>, ProblemHttpResult>> Cancel(
        Guid id, Caller caller, HttpContext http, [AsParameters] BookingServices services, CancellationToken cancellationToken)
    {
        if (await FindAsync(services.Database, id, caller, cancellationToken) is not { } row)
            return Refusals.ReservationNotFound.Answer();
        var (isCancellable, startsAt, now) = await JudgeCancellationAsync(row, services, cancellationToken);
        if (isCancellable)
        {
            if (!services.Gate.IsOpen)
                return ReservationRefusals.BookingClosed();
            if (row.CurrentState == ReservationStates.AwaitingPayment)
                services.Refusals.Count(caller.UserId);
            await SendAsync(services, new CancelReservation(id, row.Version, startsAt, now), cancellationToken);
        }
        else if (row.Outcome == ReservationStates.Cancelled)
        {
            IdempotencyKey.MarkReplayed(http.Response);
        }
        else
        {
            return ReservationRefusals.NotCancellable(row);
        }
        return await services.Answers.WaitAsync(id, http, now => ReservationAnswers.ToCancellation(now, row.Version), cancellationToken);
    }

    /// <summary>Finds a reservation of the caller; null if the caller has none with this id.</summary>
    internal static Task<Reservation?> FindAsync(
        OrchestratorDbContext database, Guid id, Caller caller, CancellationToken cancellationToken) =>
        database.Reservations.AsNoTracking().FirstOrDefaultAsync(
            row => row.CorrelationId == id && row.UserId == caller.UserId, cancellationToken);

    private static IQueryable<Reservation> WithStatus(IQueryable<Reservation> rows, ReservationStatus? status)
    {
        if (status is null)
            return rows.Where(row => row.CurrentState != ReservationStates.Rejected);
        var states = ReservationResponse.StatesOf(status.Value);
        return rows.Where(row => states.Contains(row.CurrentState));
    }

    private static ProblemHttpResult? RefusePayment(Reservation? row, Caller caller)
    {
        // Without a valid pass the call can only repeat a payment or read an outcome.
        if (caller.QueueRefusal is { } code && row?.CurrentState
            is null or ReservationStates.Requested or ReservationStates.HoldingSeats or ReservationStates.AwaitingPayment)
            return Refusals.OfQueueToken(code).Answer();
        if (row is null)
            return Refusals.ReservationNotFound.Answer();
        // The gateway does not know the concert of a reservation.
        if (caller.QueueConcertId is { } concertId && row.ConcertId is { } booked && concertId != booked)
            return ReservationRefusals.WrongConcert(row);
        return row.CurrentState is ReservationStates.Requested or ReservationStates.HoldingSeats
            ? ReservationRefusals.NotPayable(row) : null;
    }

    // The row has the start as of the hold, but a schedule can be moved.
    private static DateTimeOffset? CancellableUntil(Reservation row, DateTimeOffset? startsAt, ReservationOptions options) =>
        (startsAt ?? row.StartsAt) - options.CancellationCutoff;

    private static async Task<(bool IsCancellable, DateTimeOffset? StartsAt, DateTimeOffset Now)> JudgeCancellationAsync(
        Reservation row, BookingServices services, CancellationToken cancellationToken)
    {
        if (row.CurrentState != ReservationStates.Confirmed)
            return (row.CurrentState == ReservationStates.AwaitingPayment, null, services.Clock.GetUtcNow());
        var startsAt = await services.Schedules.FindStartAsync(row.ScheduleId, cancellationToken);
        var now = services.Clock.GetUtcNow();
        return (CancellableUntil(row, startsAt, services.Options.Value) > now, startsAt, now);
    }

    private static async Task SendAsync<T>(BookingServices services, T command, CancellationToken cancellationToken)
        where T : class
    {
        await services.Bus.SendToSagaAsync(command, cancellationToken);
        await services.Database.SaveChangesAsync(cancellationToken);
    }
}
