using ConcertSaga.Contracts.Points;

namespace ConcertSaga.Points.Data;

public enum DeductionStatus
{
    Deducted,
    Refused
}

/// <summary>
/// The decision row of one attempt to deduct the price of a reservation. The cleaner deletes old refusals; deductions stay
/// as long as the reservation.
/// </summary>
public sealed class PointDeduction
{
    public Guid ReservationId { get; private init; }

    public int Attempt { get; private init; }

    public string UserId { get; private init; } = "";

    /// <summary>In points, greater than 0.</summary>
    public long Amount { get; private init; }

    public DeductionStatus Status { get; private init; }

    /// <summary>Why the deduction was refused.</summary>
    public string? Code { get; private init; }

    /// <summary>The balance after the decision.</summary>
    public long BalanceAfter { get; private init; }

    public DateTimeOffset CreatedAt { get; private init; }

    public static PointDeduction Deduct(DeductPoints command, long balanceAfter, DateTimeOffset now) =>
        Decide(command, DeductionStatus.Deducted, null, balanceAfter, now);

    public static PointDeduction Refuse(DeductPoints command, string code, long balance, DateTimeOffset now) =>
        Decide(command, DeductionStatus.Refused, code, balance, now);

    private static PointDeduction Decide(DeductPoints command, DeductionStatus status, string? code, long balanceAfter,
        DateTimeOffset now) => new()
        {
            ReservationId = command.ReservationId,
            Attempt = command.Attempt,
            UserId = command.UserId,
            Amount = command.Amount,
            Status = status,
            Code = code,
            BalanceAfter = balanceAfter,
            CreatedAt = now
        };
}

/// <summary>
/// Records that the points of a reservation were refunded, if any had been deducted. It refuses every later deduction.
/// </summary>
public sealed class PointRefund
{
    public required Guid ReservationId { get; init; }

    public required string UserId { get; init; }

    /// <summary>In points; 0 if nothing had been deducted.</summary>
    public required long Amount { get; init; }

    public required DateTimeOffset CreatedAt { get; init; }
}

/// <summary>Remembers the idempotency key of a charge, so a repeated request does not charge again.</summary>
public sealed class ChargeKey
{
    public required string UserId { get; init; }

    public required Guid IdempotencyKey { get; init; }

    /// <summary>In points; a repeated request must have the same amount.</summary>
    public required long Amount { get; init; }

    public required Guid EntryId { get; init; }

    public required DateTimeOffset CreatedAt { get; init; }
}
