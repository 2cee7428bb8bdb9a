using ConcertSaga.Shared.Persistence.Tests.Hosts;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Shared.Persistence.Tests.Crashes;

/// <summary>The step of a message's way through the outbox at which a process crashes.</summary>
public enum CrashPoint
{
    BeforeCommit,
    AfterCommit,

    /// <summary>Before the second of several messages.</summary>
    BeforePublish,

    /// <summary>The broker has the first message, but its confirmation has not arrived.</summary>
    BeforeConfirm,

    /// <summary>All messages are sent and the consumed one is acknowledged.</summary>
    BeforeMark,

    /// <summary>All messages are sent and marked.</summary>
    BeforeAcknowledge,

    /// <summary>All messages are sent and confirmed.</summary>
    BeforeMarkAndAcknowledge
}

/// <summary>Makes a host fail once, at one point.</summary>
/// <param name="point">The point of failure.</param>
/// <param name="strike">Ends the process or throws.</param>
public sealed class Crash(CrashPoint point, Action strike)
{
    private readonly TaskCompletionSource _marked = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _acknowledged = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _marking = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _both = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _sent;
    private int _struck;

    public bool HasStruck => Volatile.Read(ref _struck) == 1;

    /// <summary>Adds the points of failure inside a host.</summary>
    public void Attach(Script script)
    {
        script.BeforeCommit = async context =>
        {
            if (IsWork(context))
            {
                At(CrashPoint.BeforeCommit);
            }
            else if (point == CrashPoint.BeforeMark && !HasStruck)
            {
                await _acknowledged.Task;
                // The proxy forwards the acknowledgement now; give it time to reach the broker.
                await Task.Delay(TimeSpan.FromMilliseconds(100));
                At(CrashPoint.BeforeMark);
            }
            else if (point == CrashPoint.BeforeMarkAndAcknowledge && _marking.TrySetResult())
            {
                // The mark and the acknowledgement wait for each other, so both fail.
                await _both.Task;
                strike();
            }
        };
        script.AfterCommit = context =>
        {
            if (IsWork(context))
                At(CrashPoint.AfterCommit);
            else
                _marked.TrySetResult();
            return Task.CompletedTask;
        };
        script.BeforeSend = context =>
        {
            if (NoteWritten.IsIn(context) && Interlocked.Increment(ref _sent) == 2)
                At(CrashPoint.BeforePublish);
            return Task.CompletedTask;
        };
    }

    /// <summary>Handles the points of failure between a host and its broker.</summary>
    public async Task OnAcknowledgementAsync(Acknowledgement kind)
    {
        if (kind == Acknowledgement.OfTheBroker)
        {
            At(CrashPoint.BeforeConfirm);
            return;
        }
        if (point == CrashPoint.BeforeAcknowledge && !HasStruck)
            await _marked.Task;
        if (point == CrashPoint.BeforeMarkAndAcknowledge && !HasStruck)
            await _marking.Task;
        At(CrashPoint.BeforeAcknowledge);
        try
        {
            At(CrashPoint.BeforeMarkAndAcknowledge);
        }
        finally
        {
            _both.TrySetResult();
        }
        _acknowledged.TrySetResult();
    }

    private static bool IsWork(DbContext context) => context.ChangeTracker.Entries().Any(entry => entry.Entity is Note or Tally);

    private void At(CrashPoint reached)
    {
        if (reached == point && Interlocked.Exchange(ref _struck, 1) == 0)
            strike();
    }
}
