using ConcertSaga.Contracts.Points;

namespace ConcertSaga.Points.Data;

public enum DeductionStatus
{
    Deducted,
    Refused
}

/// <summary>What was decided about one attempt to take the price of a reservation; kept for good.</summary>
public sealed class PointDeduction
{
    public Guid ReservationId { get; private init; }

    public int Attempt { get; private init; }

    public string UserId { get; private init; } = "";

    /// <summary>In points, greater than 0.</summary>
    public long Amount { get; private init; }

    public DeductionStatus Status { get; private init; }

    /// <summary>Why it was refused.</summary>
    public string? Code { get; private init; }

    /// <summary>What the user had afterwards.</summary>
    public long BalanceAfter { get; private init; }

    public DateTimeOffset CreatedAt { get; private init; }

    public static PointDeduction Deduct(DeductPoints command, long balanceAfter, DateTimeOffset now) =>
        Decide(command, DeductionStatus.Deducted, null, balanceAfter, now);

    public static PointDeduction Refuse(DeductPoints command, string code, long balance, DateTimeOffset now) =>
        Decide(command, DeductionStatus.Refused, code, balance, now);

    private static PointDeduction Decide(DeductPoints command, DeductionStatus status, string? code, long balanceAfter, DateTimeOffset now) => new()
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

/// <summary>The points of a reservation were given back, if any had been taken. Closes the step: nothing is taken for it any more.</summary>
public sealed class PointRefund
{
    public required Guid ReservationId { get; init; }

    public required string UserId { get; init; }

    /// <summary>In points; 0 where nothing had been taken.</summary>
    public required long Amount { get; init; }

    public required DateTimeOffset CreatedAt { get; init; }
}

/// <summary>Remembers a charge by the key its request carried, so that a repeat does not charge again.</summary>
public sealed class ChargeKey
{
    public required string UserId { get; init; }

    public required Guid IdempotencyKey { get; init; }

    /// <summary>In points; a repeat must ask for the same.</summary>
    public required long Amount { get; init; }

    public required Guid EntryId { get; init; }

    public required DateTimeOffset CreatedAt { get; init; }
}
