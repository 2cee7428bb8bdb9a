using System.Collections.Concurrent;
using System.Diagnostics;
using ConcertSaga.Benchmarks.Measuring;
using MassTransit;

namespace ConcertSaga.Benchmarks.Choreographies;

/// <summary>
/// Counts consumed messages and records when a reservation ends: when the handling of its last message has returned, and thus its
/// transaction is committed.
/// </summary>
internal sealed class ReservationWatch : IConsumeObserver
{
    private static readonly TimeSpan MaxWait = TimeSpan.FromSeconds(30);

    private readonly ConcurrentDictionary<Guid, Followed> _followed = new();
    private long _messages;

    /// <summary>Messages consumed so far.</summary>
    public long Messages => Interlocked.Read(ref _messages);

    /// <summary>Requests a reservation and waits for its end.</summary>
    public async Task<ReservationTimes> FollowAsync(Guid reservationId, Func<Task> request, CancellationToken cancellation)
    {
        var followed = _followed[reservationId] = new Followed();
        var started = Stopwatch.GetTimestamp();
        await request();
        try
        {
            await followed.Ended.Task.WaitAsync(MaxWait, cancellation);
        }
        catch (TimeoutException)
        {
            throw new BenchmarkException($"reservation {reservationId} did not end within {MaxWait.TotalSeconds:0} s.");
        }
        _followed.TryRemove(reservationId, out _);
        var ended = await followed.Ended.Task;
        return new ReservationTimes(Stopwatch.GetElapsedTime(started, ended).TotalMilliseconds,
            followed.Refused == 0 ? double.NaN : Stopwatch.GetElapsedTime(followed.Refused, ended).TotalMilliseconds);
    }

    public Task PreConsume<T>(ConsumeContext<T> context)
        where T : class
    {
        if (context.Message is PaymentRejected rejected && _followed.TryGetValue(rejected.ReservationId, out var followed))
            followed.Refused = Stopwatch.GetTimestamp();
        return Task.CompletedTask;
    }

    public Task PostConsume<T>(ConsumeContext<T> context)
        where T : class
    {
        Interlocked.Increment(ref _messages);
        Guid? ended = context.Message switch
        {
            SeatsConfirmed confirmed => confirmed.ReservationId,
            SeatsReleased released => released.ReservationId,
            _ => null
        };
        if (ended is { } reservationId && _followed.TryGetValue(reservationId, out var followed))
            followed.Ended.TrySetResult(Stopwatch.GetTimestamp());
        return Task.CompletedTask;
    }

    public Task ConsumeFault<T>(ConsumeContext<T> context, Exception exception)
        where T : class => Task.CompletedTask;

    private sealed class Followed
    {
        /// <summary>Timestamp at which the first consumer received the refusal; 0 if there was none.</summary>
        public long Refused { get; set; }

        /// <summary>Completes with a timestamp.</summary>
        public TaskCompletionSource<long> Ended { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}

/// <summary>Milliseconds of one reservation.</summary>
/// <param name="Total">From the request to the outcome.</param>
/// <param name="Undo">From the arrival of the refusal until everything is compensated; NaN if nothing was refused.</param>
internal readonly record struct ReservationTimes(double Total, double Undo);
