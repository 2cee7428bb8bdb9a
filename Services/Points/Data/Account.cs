namespace ConcertSaga.Points.Data;

public enum EntryKind
{
    Charge,
    Deduction,
    Refund
}

/// <summary>
/// What a user has. The only way to change <see cref="Balance"/> is to add an entry, and whoever adds one holds the lock of this row.
/// </summary>
public sealed class Account(string userId)
{
    public string UserId { get; private init; } = userId;

    /// <summary>In points, never below 0; the sum of the entries' amounts.</summary>
    public long Balance { get; private set; }

    /// <summary>How many entries there are; also refuses a change that was made without the lock.</summary>
    public long EntryCount { get; private set; }

    public LedgerEntry Add(EntryKind kind, long amount, Guid? reservationId, DateTimeOffset now)
    {
        Balance += amount;
        EntryCount++;
        return new LedgerEntry
        {
            EntryId = Guid.CreateVersion7(now),
            UserId = UserId,
            Sequence = EntryCount,
            Kind = kind,
            Amount = amount,
            BalanceAfter = Balance,
            ReservationId = reservationId,
            At = now
        };
    }
}

/// <summary>One change of a balance; written once and never changed.</summary>
public sealed class LedgerEntry
{
    public required Guid EntryId { get; init; }

    public required string UserId { get; init; }

    /// <summary>The place among the user's entries, from 1 without gaps; instants can be equal or, between replicas, out of order.</summary>
    public required long Sequence { get; init; }

    public required EntryKind Kind { get; init; }

    /// <summary>In points; negative where they were taken.</summary>
    public required long Amount { get; init; }

    public required long BalanceAfter { get; init; }

    /// <summary>What was paid for or given back; null on a charge.</summary>
    public Guid? ReservationId { get; init; }

    public required DateTimeOffset At { get; init; }
}
