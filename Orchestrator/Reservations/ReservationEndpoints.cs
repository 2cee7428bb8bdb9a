using System.Security.Cryptography;
using System.Text;
using ConcertSaga.Contracts;
using ConcertSaga.Contracts.Reservations;
using ConcertSaga.Orchestrator.Data;
using ConcertSaga.Shared.Hosting.Http;
using MassTransit;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;

namespace ConcertSaga.Orchestrator.Reservations;

/// <summary>What a person asks for.</summary>
/// <param name="ScheduleId">The date.</param>
/// <param name="SeatNumbers">One to four distinct seats of it.</param>
/// <param name="Pay">Whether to pay at once with points.</param>
public sealed record ReservationRequest(int ScheduleId, int[] SeatNumbers, bool Pay = false);

/// <summary>The most seats of one reservation, from <c>Seats:MaxPerReservation</c>.</summary>
public sealed record SeatLimit(int Seats);

/// <summary><c>/api/reservations</c>.</summary>
public static class ReservationEndpoints
{
    // An idempotency key is remembered this long; then it may be used for something else.
    private static readonly TimeSpan KeyLifetime = TimeSpan.FromHours(24);

    public static void MapReservations(this IEndpointRouteBuilder routes)
    {
        var reservations = routes.MapGroup("/api/reservations").WithTags("Reservations");
        reservations.MapPost("", Reserve).Produces<ReservationResponse>(201).Produces<ReservationResponse>(202).ProducesProblems(400, 402, 404, 409, 410, 422, 503);
        reservations.MapGet("", List).Produces<Page<ReservationResponse>>().ProducesProblems(400);
        reservations.MapGet("/{id:guid}", Get).Produces<ReservationResponse>().ProducesProblems(404);
        reservations.MapPost("/{id:guid}/payment", Pay).Produces<ReservationResponse>().Produces<ReservationResponse>(202).ProducesProblems(402, 404, 409, 410, 503);
        reservations.MapDelete("/{id:guid}", Cancel).Produces<ReservationResponse>().Produces<ReservationResponse>(202).ProducesProblems(404, 409, 503);
    }

    /// <summary>
    /// Requests a reservation. The row and the message that starts the saga are written in one transaction, so a 2xx is durable; then the
    /// call waits for the outcome. A repeat of the same key joins the first call.
    /// </summary>
    public static async Task<IResult> Reserve(
        ReservationRequest request, Caller caller, IdempotencyKey key, OrchestratorDbContext database, ISendEndpointProvider bus, IPublishEndpoint events,
        ReservationAnswers answers, BusWatch watch, SeatLimit limit, IOptions<ReservationOptions> options, TimeProvider clock, HttpContext http)
    {
        if (Invalid(request.SeatNumbers, limit.Seats) is { } reason)
            return Problems.Invalid("INVALID_SEATS", "seatNumbers", reason);

        int[] seats = [.. request.SeatNumbers.Order()];
        var hash = Hash(request, seats);
        var now = clock.GetUtcNow();

        // At most three rounds: the second when a concurrent call wrote first, the third when the reservation it met has ended meanwhile.
        for (var round = 0; round < 3; round++)
        {
            database.ChangeTracker.Clear();
            var known = await database.Reservations
                .Where(r => r.UserId == caller.UserId && (r.IdempotencyKey == key.Value || r.UnpaidUserId == caller.UserId))
                .ToListAsync(http.RequestAborted);

            if (known.Find(r => r.IdempotencyKey == key.Value) is { } first)
            {
                if (first.CreatedAt > now - KeyLifetime)
                {
                    if (first.RequestHash != hash)
                        return IdempotencyKey.Reused();
                    IdempotencyKey.MarkReplayed(http.Response);
                    return await answers.Requested(first.CorrelationId, http);
                }
                first.IdempotencyKey = null;
            }

            if (!watch.IsOpen)
                return Unavailable();

            var reservation = new Reservation
            {
                CorrelationId = Guid.CreateVersion7(now),
                CurrentState = ReservationStates.Requested,
                UserId = caller.UserId,
                UnpaidUserId = caller.UserId,
                ConcertId = caller.QueueConcertId,
                ScheduleId = request.ScheduleId,
                SeatNumbers = seats,
                PayImmediately = request.Pay,
                QueueTokenId = caller.QueueTokenId,
                IdempotencyKey = key.Value,
                RequestHash = hash,
                // The outbox brings the message that starts the saga; this is only for the case that it cannot. Under load an earlier one
                // would but add to the load.
                Deadline = now + (options.Value.StepTimeout * 6),
                CreatedAt = now
            };
            if (known.Find(r => r.UnpaidUserId is not null) is { } unpaid)
            {
                // Written down as an outcome of its own, so that a repeat of the key is answered alike.
                reservation.CurrentState = reservation.Outcome = ReservationStates.Rejected;
                reservation.UnpaidUserId = null;
                reservation.Deadline = null;
                reservation.FailureCode = "RESERVATION_IN_PROGRESS";
                reservation.FailureDetail = unpaid.CorrelationId.ToString();
                reservation.Record(nameof(RequestReservation), null, reservation.CurrentState, null, reservation.FailureCode, now);
                await events.Publish(ReservationSteps.Rejection(reservation), http.RequestAborted);
            }
            else
            {
                reservation.Record(nameof(RequestReservation), null, reservation.CurrentState, null, null, now);
                await SendToSagaAsync(bus, new RequestReservation(reservation.CorrelationId), http.RequestAborted);
            }
            database.Add(reservation);

            try
            {
                await database.SaveChangesAsync(http.RequestAborted);
            }
            catch (DbUpdateException exception) when (!Shared.Hosting.Messaging.FailurePolicy.IsTransient(exception))
            {
                continue;
            }
            return await answers.Requested(reservation.CorrelationId, http);
        }
        return Unavailable();
    }

    /// <summary>One reservation of the caller.</summary>
    public static async Task<IResult> Get(Guid id, Caller caller, OrchestratorDbContext database, CancellationToken cancellationToken) =>
        await FindAsync(database, id, caller, cancellationToken) is { } row ? TypedResults.Ok(ReservationResponse.Of(row)) : NotFound();

    /// <summary>The caller's reservations, newest first; rejected ones only when asked for.</summary>
    public static async Task<IResult> List(
        string? status, int? limit, string? cursor, Caller caller, OrchestratorDbContext database, CancellationToken cancellationToken)
    {
        var take = Paging.Limit(limit);
        var rows = database.Reservations.AsNoTracking().Where(r => r.UserId == caller.UserId);
        if (status is null)
        {
            rows = rows.Where(r => r.CurrentState != ReservationStates.Rejected);
        }
        else
        {
            var states = ReservationResponse.StatesOf(status) ?? throw new BadHttpRequestException("status is not a reservation status.");
            rows = rows.Where(r => states.Contains(r.CurrentState));
        }
        if (Paging.Cursor<long>(cursor) is { } ticks)
        {
            if (ticks < DateTimeOffset.MinValue.UtcTicks || ticks > DateTimeOffset.MaxValue.UtcTicks)
                throw new BadHttpRequestException("cursor is not one this list gave out.");
            var after = new DateTimeOffset(ticks, TimeSpan.Zero);
            rows = rows.Where(r => r.CreatedAt < after);
        }

        var page = Paging.Cut(await rows.OrderByDescending(r => r.CreatedAt).Take(take + 1).ToListAsync(cancellationToken), take, r => r.CreatedAt.UtcTicks);
        return TypedResults.Ok(new Page<ReservationResponse>([.. page.Items.Select(ReservationResponse.Of)], page.NextCursor));
    }

    /// <summary>Pays a held reservation with points. A second call joins the first.</summary>
    public static async Task<IResult> Pay(
        Guid id, Caller caller, OrchestratorDbContext database, ISendEndpointProvider bus, ReservationAnswers answers, BusWatch watch, HttpContext http)
    {
        if (await FindAsync(database, id, caller, http.RequestAborted) is not { } row)
            return NotFound();
        switch (row.CurrentState)
        {
            case ReservationStates.Requested or ReservationStates.HoldingSeats:
                return ReservationAnswers.NotPayable(row);
            case ReservationStates.AwaitingPayment:
                if (!watch.IsOpen)
                    return Unavailable();
                var attempt = row.PaymentAttempt + 1;
                await SendToSagaAsync(bus, new PayReservation(id, attempt), http.RequestAborted);
                await database.SaveChangesAsync(http.RequestAborted);
                return await answers.Paid(id, attempt, http);
            default:
                return await answers.Paid(id, row.PaymentAttempt, http);
        }
    }

    /// <summary>Gives a reservation back: its seats are free again, and points that were paid return. A second call joins the first.</summary>
    public static async Task<IResult> Cancel(
        Guid id, Caller caller, OrchestratorDbContext database, ISendEndpointProvider bus, ReservationAnswers answers, BusWatch watch,
        IOptions<ReservationOptions> options, TimeProvider clock, HttpContext http)
    {
        if (await FindAsync(database, id, caller, http.RequestAborted) is not { } row)
            return NotFound();
        var cancellable = row.CurrentState == ReservationStates.AwaitingPayment
            || (row.CurrentState == ReservationStates.Confirmed && row.StartsAt - options.Value.CancellationCutoff > clock.GetUtcNow());
        if (cancellable)
        {
            if (!watch.IsOpen)
                return Unavailable();
            await SendToSagaAsync(bus, new CancelReservation(id, row.Version), http.RequestAborted);
            await database.SaveChangesAsync(http.RequestAborted);
        }
        else if (row.Outcome != ReservationStates.Cancelled)
        {
            return ReservationAnswers.NotCancellable(row);
        }
        return await answers.CancelledOf(id, row.Version, http);
    }

    private static Task<Reservation?> FindAsync(OrchestratorDbContext database, Guid id, Caller caller, CancellationToken cancellationToken) =>
        database.Reservations.AsNoTracking().FirstOrDefaultAsync(r => r.CorrelationId == id && r.UserId == caller.UserId, cancellationToken);

    private static async Task SendToSagaAsync<T>(ISendEndpointProvider bus, T message, CancellationToken cancellationToken)
        where T : class
    {
        var saga = await bus.GetSendEndpoint(CommandQueues.AddressOf(CommandQueues.Reservations));
        await saga.Send(message, cancellationToken);
    }

    private static string? Invalid(int[]? seats, int limit) => seats switch
    {
        null or [] => "Name at least one seat.",
        _ when seats.Length > limit => $"At most {limit} seats can be reserved together.",
        _ when seats.Distinct().Count() != seats.Length => "A seat is named twice.",
        _ => null
    };

    // By content, so that the order of seats and the form of the JSON do not matter.
    private static string Hash(ReservationRequest request, int[] seats) => Convert.ToHexString(SHA256.HashData(
        Encoding.UTF8.GetBytes($"{request.ScheduleId}|{string.Join(',', seats)}|{request.Pay}")));

    private static ProblemHttpResult NotFound() => Problems.Refuse(404, "RESERVATION_NOT_FOUND", "You have no such reservation.");

    private static ProblemHttpResult Unavailable() => Problems.Refuse(503, "UNAVAILABLE", "Bookings cannot be taken right now. Try again in a moment.");
}
