using System.Threading.Channels;
using ConcertSaga.Shared.Hosting.Background;
using MassTransit;

namespace ConcertSaga.Queue.Gateways;

/// <summary>
/// Publishes committed changes to the gateways, in order. It stores nothing: a gateway that misses a message notices a gap in the
/// sequences, or silence, and reads the snapshot.
/// </summary>
internal sealed class GatewayAnnouncer(
    IBus bus, IHostApplicationLifetime lifetime, TimeProvider clock, ILogger<GatewayAnnouncer> logger) : BackgroundService
{
    // After this long a gateway has read the snapshot.
    private static readonly TimeSpan MaxAge = TimeSpan.FromSeconds(3);

    private readonly Channel<(object Message, long At)> _waiting =
        Channel.CreateBounded<(object, long)>(new BoundedChannelOptions(10_000)
        {
            FullMode = BoundedChannelFullMode.DropOldest,
            SingleReader = true
        });

    private readonly OutageLog _outages = new("Publishing the state of waiting rooms", logger, clock);

    /// <summary>Enqueues the messages of one committed change, and returns at once.</summary>
    public void Announce(params ReadOnlySpan<object> messages)
    {
        foreach (var message in messages)
            _waiting.Writer.TryWrite((message, clock.GetTimestamp()));
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            await foreach (var (message, at) in _waiting.Reader.ReadAllAsync(stoppingToken))
            {
                if (clock.GetElapsedTime(at) < MaxAge)
                    await PublishAsync(message, stoppingToken);
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
        }
    }

    // A message is useless after MaxAge, so an unreachable broker must not block the channel for longer.
    private async Task PublishAsync(object message, CancellationToken stoppingToken)
    {
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(stoppingToken);
        timeout.CancelAfter(MaxAge);
        try
        {
            await bus.Publish(message, message.GetType(), timeout.Token);
            _outages.Succeeded();
        }
        catch (Exception exception)
        {
            // The bus may stop before this service. The gateways then read the snapshot of another replica.
            if (stoppingToken.IsCancellationRequested || lifetime.ApplicationStopping.IsCancellationRequested)
                return;
            _outages.Failed(exception is OperationCanceledException ? new TimeoutException("The broker took no message for 3 s.")
                : exception);
        }
    }
}
