using System.Buffers.Binary;

namespace ConcertSaga.Contracts;

/// <summary>
/// Reads the time of the request from a reservation's id, which is a UUID of version 7. Services delete old refusals; by this time they
/// still refuse a late copy of such a command.
/// </summary>
public static class ReservationIds
{
    /// <summary>
    /// Whether a command without a decision row must be a late copy, because its reservation is older than half the retention. The other
    /// half allows for clock differences, and for decisions made long after the request.
    /// </summary>
    /// <param name="reservationId">The reservation's id.</param>
    /// <param name="now">The current time.</param>
    /// <param name="retention">How long the service keeps refused commands.</param>
    public static bool IsOutdated(Guid reservationId, DateTimeOffset now, TimeSpan retention) =>
        RequestedAt(reservationId) < now - (retention / 2);

    /// <summary>Returns when the reservation was requested; null if its id does not contain the time.</summary>
    public static DateTimeOffset? RequestedAt(Guid reservationId)
    {
        if (reservationId.Version != 7)
            return null;
        Span<byte> bytes = stackalloc byte[16];
        reservationId.TryWriteBytes(bytes, bigEndian: true, out _);
        var milliseconds = BinaryPrimitives.ReadInt64BigEndian(bytes) >>> 16;
        return milliseconds <= DateTimeOffset.MaxValue.ToUnixTimeMilliseconds()
            ? DateTimeOffset.FromUnixTimeMilliseconds(milliseconds) : null;
    }
}
