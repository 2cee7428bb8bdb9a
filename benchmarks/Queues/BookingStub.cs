using System.Threading.Channels;
using ConcertSaga.Contracts.Reservations;
using MassTransit;

namespace ConcertSaga.Benchmarks.Queues;

/// <summary>
/// Replaces the services behind the waiting room. It reports every second that booking is possible, and publishes confirmed reservations.
/// </summary>
internal sealed class BookingStub : IAsyncDisposable
{
    private static readonly TimeSpan Heartbeat = TimeSpan.FromSeconds(1);

    private readonly IBusControl _bus;
    private readonly TimeProvider _clock;
    private readonly CancellationTokenSource _closing = new();
    private readonly Channel<(string UserId, Guid TokenId)> _paid = Channel.CreateUnbounded<(string, Guid)>();
    private readonly Task _working;
    private int _left;

    private BookingStub(IBusControl bus, TimeProvider clock)
    {
        _bus = bus;
        _clock = clock;
        _working = Task.WhenAll(ReportAsync(), PublishAsync());
    }

    public static async Task<BookingStub> OpenAsync(Uri broker, TimeProvider clock, CancellationToken cancellationToken)
    {
        var bus = Bus.Factory.CreateUsingRabbitMq(transport => transport.Host(broker));
        await bus.StartAsync(cancellationToken);
        return new BookingStub(bus, clock);
    }

    /// <summary>Confirmations not yet published.</summary>
    public int Left => Volatile.Read(ref _left);

    /// <summary>Confirms the reservation of a customer.</summary>
    public void Pay(string userId, Guid tokenId)
    {
        Interlocked.Increment(ref _left);
        _paid.Writer.TryWrite((userId, tokenId));
    }

    public async ValueTask DisposeAsync()
    {
        _paid.Writer.Complete();
        await _closing.CancelAsync();
        await _working;
        await _bus.StopAsync();
        _closing.Dispose();
    }

    private async Task ReportAsync()
    {
        using var timer = new PeriodicTimer(Heartbeat, _clock);
        try
        {
            do
            {
                await _bus.Publish(new BookingReported(true, 0, _clock.GetUtcNow()), _closing.Token);
            }
            while (await timer.WaitForNextTickAsync(_closing.Token));
        }
        catch (OperationCanceledException) when (_closing.IsCancellationRequested)
        {
        }
    }

    private async Task PublishAsync()
    {
        await foreach (var (userId, tokenId) in _paid.Reader.ReadAllAsync())
        {
            await _bus.Publish(new ReservationConfirmed(Guid.CreateVersion7(), userId, QueuePlan.ConcertId, 1, [1], 1_000, tokenId,
                _clock.GetUtcNow(), 1));
            Interlocked.Decrement(ref _left);
        }
    }
}
