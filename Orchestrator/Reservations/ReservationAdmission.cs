using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;
using ConcertSaga.Contracts;
using ConcertSaga.Contracts.Reservations;
using ConcertSaga.Shared.Hosting.Failures;
using ConcertSaga.Shared.Hosting.Http;
using ConcertSaga.Shared.Hosting.Messaging;
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

/// <summary>A call that requests a reservation.</summary>
/// <param name="Request">What it requests.</param>
/// <param name="Caller">Who calls.</param>
/// <param name="Key">Its idempotency key.</param>
/// <param name="Response">The response of the call, which waits for its admission.</param>
public sealed record ReserveCall(ReservationRequest Request, Caller Caller, Guid Key, HttpResponse Response)
{
    public int[] Seats { get; } = [.. (Request.SeatNumbers ?? []).Order()];

    /// <summary>The trace of the call, which the saga continues.</summary>
    public Activity? Trace { get; } = Activity.Current;

    // By content, so the order of the seats and the form of the JSON do not matter.
    public string Hash => Convert.ToHexString(SHA256.HashData(
        Encoding.UTF8.GetBytes($"{Request.ScheduleId}|{string.Join(',', Seats)}|{Request.Pay}")));
}

/// <summary>
/// Turns requests into reservations: once per idempotency key, one unpaid reservation per customer, one purchase per pass. It writes the
/// rows and the messages that start the sagas of all calls that wait in one transaction.
/// </summary>
public sealed class ReservationAdmission(
    OrchestratorDbContext database, ISendEndpointProvider bus, AnswerSignal signal, BookingGate gate, SeatLimit limit,
    RefusalLimit refusals, IOptions<ReservationOptions> options, TimeProvider clock) : ICommandHandler
{
    /// <summary>Callers wait for their insert, and do not repeat it as the broker repeats a message.</summary>
    public static TimeSpan MaxWaitAlone => TimeSpan.FromSeconds(10);

    // A concurrent call may insert first, and the reservation that this call then finds may have ended by the next round.
    private const int MaxRounds = 3;

    // An older key may be used for another request.
    private static readonly TimeSpan KeyLifetime = TimeSpan.FromHours(24);

    // Of the users of the calls, with those that this round adds.
    private readonly List<Reservation> _known = [];
    private readonly List<AnswerSignal.Registration> _added = [];
    private readonly List<string> _refused = [];
    private readonly List<Guid> _passes = [];
    private readonly HashSet<Guid> _boughtPasses = [];
    private DateTimeOffset _now;

    public async Task<CommandOutcome[]> HandleAsync(IReadOnlyList<object> commands, LockWait lockWait)
    {
        ReserveCall[] calls = [.. commands.Cast<ReserveCall>()];
        for (var conflicts = 0; conflicts < MaxRounds;)
        {
            try
            {
                if (await AdmitAsync(calls, lockWait) is { } results)
                {
                    _refused.ForEach(refusals.Count);
                    return Array.ConvertAll(results, result => new CommandOutcome(result));
                }
            }
            // A concurrent call inserted a row with the same key or the same unpaid customer. A group that meets another one is split.
            catch (DbUpdateException exception)
                when (!FailurePolicy.IsTransient(exception) && !lockWait.IsOver && (calls.Length == 1 || conflicts == 0))
            {
                conflicts++;
            }
        }
        return [new CommandOutcome(AdmissionResult.Refuse(ReservationRefusals.BookingClosed()))];
    }

    // Null if a pass turned out to have bought.
    private async Task<AdmissionResult[]?> AdmitAsync(ReserveCall[] calls, LockWait lockWait)
    {
        database.ChangeTracker.Clear();
        _known.Clear();
        _refused.Clear();
        _passes.Clear();
        _known.AddRange(await FindKnownAsync(calls));
        _now = clock.GetUtcNow();
        var isCommitted = false;
        try
        {
            var results = new AdmissionResult[calls.Length];
            for (var i = 0; i < calls.Length; i++)
                results[i] = await AdmitAsync(calls[i]);
            isCommitted = !database.ChangeTracker.HasChanges() || await TryCommitAsync(lockWait);
            return isCommitted ? results : null;
        }
        finally
        {
            if (!isCommitted)
                _added.ForEach(registration => registration.Dispose());
            _added.Clear();
        }
    }

    private async Task<IEnumerable<Reservation>> FindKnownAsync(ReserveCall[] calls) =>
        (await database.KnownToCalls(Array.ConvertAll(calls, call => call.Caller.UserId), Array.ConvertAll(calls, call => call.Key))
            .ToListAsync(CancellationToken.None)).Distinct();

    private async Task<AdmissionResult> AdmitAsync(ReserveCall call)
    {
        var known = _known.FindAll(row => row.UserId == call.Caller.UserId);
        var earlier = known.Find(row => row.IdempotencyKey == call.Key);
        if (earlier is not null && HoldsKey(earlier))
            return earlier.RequestHash == call.Hash
                ? AdmissionResult.Repeat(earlier.CorrelationId) : AdmissionResult.Refuse(IdempotencyKey.Reused());

        // Only new requests reach the checks, so a repeat is answered even if a setting or the pass has changed.
        if (Check(call) is { } refusal)
            return AdmissionResult.Refuse(refusal);

        var unpaid = known.Find(row => row.UnpaidUserId is not null);
        if (unpaid is null && call.Caller.QueueTokenId is { } pass && _boughtPasses.Contains(pass))
        {
            _refused.Add(call.Caller.UserId);
            return AdmissionResult.Refuse(Refusals.QueueTokenRevoked.Answer());
        }

        var reservation = NewReservation(call);
        if (unpaid is null)
            await StartAsync(reservation, call);
        else
            Reject(reservation, unpaid);
        earlier?.IdempotencyKey = null;
        _known.Add(reservation);
        database.Add(reservation);
        // A rejected one has its answer, and no change follows.
        if (reservation.Outcome is not null)
            return AdmissionResult.New(reservation.CorrelationId, null);
        _added.Add(signal.Register(reservation.CorrelationId));
        return AdmissionResult.New(reservation.CorrelationId, _added[^1]);
    }

    // A request that failed only because of its pass may be repeated with the right one.
    private bool HoldsKey(Reservation earlier) =>
        earlier.CreatedAt > _now - KeyLifetime && earlier.FailureCode != RefusalCodes.QueueTokenWrongConcert;

    private ProblemHttpResult? Check(ReserveCall call)
    {
        if (call.Caller.QueueRefusal is { } code)
            return Refusals.OfQueueToken(code).Answer();
        if (FaultOf(call.Request.SeatNumbers) is { } fault)
            return Problems.Invalid(RefusalCodes.InvalidSeats, "seatNumbers", fault);
        if (refusals.Check(call.Caller.UserId, call.Response, _refused.Count(call.Caller.UserId.Equals)) is { } tooMany)
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
        CorrelationId = Guid.CreateVersion7(_now),
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
        Deadline = _now + options.Value.StartTimeout,
        CreatedAt = _now
    };

    // The rejection is a row, so a repeat of the key gets the same answer.
    private void Reject(Reservation reservation, Reservation unpaid)
    {
        reservation.CurrentState = ReservationStates.Rejected;
        reservation.Outcome = ReservationStates.Rejected;
        reservation.UnpaidUserId = null;
        reservation.Deadline = null;
        reservation.FailureCode = RefusalCodes.ReservationInProgress;
        reservation.BlockedBy = unpaid.CorrelationId;
        reservation.FailureDetail = unpaid.CorrelationId.ToString();
        reservation.Record(nameof(RequestReservation), null, reservation.CurrentState, null, reservation.FailureCode, _now);
        _refused.Add(reservation.UserId);
    }

    private async Task StartAsync(Reservation reservation, ReserveCall call)
    {
        reservation.Record(nameof(RequestReservation), null, reservation.CurrentState, null, null, _now);
        if (reservation.QueueTokenId is { } pass)
            _passes.Add(pass);
        Activity.Current = call.Trace;
        await bus.SendToSagaAsync(new RequestReservation(reservation.CorrelationId), CancellationToken.None);
    }

    // False if a pass has bought already, which the gateway may not know yet. The check follows the insert, because the insert waits until
    // an earlier unpaid reservation of the customer is paid or ends.
    private async Task<bool> TryCommitAsync(LockWait lockWait)
    {
        // A savepoint would cost a round trip, and only the whole transaction is ever rolled back.
        database.Database.AutoSavepointsEnabled = false;
        await using var transaction = await database.Database.BeginTransactionAsync(CancellationToken.None);
        try
        {
            await database.SaveChangesAsync(lockWait.Start());
        }
        finally
        {
            lockWait.Stop();
        }
        if (_passes.Count > 0)
        {
            Guid[] passes = [.. _passes];
            var bought = await database.Reservations
                .Where(row => row.QueueTokenId != null && passes.Contains(row.QueueTokenId.Value) && row.ConfirmedAt != null)
                .Select(row => row.QueueTokenId!.Value).ToListAsync(CancellationToken.None);
            _boughtPasses.UnionWith(bought);
            if (bought.Count > 0)
                return false;
        }
        await transaction.CommitAsync(CancellationToken.None);
        return true;
    }
}
