using ConcertSaga.Contracts.Reservations;
using ConcertSaga.Orchestrator.Reservations;
using ConcertSaga.Payments.Data;
using ConcertSaga.Seats.Data;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Simulation.Tests;

/// <summary>Compares the books of all services after a story.</summary>
internal static class Audit
{
    public static void Run(World world, Story story)
    {
        var rows = story.Rows();
        foreach (var row in rows)
            CheckOutcome(row, story);
        CheckSeats(world, story, rows);
        CheckPoints(world, story, rows);
        CheckPayments(world, rows);
        foreach (var (_, reservations) in story.Booked)
            Story.Check(reservations.Count == 1, "one idempotency key has two reservations");
    }

    private static bool IsConfirmed(Reservation row) => row.CurrentState == ReservationStates.Confirmed;

    private static void CheckOutcome(Reservation row, Story story)
    {
        Story.Check(row is { Deadline: null, UnpaidUserId: null } && row.Outcome == row.CurrentState, $"{Name(row)} has no outcome");
        // A rejection by admission is only a row.
        if (row.BlockedBy is not null)
            return;
        var outcomes = story.Outcomes.Where(outcome => (Guid)((dynamic)outcome).ReservationId == row.CorrelationId)
            .Select(outcome => outcome.GetType().Name).ToArray();
        string[] expected = row.ConfirmedAt is not null && !IsConfirmed(row)
            ? [nameof(ReservationConfirmed), nameof(ReservationCancelled)] : ["Reservation" + row.CurrentState];
        Story.Check(outcomes.SequenceEqual(expected), $"{Name(row)} has the outcomes {string.Join(", ", outcomes)}");
    }

    private static void CheckSeats(World world, Story story, List<Reservation> rows)
    {
        using var database = world.Seats();
        var seats = database.Seats.AsNoTracking().Where(seat => seat.ScheduleId == story.ScheduleId).ToList();
        foreach (var seat in seats.Where(seat => seat.ReservationId is not null))
            Story.Check(rows.Exists(row => row.CorrelationId == seat.ReservationId && IsConfirmed(row)
                && row.SeatNumbers.Contains(seat.Number))
                && seat.Status == SeatStatus.Sold, $"seat {seat.Number} is {seat.Status} for {seat.ReservationId}, which is not confirmed");
        foreach (var row in rows.Where(IsConfirmed))
            Story.Check(row.SeatNumbers.All(number =>
                seats.Exists(seat => seat.Number == number && seat.ReservationId == row.CorrelationId)),
                $"{Name(row)} lacks its seats");
        var available = database.Schedules.Where(schedule => schedule.ScheduleId == story.ScheduleId)
            .Select(schedule => schedule.AvailableSeats).Single();
        Story.Check(available == seats.Count(seat => seat.Status == SeatStatus.Available), $"{available} seats are counted as available");
    }

    private static void CheckPoints(World world, Story story, List<Reservation> rows)
    {
        using var database = world.Points();
        var entries = database.LedgerEntries.AsNoTracking().Where(entry => story.Users.Contains(entry.UserId)).ToList();
        foreach (var account in database.Accounts.AsNoTracking().Where(account => story.Users.Contains(account.UserId)))
        {
            var sum = entries.Where(entry => entry.UserId == account.UserId).Sum(entry => entry.Amount);
            Story.Check(account.Balance == sum && sum >= 0, $"{account.UserId} has {account.Balance}, the ledger {sum}");
        }
        foreach (var row in rows)
        {
            var paid = -entries.Where(entry => entry.ReservationId == row.CorrelationId).Sum(entry => entry.Amount);
            Story.Check(paid == (IsConfirmed(row) ? row.TotalPrice : 0), $"{Name(row)} costs {paid} of {row.TotalPrice}");
        }
    }

    private static void CheckPayments(World world, List<Reservation> rows)
    {
        using var database = world.Payments();
        var ids = rows.ConvertAll(row => row.CorrelationId);
        var payments = database.Payments.AsNoTracking().Where(payment => ids.Contains(payment.ReservationId)).ToList();
        foreach (var row in rows)
            Story.Check(IsConfirmed(row) == payments.Exists(payment => payment.ReservationId == row.CorrelationId
                && payment.Status == PaymentStatus.Confirmed), $"{Name(row)} does not match its payment");
    }

    private static string Name(Reservation row) => $"{row.CurrentState} reservation {row.CorrelationId.ToString()[^4..]}";
}
