using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using ConcertSaga.Orchestrator.Reservations;
using ConcertSaga.Shared.Hosting.Tokens;

namespace ConcertSaga.Orchestrator.Tickets;

/// <summary>The code of a ticket: a compact JWS signed by ES256, about 250 characters, so that it fits into a small QR code.</summary>
public static class TicketCode
{
    /// <summary><c>typ</c> of a code.</summary>
    public const string Type = "ticket";

    /// <summary>Writes the code of a confirmed reservation.</summary>
    public static string Write(Reservation row, DateTimeOffset startsAt, TicketSigningKey key) => CompactJws.Write(
        header =>
        {
            header.WriteString("alg", "ES256");
            header.WriteString("typ", Type);
            header.WriteString("kid", key.Kid);
        },
        claims =>
        {
            claims.WriteString("jti", IdOf(row.CorrelationId));
            claims.WriteString("sub", HolderOf(row, key));
            claims.WriteNumber("schedule", row.ScheduleId);
            claims.WriteNumber("start", startsAt.ToUnixTimeSeconds());
            claims.WriteStartArray("seats");
            foreach (var number in row.SeatNumbers)
                claims.WriteNumberValue(number);
            claims.WriteEndArray();
        },
        data => CompactJws.SignEs256(key.PrivateKey, data));

    /// <summary>The short form of a reservation's id, in codes and in the list of revoked tickets.</summary>
    public static string IdOf(Guid reservationId) => Base64Url.EncodeToString(reservationId.ToByteArray(bigEndian: true));

    /// <summary>The reservation of a short form; null if it is malformed.</summary>
    public static Guid? ReservationOf(string id) =>
        Base64Url.IsValid(id, out var length) && length == 16 ? new Guid(Base64Url.DecodeFromChars(id), bigEndian: true) : null;

    /// <summary>
    /// A pseudonym such as <c>A3F0-91BC</c>, the same for all tickets of a customer and a schedule. It cannot be computed from a user
    /// id without the key.
    /// </summary>
    public static string HolderOf(Reservation row, TicketSigningKey key)
    {
        var hash = Convert.ToHexString(HMACSHA256.HashData(key.PrivateKey, Encoding.UTF8.GetBytes($"{row.ScheduleId}|{row.UserId}")));
        return $"{hash[..4]}-{hash[4..8]}";
    }
}
