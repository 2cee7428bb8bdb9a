using System.Security.Cryptography;
using System.Text;
using ConcertSaga.Contracts;
using ConcertSaga.Contracts.Reservations;
using ConcertSaga.Shared.Hosting.Failures;
using ConcertSaga.Shared.Hosting.Http;
using MassTransit;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;

namespace ConcertSaga.Orchestrator.Reservations;

/// <summary>The maximum number of seats of one reservation, from <c>Seats:MaxPerReservation</c>.</summary>
public sealed record SeatLimit(int Seats);

/// <summary>The decision on a request: a reservation whose answer the caller awaits, or a refusal.</summary>
/// <param name="ReservationId">The reservation; meaningless with a refusal.</param>
/// <param name="IsRepeat">Whether an earlier call with the same key made the reservation.</param>
/// <param name="Refusal">The refusal of a request that leaves no reservation.</param>
/// <param name="Added">Waits for the answer since before the reservation was added; null if it may have one already.</param>
public sealed record AdmissionResult(
    Guid ReservationId, bool IsRepeat, ProblemHttpResult? Refusal, AnswerSignal.Registration? Added = null)
{
    public static AdmissionResult New(Guid reservationId, AnswerSignal.Registration? added) => new(reservationId, false, null, added);

    public static AdmissionResult Repeat(Guid reservationId) => new(reservationId, true, null);

    public static AdmissionResult Refuse(ProblemHttpResult refusal) => new(Guid.Empty, false, refusal);
}

/// <summary>
/// Turns a request into a reservation: once per idempotency key, one unpaid reservation per customer, one purchase per pass. It writes the
/// row and the message that starts the saga in one transaction.
/// </summary>
public sealed class ReservationAdmission(
    OrchestratorDbContext database, ISendEndpointProvider bus, AnswerSignal signal, BookingGate gate, SeatLimit limit,
    RefusalLimit refusals, IOptions<ReservationOptions> options, TimeProvider clock)
{
    // A concurrent call may insert first, and the reservation that this call then finds may have ended by the next round.
    private const int MaxRounds = 3;

    // An older key may be used for another request.
    private static readonly TimeSpan KeyLifetime = TimeSpan.FromHours(24);

    public async Task<AdmissionResult> AdmitAsync(
        ReservationRequest request, Caller caller, IdempotencyKey key, HttpResponse response, CancellationToken cancellationToken)
    {
        var call = new ReserveCall(request, caller, key.Value, clock.GetUtcNow());
        for (var round = 0; round < MaxRounds; round++)
        {
            database.ChangeTracker.Clear();
            var known = await FindKnownAsync(call, cancellationToken);
            if (known.Find(row => row.IdempotencyKey == call.Key) is { } earlier)
            {
                if (HoldsKey(earlier, call))
                    return earlier.RequestHash == call.Hash
                        ? AdmissionResult.Repeat(earlier.CorrelationId) : AdmissionResult.Refuse(IdempotencyKey.Reused());
                earlier.IdempotencyKey = null;
            }

            // Only new requests reach the checks, so a repeat is answered even if a setting or the pass has changed.
            if (Check(call, response) is { } refusal)
                return AdmissionResult.Refuse(refusal);

            var reservation = NewReservation(call);
            if (known.Find(row => row.UnpaidUserId is not null) is { } unpaid)
                Reject(reservation, unpaid, call);
            else
                await StartAsync(reservation, call, cancellationToken);
            if (await InsertAsync(reservation, cancellationToken) is { } result)
                return result;
        }
        return AdmissionResult.Refuse(ReservationRefusals.BookingClosed());
    }

    private Task<List<Reservation>> FindKnownAsync(ReserveCall call, CancellationToken cancellationToken)
    {
        var (userId, key) = (call.Caller.UserId, call.Key);
        return database.Reservations
            .Where(row => row.UserId == userId && (row.IdempotencyKey == key || row.UnpaidUserId == userId))
            .ToListAsync(cancellationToken);
    }

    // A request that failed only because of its pass may be repeated with the right one.
    private static bool HoldsKey(Reservation earlier, ReserveCall call) =>
        earlier.CreatedAt > call.At - KeyLifetime && earlier.FailureCode != RefusalCodes.QueueTokenWrongConcert;

    private ProblemHttpResult? Check(ReserveCall call, HttpResponse response)
    {
        if (call.Caller.QueueRefusal is { } code)
            return Refusals.OfQueueToken(code).Answer();
        if (FaultOf(call.Request.SeatNumbers) is { } fault)
            return Problems.Invalid(RefusalCodes.InvalidSeats, "seatNumbers", fault);
        if (refusals.Check(call.Caller.UserId, response) is { } tooMany)
            return tooMany;
        return gate.IsOpen ? null : ReservationRefusals.BookingClosed();
    }

    private string? FaultOf(int[]? seats) => seats switch
    {
        null or [] => "Name at least one seat.",
        _ when seats.Length > limit.Seats => $"A reservation has at most {limit.Seats} seats.",
        _ when seats.Distinct().Count() != seats.Length => "A seat is named twice.",
        _ => null
    };

    private Reservation NewReservation(ReserveCall call) => new()
    {
        CorrelationId = Guid.CreateVersion7(call.At),
        CurrentState = ReservationStates.Requested,
        UserId = call.Caller.UserId,
        UnpaidUserId = call.Caller.UserId,
        ConcertId = call.Caller.QueueConcertId,
        ScheduleId = call.Request.ScheduleId,
        SeatNumbers = call.Seats,
        PayImmediately = call.Request.Pay,
        QueueTokenId = call.Caller.QueueTokenId,
        IdempotencyKey = call.Key,
        RequestHash = call.Hash,
        // The sweeper starts the saga if the outbox cannot deliver the message that does.
        Deadline = call.At + options.Value.StartTimeout,
        CreatedAt = call.At
    };

    // The rejection is a row, so a repeat of the key gets the same answer.
    private void Reject(Reservation reservation, Reservation unpaid, ReserveCall call)
    {
        reservation.CurrentState = ReservationStates.Rejected;
        reservation.Outcome = ReservationStates.Rejected;
        reservation.UnpaidUserId = null;
        reservation.Deadline = null;
        reservation.FailureCode = RefusalCodes.ReservationInProgress;
        reservation.BlockedBy = unpaid.CorrelationId;
        reservation.FailureDetail = unpaid.CorrelationId.ToString();
        reservation.Record(nameof(RequestReservation), null, reservation.CurrentState, null, reservation.FailureCode, call.At);
        refusals.Count(reservation.UserId);
    }

    private Task StartAsync(Reservation reservation, ReserveCall call, CancellationToken cancellationToken)
    {
        reservation.Record(nameof(RequestReservation), null, reservation.CurrentState, null, null, call.At);
        return bus.SendToSagaAsync(new RequestReservation(reservation.CorrelationId), cancellationToken);
    }

    // Null if a concurrent call inserted a row with the same key or the same unpaid customer.
    private async Task<AdmissionResult?> InsertAsync(Reservation reservation, CancellationToken cancellationToken)
    {
        database.Add(reservation);
        // A rejected one has its answer, and no change follows.
        var added = reservation.Outcome is null ? signal.Register(reservation.CorrelationId) : null;
        var isAdded = false;
        try
        {
            isAdded = await TryInsertAsync(reservation, cancellationToken);
            if (isAdded)
                return AdmissionResult.New(reservation.CorrelationId, added);
            refusals.Count(reservation.UserId);
            return AdmissionResult.Refuse(Refusals.QueueTokenRevoked.Answer());
        }
        catch (DbUpdateException exception) when (!FailurePolicy.IsTransient(exception))
        {
            return null;
        }
        finally
        {
            if (!isAdded)
                added?.Dispose();
        }
    }

    // False if the pass has bought already, which the gateway may not know yet. The check follows the insert, because the insert waits
    // until an earlier unpaid reservation of the customer is paid or ends.
    private async Task<bool> TryInsertAsync(Reservation reservation, CancellationToken cancellationToken)
    {
        // A savepoint would cost a round trip, and only the whole transaction is ever rolled back.
        database.Database.AutoSavepointsEnabled = false;
        await using var transaction = await database.Database.BeginTransactionAsync(cancellationToken);
        await database.SaveChangesAsync(cancellationToken);
        if (reservation is { QueueTokenId: { } pass, Outcome: null }
            && await database.Reservations.AnyAsync(other => other.QueueTokenId == pass && other.ConfirmedAt != null, cancellationToken))
            return false;
        await transaction.CommitAsync(cancellationToken);
        return true;
    }

    private sealed record ReserveCall(ReservationRequest Request, Caller Caller, Guid Key, DateTimeOffset At)
    {
        public int[] Seats { get; } = [.. (Request.SeatNumbers ?? []).Order()];

        // By content, so the order of the seats and the form of the JSON do not matter.
        public string Hash => Convert.ToHexString(SHA256.HashData(
            Encoding.UTF8.GetBytes($"{Request.ScheduleId}|{string.Join(',', Seats)}|{Request.Pay}")));
    }
}
