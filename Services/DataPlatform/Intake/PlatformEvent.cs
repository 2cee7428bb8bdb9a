using System.Text.Json;
using System.Text.Json.Serialization;
using ConcertSaga.Contracts.Reservations;
using ConcertSaga.DataPlatform.Data;
using ConcertSaga.Shared.Hosting.Databases;

namespace ConcertSaga.DataPlatform.Intake;

/// <summary>
/// An event for the platform. All its members, including the id, derive from the reservation and the event type. Messages and
/// reconciliation therefore produce the same id, even after the row was deleted.
/// </summary>
/// <param name="DeliveryId">The <c>webhook-id</c>.</param>
/// <param name="ReservationId">The reservation.</param>
/// <param name="EventType">The event type.</param>
/// <param name="Sequence">The position among the events of the reservation; the relay delivers smaller ones first.</param>
/// <param name="Body">The exact request body, which is signed.</param>
internal sealed record PlatformEvent(Guid DeliveryId, Guid ReservationId, string EventType, int Sequence, string Body)
{
    public const string ConfirmedType = "reservation.confirmed", CancelledType = "reservation.cancelled";

    /// <summary>All event types.</summary>
    public static readonly string[] Types = [ConfirmedType, CancelledType];

    private const int SchemaVersion = 1;

    public Delivery ToDelivery(string? traceParent) => new()
    {
        DeliveryId = DeliveryId,
        ReservationId = ReservationId,
        EventType = EventType,
        Sequence = Sequence,
        Payload = Body,
        TraceParent = traceParent
    };

    public static PlatformEvent Confirmed(ReservationConfirmed message) => Create(
        ConfirmedType, 1, message.ConfirmedAt,
        new ReservationData(message.ReservationId, message.UserId, message.ConcertId, message.ScheduleId, message.SeatNumbers,
            message.Amount, message.ConfirmedAt, null));

    /// <summary>Creates the cancellation and the confirmation before it.</summary>
    public static PlatformEvent[] Cancelled(ReservationCancelled message, int concertId, DateTimeOffset confirmedAt,
        DateTimeOffset cancelledAt) => Both(
        new ReservationData(message.ReservationId, message.UserId, concertId, message.ScheduleId, message.SeatNumbers, message.Amount,
            confirmedAt, cancelledAt), cancelledAt);

    /// <summary>Creates all events of a reservation in the orchestrator's list.</summary>
    public static PlatformEvent[] Of(ReservationOutcome outcome)
    {
        var confirmed = new ReservationData(
            outcome.ReservationId, outcome.UserId, outcome.ConcertId, outcome.ScheduleId, outcome.SeatNumbers, outcome.TotalPrice,
            outcome.ConfirmedAt, null);
        if (outcome.Sequence == 1)
            return [Create(ConfirmedType, 1, confirmed.ConfirmedAt, confirmed)];
        var cancelledAt = outcome.CancelledAt ?? outcome.UpdatedAt;
        return Both(confirmed with { CancelledAt = cancelledAt }, cancelledAt);
    }

    private static PlatformEvent[] Both(ReservationData data, DateTimeOffset cancelledAt) =>
    [
        Create(ConfirmedType, 1, data.ConfirmedAt, data with { CancelledAt = null }),
        Create(CancelledType, 2, cancelledAt, data)
    ];

    private static PlatformEvent Create(string type, int sequence, DateTimeOffset at, ReservationData data)
    {
        var id = DerivedId.Of(data.ReservationId, type);
        var body = JsonSerializer.Serialize(new Envelope(type, at, data with { Sequence = sequence, SchemaVersion = SchemaVersion }),
            JsonSerializerOptions.Web);
        return new PlatformEvent(id, data.ReservationId, type, sequence, body);
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
