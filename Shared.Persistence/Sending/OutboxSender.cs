using System.Collections.Concurrent;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Logging;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>Sends outbox messages outside a consumer, and reports outages of the broker and of single destinations.</summary>
internal sealed class OutboxSender<TDbContext>(
    IBusControl bus, EntityFrameworkOutboxOptions<TDbContext> options, TimeProvider clock, ILogger<OutboxSender<TDbContext>> logger)
    where TDbContext : DbContext
{
    // Clients choose response addresses, so their number must be limited.
    private const int MaxDestinations = 1000;

    private readonly OutageReport _broker = new("Delivering outbox messages to the broker", logger, clock);
    private readonly ConcurrentDictionary<string, OutageReport> _destinations = new();

    public bool IsBusHealthy => bus.CheckHealth().Status == BusHealthStatus.Healthy;

    /// <summary>
    /// Sends the messages of one unit of work in order and returns those sent or expired. It stops at the first failure; the sweeper sends
    /// the rest after the lease.
    /// </summary>
    public async Task<List<OutboxMessage>> SendAsync(IReadOnlyList<OutboxMessage> unit, bool isFirst, CancellationToken cancellationToken)
    {
        var sent = new List<OutboxMessage>(unit.Count);
        // Each message has its own time limit, so a long unit of work may take longer than a lease.
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        foreach (var message in unit)
        {
            try
            {
                limit.CancelAfter(options.DeliveryLease);
                await MessageDelivery.SendAsync([message], sent, bus, clock.GetUtcNow().UtcDateTime, isFirst, limit.Token)
                    .ConfigureAwait(false);
            }
            catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
            {
                ReportFailure(message, exception);
                break;
            }
            ReportSuccess(message);
        }
        return sent;
    }

    private void ReportFailure(OutboxMessage message, Exception exception)
    {
        if (!IsBusHealthy)
            _broker.Failed(exception);
        else if (_destinations.Count < MaxDestinations || _destinations.ContainsKey(NameOf(message)))
        {
            _destinations.GetOrAdd(NameOf(message), name => new OutageReport($"Delivering outbox messages to {name}", logger, clock))
                .Failed(exception);
        }
    }

    private void ReportSuccess(OutboxMessage message)
    {
        _broker.Succeeded();
        if (!_destinations.IsEmpty && _destinations.TryRemove(NameOf(message), out var outage))
            outage.Succeeded();
    }

    private static string NameOf(OutboxMessage message) => message.DestinationAddress?.GetLeftPart(UriPartial.Path) ?? "nowhere";
}
