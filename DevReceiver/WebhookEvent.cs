using System.Text.Json;

namespace ConcertSaga.DevReceiver;

/// <summary>The members of a body <c>{type, timestamp, data}</c> that a receiver reads.</summary>
/// <param name="Type">The event type.</param>
/// <param name="ReservationId">The reservation in <c>data</c>; null if there is none.</param>
/// <param name="Sequence">The number among the events of the reservation; 0 if there is none.</param>
/// <param name="ConfirmedAt">When the reservation was confirmed.</param>
internal sealed record WebhookEvent(string Type, Guid? ReservationId, int Sequence, DateTimeOffset? ConfirmedAt)
{
    /// <summary>Parses a body; returns null if it is not a valid event.</summary>
    public static WebhookEvent? Read(ReadOnlyMemory<byte> body)
    {
        try
        {
            using var document = JsonDocument.Parse(body);
            var root = document.RootElement;
            if (root.ValueKind != JsonValueKind.Object || !root.TryGetProperty("type", out var type)
                || type.ValueKind != JsonValueKind.String
                || !root.TryGetProperty("timestamp", out var timestamp) || !timestamp.TryGetDateTimeOffset(out _)
                || !root.TryGetProperty("data", out var data) || data.ValueKind != JsonValueKind.Object)
                return null;
            return new WebhookEvent(
                type.GetString()!,
                data.TryGetProperty("reservationId", out var id) && id.ValueKind == JsonValueKind.String
                    && id.TryGetGuid(out var reservation) ? reservation : null,
                data.TryGetProperty("sequence", out var number) && number.ValueKind == JsonValueKind.Number
                    && number.TryGetInt32(out var sequence) ? sequence : 0,
                data.TryGetProperty("confirmedAt", out var at) && at.ValueKind == JsonValueKind.String
                    && at.TryGetDateTimeOffset(out var confirmed) ? confirmed : null);
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
            return null;
        }
    }
}
