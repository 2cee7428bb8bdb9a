namespace ConcertSaga.Points.Data;

public enum EntryKind
{
    Charge,
    Deduction,
    Refund
}

/// <summary>
/// The balance of one user. It only changes by adding a ledger entry, under the lock of this row.
/// </summary>
public sealed class Account(string userId)
{
    public string UserId { get; private init; } = userId;

    /// <summary>In points; the sum of the entries, never below 0.</summary>
    public long Balance { get; private set; }

    /// <summary>The number of entries. As concurrency token, it also rejects a change made without the lock.</summary>
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

/// <summary>One change of a balance. It is never updated.</summary>
public sealed class LedgerEntry
{
    public required Guid EntryId { get; init; }

    public required string UserId { get; init; }

    /// <summary>
    /// The number among the user's entries, from 1 without gaps. Instants cannot order them: they can be equal, or differ between replicas.
    /// </summary>
    public required long Sequence { get; init; }

    public required EntryKind Kind { get; init; }

    /// <summary>In points; negative for a deduction.</summary>
    public required long Amount { get; init; }

    public required long BalanceAfter { get; init; }

    /// <summary>The reservation that was paid or refunded; null on a charge.</summary>
    public Guid? ReservationId { get; init; }

    public required DateTimeOffset At { get; init; }
}
