using ConcertSaga.Contracts.Facts;
using ConcertSaga.Operations.Data;
using ConcertSaga.Operations.Owners;

namespace ConcertSaga.Operations.Facts;

/// <summary>A disagreement between an owner and the saga.</summary>
/// <param name="Owner">The owner whose rows disagree.</param>
/// <param name="Invariant">The broken invariant; null if no check covers it.</param>
/// <param name="Detail">What disagrees.</param>
public sealed record Disagreement(Owner Owner, InvariantKind? Invariant, string Detail);

/// <summary>
/// The rules by which the rows of all owners agree on one reservation. A step in progress breaks none: a rule about an owner applies only
/// in the states that follow its reply.
/// </summary>
internal static class Disagreements
{
    private const string ConfirmedType = "reservation.confirmed", CancelledType = "reservation.cancelled";

    // Longer than the sweeper and the relay's reconciliation need by default.
    private static readonly TimeSpan MaxOverdue = TimeSpan.FromMinutes(1), MaxUnannounced = TimeSpan.FromMinutes(3);

    // The clocks of two services may differ.
    private static readonly TimeSpan ClockMargin = TimeSpan.FromMinutes(1);

    private static readonly string[] Unsold = ["Rejected", "Expired", "Cancelled", "Failed"];

    /// <summary>Finds the disagreements among the owners that the sheet has read.</summary>
    public static IEnumerable<Disagreement> Of(FactSheet sheet, DateTimeOffset now)
    {
        var found = DeadlineOf(sheet, now);
        if (sheet.HasRead(Owner.Seats))
            found = found.Concat(SeatsOf(sheet)).Concat(HoldOf(sheet));
        if (sheet.HasRead(Owner.Points))
            found = found.Concat(PointsOf(sheet));
        if (sheet.HasRead(Owner.Payments))
            found = found.Concat(PaymentOf(sheet));
        if (sheet.HasRead(Owner.DataPlatform))
            found = found.Concat(DeliveriesOf(sheet, now));
        if (sheet.HasRead(Owner.Queue))
            found = found.Concat(EntryOf(sheet, now));
        return found;
    }

    private static IEnumerable<Disagreement> DeadlineOf(FactSheet sheet, DateTimeOffset now)
    {
        if (sheet.Reservation is { Deadline: { } deadline, State: var state } && deadline < now - MaxOverdue)
            yield return new Disagreement(Owner.Orchestrator, InvariantKind.DeadlinesKept,
                $"The reservation is {state}, and its deadline passed at {deadline:u}.");
    }

    // Each seat of a live hold belongs to it, so no two live holds have the same seat.
    private static IEnumerable<Disagreement> SeatsOf(FactSheet sheet)
    {
        var (hold, reservation) = (sheet.Seats, sheet.Reservation);
        if (hold is not null)
        {
            var expected = hold.Status switch { "Held" => "Held", "Confirmed" => "Sold", _ => null };
            foreach (var number in hold.SeatNumbers)
            {
                var seat = hold.Seats.FirstOrDefault(row => row.Number == number);
                var isItsOwn = seat?.ReservationId == sheet.ReservationId;
                if (expected is null ? isItsOwn : !isItsOwn || seat!.Status != expected)
                    yield return Seats($"The hold is {hold.Status}, and seat {number} of schedule {hold.ScheduleId} is {Describe(seat)}.");
            }
        }
        if (reservation?.State is "Confirmed" && hold is not { Status: "Confirmed" })
            yield return Seats($"The reservation is Confirmed, and its hold is {hold?.Status ?? "missing"}.");
        if (reservation?.State is "AwaitingPayment" or "DeductingPoints" or "ConfirmingPayment" && hold is not { Status: "Held" })
            yield return Seats($"The reservation is {reservation.State}, and its hold is {hold?.Status ?? "missing"}.");
        if (reservation is not null && IsLive(hold)
            && (hold!.ScheduleId != reservation.ScheduleId || !hold.SeatNumbers.SequenceEqual(reservation.SeatNumbers)))
            yield return Seats($"The reservation has seats {Join(reservation.SeatNumbers)} of schedule {reservation.ScheduleId}, and its "
                + $"hold has {Join(hold.SeatNumbers)} of schedule {hold.ScheduleId}.");

        static Disagreement Seats(string detail) => new(Owner.Seats, InvariantKind.SeatsSoldOnce, detail);
    }

    private static IEnumerable<Disagreement> HoldOf(FactSheet sheet)
    {
        if (IsLive(sheet.Seats) && !IsBeingDeleted(sheet, sheet.Seats!.UpdatedAt)
            && (sheet.Reservation is null || Unsold.Contains(sheet.Reservation.State)))
            yield return new Disagreement(Owner.Seats, InvariantKind.HoldsHaveReservations,
                $"Seats {Join(sheet.Seats!.SeatNumbers)} of schedule {sheet.Seats.ScheduleId} are {sheet.Seats.Status}, and "
                    + $"{StateOf(sheet)}.");
    }

    private static IEnumerable<Disagreement> PointsOf(FactSheet sheet)
    {
        var taken = -Sum(sheet.Points, "Deduction");
        var returned = Sum(sheet.Points, "Refund");
        var decided = sheet.Points?.Deductions.Where(row => row.Status == "Deducted").Sum(row => row.Amount) ?? 0;
        var refunded = sheet.Points?.Refunded ?? 0;
        if (decided != taken || refunded != returned)
            yield return Points($"Points decided to deduct {decided} and to refund {refunded}, and the ledger has {taken} and {returned}.");
        var isWrong = sheet.Reservation?.State switch
        {
            "Confirmed" or "ConfirmingPayment" or "ConfirmingSeats" => taken != sheet.Reservation.TotalPrice || returned != 0,
            null => taken != returned && !IsBeingDeleted(sheet, sheet.Points!.Entries.Max(entry => entry.At)),
            var state => Unsold.Contains(state) && taken != returned
        };
        if (isWrong)
            yield return Points($"{taken} points were deducted and {returned} refunded, and {StateOf(sheet)}.");

        static Disagreement Points(string detail) => new(Owner.Points, InvariantKind.DebitsMatchOutcomes, detail);
    }

    private static IEnumerable<Disagreement> PaymentOf(FactSheet sheet)
    {
        var paid = sheet.Payment is { Status: "Confirmed" } payment ? payment.Amount : (long?)null;
        var isWrong = sheet.Reservation?.State switch
        {
            "Confirmed" or "ConfirmingSeats" => paid != sheet.Reservation.TotalPrice,
            null => paid is not null && !IsBeingDeleted(sheet, sheet.Payment!.UpdatedAt),
            var state => Unsold.Contains(state) && paid is not null
        };
        if (isWrong)
            yield return new Disagreement(Owner.Payments, InvariantKind.DebitsMatchOutcomes,
                $"The payment is {(paid is null ? sheet.Payment?.Status ?? "missing" : $"Confirmed with {paid} points")}, and "
                    + $"{StateOf(sheet)}.");
    }

    private static IEnumerable<Disagreement> DeliveriesOf(FactSheet sheet, DateTimeOffset now)
    {
        if (sheet.Reservation is not { } reservation)
            yield break;
        foreach (var delivery in sheet.Deliveries.Where(delivery => delivery.Status == "Dead"))
            yield return Deliveries($"{delivery.EventType} was given up after {delivery.Attempts} attempts.");
        foreach (var (type, at) in EventsOf(reservation))
        {
            if (at >= sheet.DeliveriesKeptSince && at < now - MaxUnannounced
                && sheet.Deliveries.All(delivery => delivery.EventType != type))
                yield return Deliveries($"The reservation is {reservation.State}, and there is no delivery of {type}.");
        }
        if (reservation.ConfirmedAt is null && sheet.Deliveries.Count > 0)
            yield return Deliveries($"The reservation was never confirmed, and there is a delivery of {sheet.Deliveries[0].EventType}.");

        static Disagreement Deliveries(string detail) => new(Owner.DataPlatform, InvariantKind.OutcomesDelivered, detail);
    }

    private static IEnumerable<Disagreement> EntryOf(FactSheet sheet, DateTimeOffset now)
    {
        if (sheet.Reservation?.ConfirmedAt < now - MaxUnannounced && sheet.Queue is { Status: not ("Completed" or "Left") } entry)
            yield return new Disagreement(Owner.Queue, null, $"The reservation was paid, and its pass is {entry.Status}.");
    }

    private static IEnumerable<(string Type, DateTimeOffset At)> EventsOf(ReservationFact reservation)
    {
        if (reservation.ConfirmedAt is { } confirmedAt)
            yield return (ConfirmedType, confirmedAt);
        if (reservation is { ConfirmedAt: not null, State: "Cancelled" })
            yield return (CancelledType, reservation.UpdatedAt);
    }

    // The retention deletes a reservation first. The other owners follow when they receive its message.
    private static bool IsBeingDeleted(FactSheet sheet, DateTimeOffset changedAt) =>
        sheet.Reservation is null && changedAt < sheet.ReservationsKeptSince + ClockMargin;

    private static bool IsLive(SeatFact? hold) => hold is { Status: "Held" or "Confirmed" };

    private static long Sum(PointFact? points, string kind) =>
        points?.Entries.Where(entry => entry.Kind == kind).Sum(entry => entry.Amount) ?? 0;

    private static string StateOf(FactSheet sheet) => sheet.Reservation is { } reservation
        ? $"the reservation of {reservation.TotalPrice ?? 0} points is {reservation.State}" : "the orchestrator has no such reservation";

    private static string Describe(SeatRowFact? seat) => seat is null ? "missing"
        : seat.ReservationId is { } owner ? $"{seat.Status} for {owner}" : seat.Status;

    private static string Join(int[] numbers) => string.Join(", ", numbers);
}
