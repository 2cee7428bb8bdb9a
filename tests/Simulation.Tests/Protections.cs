using System.Text.RegularExpressions;
using ConcertSaga.Contracts.Points;
using ConcertSaga.Orchestrator.Reservations;
using ConcertSaga.Payments.Data;
using ConcertSaga.Points.Data;
using ConcertSaga.Seats.Data;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.ChangeTracking;

namespace ConcertSaga.Simulation.Tests;

/// <summary>A protection of the product that the simulation can take away, to show that it would notice.</summary>
public enum Protection
{
    /// <summary>All of them are in place.</summary>
    None,

    /// <summary>A reservation remembers the idempotency key of its request.</summary>
    IdempotencyKey,

    /// <summary>A step remembers its decision, so a repeat gets the first reply again.</summary>
    DecisionRow,

    /// <summary>A compensation without its step refuses the step for ever.</summary>
    Tombstone,

    /// <summary>Of two changes of a reservation from the same version, one fails.</summary>
    VersionCheck,

    /// <summary>A reply about an earlier attempt to pay is ignored.</summary>
    AttemptNumber,

    /// <summary>Of the replicas that find an admission due, only one admits.</summary>
    DueAdmission
}

/// <summary>Takes protections away from what the product saves.</summary>
internal static partial class Protections
{
    public static void Remove(Protection removed, ChangeTracker changes)
    {
        switch (removed)
        {
            case Protection.IdempotencyKey:
                foreach (var entry in changes.Entries<Reservation>().Where(entry => entry.State == EntityState.Added))
                    entry.Entity.IdempotencyKey = null;
                break;
            case Protection.DecisionRow:
                Forget<PointDeduction>(changes, _ => true);
                break;
            case Protection.Tombstone:
                Forget<SeatHold>(changes, hold => hold.ScheduleId is null);
                Forget<Payment>(changes, payment => payment.UserId.Length == 0);
                Forget<PointRefund>(changes, refund => refund.Amount == 0);
                break;
            case Protection.VersionCheck:
                foreach (var entry in changes.Entries<Reservation>().Where(entry => entry.State == EntityState.Modified))
                {
                    // Stays, so that every later writer finds the version it has read.
                    entry.Property(row => row.Version).CurrentValue = entry.Property(row => row.Version).OriginalValue;
                    entry.Entity.Transitions.Clear();
                }
                Forget<ReservationTransition>(changes, _ => true);
                break;
            default:
                break;
        }
    }

    /// <summary>Takes protections away from a message to the saga.</summary>
    public static object Remove(Protection removed, object message, Reservation row) => (removed, message) switch
    {
        (Protection.AttemptNumber, PointsDeducted deducted) => deducted with { Attempt = row.PaymentAttempt },
        (Protection.AttemptNumber, PointDeductionRejected rejected) => rejected with { Attempt = row.PaymentAttempt },
        _ => message
    };

    /// <summary>Takes protections away from a statement.</summary>
    public static string Remove(Protection removed, string statement) => removed == Protection.DueAdmission
        ? AdmissionIsDue().Replace(statement, "${now} IS NOT NULL") : statement;

    // The condition of the update, which stands after that on the concert; not that of the query before.
    [GeneratedRegex("(?<=^UPDATE .*AND )\"\\w+\"\\.\"NextTickAt\" <= (?<now>@\\w+)", RegexOptions.Singleline)]
    private static partial Regex AdmissionIsDue();

    private static void Forget<T>(ChangeTracker changes, Func<T, bool> which)
        where T : class
    {
        foreach (var entry in changes.Entries<T>().Where(entry => entry.State == EntityState.Added && which(entry.Entity)).ToList())
            entry.State = EntityState.Detached;
    }
}
