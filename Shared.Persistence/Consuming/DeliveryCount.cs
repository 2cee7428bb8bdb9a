namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>
/// Remembers which consumers have counted a delivery. It lives as long as the delivery, and an endpoint's consumers share it.
/// </summary>
internal sealed class DeliveryCount
{
    private readonly List<Guid> _consumers = new(1);

    public static DeliveryCount Of(ConsumeContext context) =>
        context.ReceiveContext.GetOrAddPayload(static () => new DeliveryCount());

    public bool Contains(Guid consumerId)
    {
        lock (_consumers)
            return _consumers.Contains(consumerId);
    }

    public void Add(Guid consumerId)
    {
        lock (_consumers)
            _consumers.Add(consumerId);
    }
}
