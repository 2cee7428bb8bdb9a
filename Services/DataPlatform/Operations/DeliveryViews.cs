using System.Text.Json;
using ConcertSaga.DataPlatform.Data;
using ConcertSaga.DataPlatform.Intake;
using ConcertSaga.Shared.Hosting.Http;
using ConcertSaga.Shared.Hosting.Operators;

namespace ConcertSaga.DataPlatform.Operations;

/// <summary>A delivery in a list.</summary>
/// <param name="DeliveryId">The <c>webhook-id</c>.</param>
/// <param name="ReservationId">The reservation.</param>
/// <param name="EventType">The event type.</param>
/// <param name="Sequence">The position in the reservation's events; smaller ones are sent first.</param>
/// <param name="Status">The status.</param>
/// <param name="Attempts">The number of attempts.</param>
/// <param name="NextAttemptAt">When it is due; null if it is not pending.</param>
/// <param name="CreatedAt">When the relay created the delivery.</param>
/// <param name="CompletedAt">When it was delivered, given up or discarded.</param>
/// <param name="LastError">Why the last attempt failed.</param>
public sealed record DeliveryView(
    Guid DeliveryId, Guid ReservationId, string EventType, int Sequence, DeliveryStatus Status, int Attempts, DateTimeOffset? NextAttemptAt,
    DateTimeOffset CreatedAt, DateTimeOffset? CompletedAt, string? LastError)
{
    internal static DeliveryView Of(Delivery delivery) => new(
        delivery.DeliveryId, delivery.ReservationId, delivery.EventType, delivery.Sequence, delivery.Status, delivery.Attempts,
        delivery.Status == DeliveryStatus.Pending ? delivery.NextAttemptAt : null, delivery.CreatedAt, delivery.CompletedAt,
        delivery.LastError);
}

/// <summary>One delivery with its history.</summary>
/// <param name="Delivery">The delivery as in the list.</param>
/// <param name="Body">The request body.</param>
/// <param name="Attempts">The most recent attempts, newest first.</param>
/// <param name="Actions">The actions of operators on it, newest first.</param>
public sealed record DeliveryDetails(DeliveryView Delivery, JsonElement Body, IReadOnlyList<AttemptView> Attempts,
    IReadOnlyList<ActionView> Actions);

/// <summary>One attempt.</summary>
/// <param name="Number">The number of the attempt, from 1.</param>
/// <param name="At">When it began.</param>
/// <param name="StatusCode">The status of the answer; null without an answer.</param>
/// <param name="DurationMilliseconds">How long it took.</param>
/// <param name="Error">Why it failed; null if it succeeded.</param>
public sealed record AttemptView(int Number, DateTimeOffset At, int? StatusCode, int DurationMilliseconds, string? Error);

/// <summary>One action on a delivery or on the destination.</summary>
/// <param name="Kind"><c>SendAgain</c>, <c>Discard</c>, <c>Pause</c> or <c>Resume</c>.</param>
/// <param name="At">When it happened.</param>
/// <param name="By">The user id of the operator, or <c>relay</c>.</param>
/// <param name="Reason">The reason given.</param>
public sealed record ActionView(string Kind, DateTimeOffset At, string By, string Reason)
{
    internal static ActionView Of(OperatorAction action) => new(action.Action, action.At, action.Operator, action.Reason);
}

/// <summary>Selects the deliveries to redrive.</summary>
/// <param name="Status">Only deliveries with this status. Default <c>Dead</c>.</param>
/// <param name="EventType">Only deliveries of this event type.</param>
/// <param name="ReservationId">Only deliveries of this reservation.</param>
/// <param name="From">Only deliveries created at this instant or later.</param>
/// <param name="To">Only deliveries created before this instant.</param>
public sealed record DeliveryFilter(
    DeliveryStatus? Status = null, string? EventType = null, Guid? ReservationId = null, IsoInstant? From = null, IsoInstant? To = null)
{
    internal IQueryable<Delivery> Apply(IQueryable<Delivery> deliveries)
    {
        if (Status is { } wanted)
            deliveries = deliveries.Where(delivery => delivery.Status == wanted);
        if (EventType is not null)
            deliveries = deliveries.Where(delivery => delivery.EventType == EventType);
        if (ReservationId is { } reservation)
            deliveries = deliveries.Where(delivery => delivery.ReservationId == reservation);
        if (From?.Value is { } first)
            deliveries = deliveries.Where(delivery => delivery.CreatedAt >= first);
        if (To?.Value is { } end)
            deliveries = deliveries.Where(delivery => delivery.CreatedAt < end);
        return deliveries;
    }

    /// <summary>Refuses an event type that does not exist.</summary>
    /// <param name="parameter">The name of the parameter or member.</param>
    internal void Check(string parameter)
    {
        if (EventType is not null && !PlatformEvent.Types.Contains(EventType))
            throw RefusedRequestException.Parameter(parameter, $"Allowed: {string.Join(", ", PlatformEvent.Types)}.");
    }
}
