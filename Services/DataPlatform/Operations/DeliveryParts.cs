using ConcertSaga.DataPlatform.Data;
using ConcertSaga.DataPlatform.Intake;

namespace ConcertSaga.DataPlatform.Operations;

/// <summary>Deliveries by event type and status. One range of an index has each part, in the order of creation.</summary>
internal static class DeliveryParts
{
    private static readonly DeliveryStatus[] Statuses = Enum.GetValues<DeliveryStatus>();

    /// <summary>The deliveries of each event type in each of some statuses.</summary>
    /// <param name="deliveries">All deliveries.</param>
    /// <param name="eventType">The only event type; null for all.</param>
    /// <param name="statuses">The statuses.</param>
    public static IEnumerable<IQueryable<Delivery>> Parts(
        this IQueryable<Delivery> deliveries, string? eventType, params DeliveryStatus[] statuses) =>
        from type in PlatformEvent.Types
        where eventType is null || type == eventType
        from status in statuses
        select deliveries.Where(delivery => delivery.EventType == type && delivery.Status == status);

    /// <summary>The deliveries that a filter selects, as a query of the first ones in an order.</summary>
    /// <param name="filter">The filter.</param>
    /// <param name="deliveries">All deliveries.</param>
    /// <param name="sort">The order, by creation in either direction. May also leave out rows.</param>
    /// <param name="count">The maximum number of rows.</param>
    public static IQueryable<Delivery> First(
        this DeliveryFilter filter, IQueryable<Delivery> deliveries, Func<IQueryable<Delivery>, IOrderedQueryable<Delivery>> sort,
        int count)
    {
        // A reservation has few deliveries, and an index of its own.
        var parts = filter.ReservationId is not null ? [deliveries]
            : deliveries.Parts(filter.EventType, filter.Status is { } status ? [status] : Statuses);
        var firsts = parts.Select(part => (IQueryable<Delivery>)sort(filter.Apply(part)).Take(count)).ToList();
        return firsts is [var only] ? only : sort(firsts.Aggregate(Queryable.Concat)).Take(count);
    }

    /// <summary>All types and statuses, for a statement whose order does not matter.</summary>
    public static IQueryable<Delivery> InAllParts(this IQueryable<Delivery> deliveries) =>
        deliveries.Where(delivery => PlatformEvent.Types.Contains(delivery.EventType) && Statuses.Contains(delivery.Status));
}
