using ConcertSaga.Contracts.Payments;
using ConcertSaga.Contracts.Points;
using ConcertSaga.Contracts.Seats;
using ConcertSaga.Orchestrator.Tests.Hosts;

namespace ConcertSaga.Orchestrator.Tests.Reservations;

/// <summary>
/// Models the three services by the rules that every service keeps. A command is decided once, and a repeat gets the same reply. A
/// compensation without its step succeeds, and closes the step for a late command.
/// </summary>
internal sealed class ModelServices(Func<Guid, bool> refusesPayment, Func<Guid, bool> refusesConfirmation)
{
    public const long PricePerSeat = 100;

    private readonly Dictionary<Guid, string> _holds = [];
    private readonly Dictionary<Guid, string> _payments = [];
    private readonly Dictionary<(Guid, int), long> _deductions = [];
    private readonly HashSet<Guid> _refunded = [];

    /// <summary>The reservation that has each seat.</summary>
    public Dictionary<int, Guid> Seats { get; } = [];

    public Dictionary<string, long> Balances { get; } = [];

    public bool IsSold(Guid id) => _holds.GetValueOrDefault(id) == "Confirmed";

    public bool IsPaid(Guid id) => _payments.GetValueOrDefault(id) == "Confirmed";

    /// <summary>The points that are deducted for a reservation and not refunded.</summary>
    public long DeductedFor(Guid id) => _refunded.Contains(id) ? 0
        : _deductions.Where(entry => entry.Key.Item1 == id).Sum(entry => entry.Value);

    /// <summary>Handles a command and returns the reply of the service.</summary>
    public object Handle(object command) => command switch
    {
        HoldSeats hold => Hold(hold),
        ConfirmSeats confirm => Confirm(confirm),
        ReleaseSeats release => Release(release),
        DeductPoints deduct => Deduct(deduct),
        RefundPoints refund => Refund(refund),
        ConfirmPayment confirm => Pay(confirm),
        CancelPayment cancel => CancelPaid(cancel),
        _ => throw new InvalidOperationException($"No service handles {command}.")
    };

    private object Hold(HoldSeats hold)
    {
        if (_holds.TryAdd(hold.ReservationId, hold.SeatNumbers.Any(Seats.ContainsKey) ? "Refused" : "Held")
            && _holds[hold.ReservationId] == "Held")
        {
            foreach (var seat in hold.SeatNumbers)
                Seats.Add(seat, hold.ReservationId);
        }
        return _holds[hold.ReservationId] is "Held" or "Confirmed" or "ConfirmRefused"
            ? new SeatsHeld(hold.ReservationId, hold.Attempt, 1, Machine.Start.AddDays(30), hold.SeatNumbers.Length * PricePerSeat)
            : new SeatHoldRejected(hold.ReservationId, hold.Attempt, "SEAT_UNAVAILABLE", hold.SeatNumbers);
    }

    private object Confirm(ConfirmSeats confirm)
    {
        if (_holds.GetValueOrDefault(confirm.ReservationId) == "Held")
            _holds[confirm.ReservationId] = refusesConfirmation(confirm.ReservationId) ? "ConfirmRefused" : "Confirmed";
        return IsSold(confirm.ReservationId) ? new SeatsConfirmed(confirm.ReservationId, confirm.Attempt)
            : new SeatConfirmationRejected(confirm.ReservationId, confirm.Attempt, "SEATS_NOT_HELD");
    }

    private SeatsReleased Release(ReleaseSeats release)
    {
        _holds[release.ReservationId] = "Released";
        foreach (var seat in Seats.Where(seat => seat.Value == release.ReservationId).Select(seat => seat.Key).ToArray())
            Seats.Remove(seat);
        return new SeatsReleased(release.ReservationId, release.Attempt);
    }

    private object Deduct(DeductPoints deduct)
    {
        var key = (deduct.ReservationId, deduct.Attempt);
        if (!_deductions.ContainsKey(key))
        {
            var covered = !_refunded.Contains(deduct.ReservationId) && Balances[deduct.UserId] >= deduct.Amount;
            _deductions.Add(key, covered ? deduct.Amount : 0);
            if (covered)
                Balances[deduct.UserId] -= deduct.Amount;
        }
        return _deductions[key] > 0 ? new PointsDeducted(deduct.ReservationId, deduct.Attempt, Balances[deduct.UserId])
            : new PointDeductionRejected(deduct.ReservationId, deduct.Attempt, "INSUFFICIENT_POINTS");
    }

    private PointsRefunded Refund(RefundPoints refund)
    {
        Balances[refund.UserId] += DeductedFor(refund.ReservationId);
        _refunded.Add(refund.ReservationId);
        return new PointsRefunded(refund.ReservationId, refund.Attempt);
    }

    private object Pay(ConfirmPayment confirm)
    {
        _payments.TryAdd(confirm.ReservationId, refusesPayment(confirm.ReservationId) ? "Refused" : "Confirmed");
        return IsPaid(confirm.ReservationId) ? new PaymentConfirmed(confirm.ReservationId, confirm.Attempt, confirm.ReservationId)
            : new PaymentRejected(confirm.ReservationId, confirm.Attempt, "PAYMENT_REJECTED");
    }

    private PaymentCancelled CancelPaid(CancelPayment cancel)
    {
        _payments[cancel.ReservationId] = "Cancelled";
        return new PaymentCancelled(cancel.ReservationId, cancel.Attempt);
    }
}
