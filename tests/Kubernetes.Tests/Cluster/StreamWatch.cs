using ConcertSaga.EndToEnd.Tests.Client;

namespace ConcertSaga.Kubernetes.Tests.Cluster;

/// <summary>Follows the seats of a schedule, and connects again whenever the gateway ends the stream.</summary>
internal sealed class StreamWatch : IAsyncDisposable
{
    private readonly CancellationTokenSource _closing = new();
    private Task _following = Task.CompletedTask;
    private int _opened;

    /// <summary>How many streams have delivered an event.</summary>
    public int Opened => Volatile.Read(ref _opened);

    public static async Task<StreamWatch> StartAsync(DemoSystem system)
    {
        var customer = await Customer.SignInAsync(system);
        var seats = system.Seats.TakeScheduleOfLastConcert();
        var pass = await customer.PassAsync(EndToEnd.Tests.Systems.SeatSelection.LastConcert);
        var watch = new StreamWatch();
        watch._following = Task.Run(() => watch.FollowAsync(customer, $"/api/schedules/{seats.ScheduleId}/seats/events", pass));
        return watch;
    }

    /// <summary>Throws if a stream could not be opened, or broke off.</summary>
    public async ValueTask DisposeAsync()
    {
        await _closing.CancelAsync();
        await _following;
        _closing.Dispose();
    }

    private async Task FollowAsync(Customer customer, string path, string pass)
    {
        try
        {
            while (true)
            {
                var isFirst = true;
                await foreach (var _ in customer.FollowAsync(path, pass, _closing.Token))
                {
                    if (isFirst)
                        Interlocked.Increment(ref _opened);
                    isFirst = false;
                }
            }
        }
        catch (OperationCanceledException) when (_closing.IsCancellationRequested)
        {
        }
    }
}
