using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using ConcertSaga.Contracts.Reservations;

namespace ConcertSaga.DataPlatform.Domain;

/// <summary>
/// Something the platform is told of. Everything in it follows from the reservation and the event, its id too: whoever learns of the event
/// first, from a message or from the orchestrator's list, makes the same id, even after the row was deleted.
/// </summary>
/// <param name="DeliveryId">The <c>webhook-id</c>.</param>
/// <param name="ReservationId">The reservation.</param>
/// <param name="EventType">What happened.</param>
/// <param name="Sequence">The platform hears of the smaller number of a reservation first.</param>
/// <param name="Body">The request's body, to the letter: it is signed.</param>
internal sealed record PlatformEvent(Guid DeliveryId, Guid ReservationId, string EventType, int Sequence, string Body)
{
    public const string ConfirmedType = "reservation.confirmed", CancelledType = "reservation.cancelled";

    private const int SchemaVersion = 1;

    public static PlatformEvent Confirmed(ReservationConfirmed message) => Make(
        ConfirmedType, 1, message.ConfirmedAt,
        new ReservationData(message.ReservationId, message.UserId, message.ConcertId, message.ScheduleId, message.SeatNumbers, message.Amount, message.ConfirmedAt, null));

    /// <summary>The cancellation, and the confirmation before it.</summary>
    public static PlatformEvent[] Cancelled(ReservationCancelled message, int concertId, DateTimeOffset confirmedAt, DateTimeOffset cancelledAt) => Both(
        new ReservationData(message.ReservationId, message.UserId, concertId, message.ScheduleId, message.SeatNumbers, message.Amount, confirmedAt, cancelledAt), cancelledAt);

    /// <summary>All there is to tell of a reservation in the orchestrator's list.</summary>
    public static PlatformEvent[] Of(ReservationOutcome outcome)
    {
        var confirmed = new ReservationData(
            outcome.ReservationId, outcome.UserId, outcome.ConcertId, outcome.ScheduleId, outcome.SeatNumbers, outcome.TotalPrice, outcome.ConfirmedAt, null);
        return outcome.Sequence == 1
            ? [Make(ConfirmedType, 1, confirmed.ConfirmedAt, confirmed)]
            : Both(confirmed with { CancelledAt = outcome.CancelledAt ?? outcome.UpdatedAt }, outcome.CancelledAt ?? outcome.UpdatedAt);
    }

    private static PlatformEvent[] Both(ReservationData data, DateTimeOffset cancelledAt) =>
    [
        Make(ConfirmedType, 1, data.ConfirmedAt, data with { CancelledAt = null }),
        Make(CancelledType, 2, cancelledAt, data)
    ];

    private static PlatformEvent Make(string type, int sequence, DateTimeOffset at, ReservationData data)
    {
        var id = IdOf(data.ReservationId, type);
        var body = JsonSerializer.Serialize(new Envelope(type, at, data with { Sequence = sequence, SchemaVersion = SchemaVersion }), JsonSerializerOptions.Web);
        return new PlatformEvent(id, data.ReservationId, type, sequence, body);
    }

    // The time of the reservation's id in front, so that the keys still grow, and behind it a digest of both, so that the ids never meet.
    private static Guid IdOf(Guid reservationId, string type)
    {
        Span<byte> input = stackalloc byte[16 + Encoding.UTF8.GetMaxByteCount(type.Length)];
        reservationId.TryWriteBytes(input, bigEndian: true, out _);
        var length = 16 + Encoding.UTF8.GetBytes(type, input[16..]);
        Span<byte> digest = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(input[..length], digest);
        var id = digest[..16];
        input[..6].CopyTo(id);
        // Version 8, "made by the application", and the variant of all such ids.
        BinaryPrimitives.WriteUInt16BigEndian(id[6..], (ushort)((BinaryPrimitives.ReadUInt16BigEndian(id[6..]) & 0x0FFF) | 0x8000));
        id[8] = (byte)((id[8] & 0x3F) | 0x80);
        return new Guid(id, bigEndian: true);
    }

    private sealed record Envelope(string Type, DateTimeOffset Timestamp, ReservationData Data);

    private sealed record ReservationData(
        Guid ReservationId, string UserId, int ConcertId, int ScheduleId, int[] SeatNumbers, long Amount, DateTimeOffset ConfirmedAt,
        [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] DateTimeOffset? CancelledAt)
    {
        [JsonPropertyOrder(-2)]
        public int SchemaVersion { get; init; }

        [JsonPropertyOrder(-1)]
        public int Sequence { get; init; }
    }
}
