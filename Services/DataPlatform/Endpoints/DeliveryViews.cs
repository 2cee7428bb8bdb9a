using System.Globalization;
using System.Text.Json;
using ConcertSaga.DataPlatform.Data;

namespace ConcertSaga.DataPlatform.Endpoints;

/// <summary>A delivery in a list.</summary>
/// <param name="DeliveryId">The <c>webhook-id</c>.</param>
/// <param name="ReservationId">The reservation.</param>
/// <param name="EventType">What happened.</param>
/// <param name="Sequence">Of one reservation the smaller is sent first.</param>
/// <param name="Status">Where it stands.</param>
/// <param name="Attempts">How often it was sent.</param>
/// <param name="NextAttemptAt">When it is due; null where it is not to be sent.</param>
/// <param name="CreatedAt">When the relay heard of it.</param>
/// <param name="CompletedAt">When it was delivered, given up or discarded.</param>
/// <param name="LastError">Why the last attempt failed.</param>
public sealed record DeliveryView(
    Guid DeliveryId, Guid ReservationId, string EventType, int Sequence, DeliveryStatus Status, int Attempts, DateTimeOffset? NextAttemptAt,
    DateTimeOffset CreatedAt, DateTimeOffset? CompletedAt, string? LastError)
{
    internal static DeliveryView Of(Delivery delivery) => new(
        delivery.DeliveryId, delivery.ReservationId, delivery.EventType, delivery.Sequence, delivery.Status, delivery.Attempts,
        delivery.Status == DeliveryStatus.Pending ? delivery.NextAttemptAt : null, delivery.CreatedAt, delivery.CompletedAt, delivery.LastError);
}

/// <summary>All there is to know of one delivery.</summary>
/// <param name="Delivery">As in the list.</param>
/// <param name="Body">What is sent.</param>
/// <param name="Attempts">The last ones, newest first.</param>
/// <param name="Actions">What operators did to it, newest first.</param>
public sealed record DeliveryDetails(DeliveryView Delivery, JsonElement Body, IReadOnlyList<AttemptView> Attempts, IReadOnlyList<ActionView> Actions);

/// <summary>One attempt.</summary>
/// <param name="Number">From 1.</param>
/// <param name="At">When it began.</param>
/// <param name="StatusCode">The answer; null where there was none.</param>
/// <param name="DurationMilliseconds">How long it took.</param>
/// <param name="Error">What was wrong; null where nothing was.</param>
public sealed record AttemptView(int Number, DateTimeOffset At, int? StatusCode, int DurationMilliseconds, string? Error);

/// <summary>What somebody did.</summary>
/// <param name="Kind"><c>SendAgain</c>, <c>Discard</c>, <c>Pause</c> or <c>Resume</c>.</param>
/// <param name="At">When.</param>
/// <param name="By">Who: a user id, or <c>relay</c>.</param>
/// <param name="Reason">Why.</param>
public sealed record ActionView(string Kind, DateTimeOffset At, string By, string Reason)
{
    internal static ActionView Of(DeliveryAction action) => new(action.Kind, action.At, action.By, action.Reason);
}

/// <summary>Which deliveries are to be sent again.</summary>
/// <param name="Status">Only these; <c>Dead</c> where nothing is said.</param>
/// <param name="EventType">Only of this event.</param>
/// <param name="ReservationId">Only of this reservation.</param>
/// <param name="From">Only those the relay heard of at this instant or later.</param>
/// <param name="To">Only those before this instant.</param>
/// <param name="Reason">Why; not needed to count.</param>
/// <param name="DryRun">Only say how many there are.</param>
public sealed record SendAgainRequest(
    DeliveryStatus? Status, string? EventType, Guid? ReservationId, DateTimeOffset? From, DateTimeOffset? To, string? Reason, bool DryRun = false);

/// <summary>How many there are.</summary>
/// <param name="Matched">Those that fit the filter.</param>
/// <param name="SentAgain">Those that are due again by this request; the oldest first, and at most 1,000. Ask again for the rest.</param>
public sealed record SendAgainResult(int Matched, int SentAgain);

/// <summary>Where a page of deliveries ended: many can be made at the same instant.</summary>
internal readonly record struct DeliveryKey(DateTimeOffset CreatedAt, Guid DeliveryId) : IParsable<DeliveryKey>, IFormattable
{
    public static DeliveryKey Parse(string s, IFormatProvider? provider) => TryParse(s, provider, out var key) ? key : throw new FormatException();

    public static bool TryParse(string? s, IFormatProvider? provider, out DeliveryKey result)
    {
        result = default;
        var parts = (s ?? "").Split(':');
        if (parts.Length != 2 || !long.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out var ticks)
            || ticks > DateTimeOffset.MaxValue.Ticks || !Guid.TryParseExact(parts[1], "D", out var id))
            return false;
        result = new DeliveryKey(new DateTimeOffset(ticks, TimeSpan.Zero), id);
        return true;
    }

    public string ToString(string? format, IFormatProvider? formatProvider) => string.Create(CultureInfo.InvariantCulture, $"{CreatedAt.UtcTicks}:{DeliveryId}");
}
