using ConcertSaga.Contracts.Seats;
using ConcertSaga.Shared.Hosting.Background;
using MassTransit;

namespace ConcertSaga.Seats.Consumers;

/// <summary>
/// Announces seat map changes to the gateways, which forward them to watching clients, and changed sale times to the waiting room.
/// </summary>
public sealed class SeatMapAnnouncer(TimeProvider clock, ILogger<SeatMapAnnouncer> logger)
{
    private static readonly TimeSpan MaxWait = TimeSpan.FromSeconds(2);

    private readonly OutageLog _outages = new("Announcing seat map changes", logger, clock);

    /// <summary>
    /// Publishes a change after its commit and its reply. A failure is only logged, because the command is already complete. A watcher
    /// that sees a gap in the versions reads the map again.
    /// </summary>
    public Task PublishAsync(ConsumeContext context, SeatsChanged change) => PublishAsync(context, change, context.CancellationToken);

    /// <summary>Publishes a change of a schedule after its commit. A broker that does not answer does not hold the caller up.</summary>
    public async Task PublishAsync<T>(IBus bus, T change)
        where T : class
    {
        using var limit = new CancellationTokenSource(MaxWait, clock);
        await PublishAsync(bus, change, limit.Token);
    }

    private async Task PublishAsync<T>(IPublishEndpoint bus, T change, CancellationToken cancellationToken)
        where T : class
    {
        try
        {
            await bus.Publish(change, cancellationToken);
            _outages.Succeeded();
        }
        catch (Exception exception)
        {
            _outages.Failed(exception);
        }
    }
}
