using System.Collections.Concurrent;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Logging;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>Sends outbox messages outside a consumer, and reports outages of the broker and of single destinations.</summary>
internal sealed class OutboxSender<TDbContext>(
    IBusControl bus, EntityFrameworkOutboxOptions<TDbContext> options, TimeProvider clock, ILogger<OutboxSender<TDbContext>> logger)
    where TDbContext : DbContext
{
    // Bounds what a large unit of work has on its way to the broker.
    private const int MaxAtOnce = 16;

    // Clients choose response addresses, so their number must be limited.
    private const int MaxDestinations = 1000;

    private readonly OutageReport _broker = new("Delivering outbox messages to the broker", logger, clock);
    private readonly ConcurrentDictionary<string, OutageReport> _destinations = new();

    public bool IsBusHealthy => bus.CheckHealth().Status == BusHealthStatus.Healthy;

    /// <summary>
    /// Sends the messages of one unit of work and returns those sent or expired. Messages with the same correlation id, and those without
    /// one, are sent in order and stop at the first failure; the sweeper sends the rest after the lease.
    /// </summary>
    public async Task<List<OutboxMessage>> SendAsync(IReadOnlyList<OutboxMessage> unit, bool isFirst, CancellationToken cancellationToken)
    {
        var sequences = unit.GroupBy(message => message.CorrelationId).Select(sequence => sequence.ToList()).ToList();
        if (sequences is [var only])
            return (await SendInOrderAsync(only, isFirst, cancellationToken).ConfigureAwait(false)).Sent;
        var sent = new ConcurrentBag<List<OutboxMessage>>();
        var isBrokerAway = false;
        var parallel = new ParallelOptions { MaxDegreeOfParallelism = MaxAtOnce, CancellationToken = cancellationToken };
        await Parallel.ForEachAsync(sequences, parallel, async (sequence, _) =>
        {
            // Otherwise each of them would wait for its time limit.
            if (Volatile.Read(ref isBrokerAway))
                return;
            var (part, failure) = await SendInOrderAsync(sequence, isFirst, cancellationToken).ConfigureAwait(false);
            sent.Add(part);
            if (failure is OperationCanceledException || (failure is not null && !IsBusHealthy))
                Volatile.Write(ref isBrokerAway, true);
        }).ConfigureAwait(false);
        return [.. sent.SelectMany(messages => messages)];
    }

    private async Task<(List<OutboxMessage> Sent, Exception? Failure)> SendInOrderAsync(
        List<OutboxMessage> sequence, bool isFirst, CancellationToken cancellationToken)
    {
        var sent = new List<OutboxMessage>(sequence.Count);
        // Each message has its own time limit, so a long unit of work may take longer than a lease.
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        foreach (var message in sequence)
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
                return (sent, exception);
            }
            ReportSuccess(message);
        }
        return (sent, null);
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
