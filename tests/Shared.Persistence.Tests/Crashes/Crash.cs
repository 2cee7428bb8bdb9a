using ConcertSaga.Shared.Persistence.Tests.Hosts;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Shared.Persistence.Tests.Crashes;

/// <summary>Where on its way through the outbox a message is when it happens.</summary>
public enum CrashPoint
{
    BeforeCommit,
    AfterCommit,

    /// <summary>Of the second of several messages.</summary>
    BeforePublish,

    /// <summary>The broker has the first message, and nobody here knows.</summary>
    BeforeConfirm,

    /// <summary>Everything is sent and the message is acknowledged.</summary>
    BeforeMark,

    /// <summary>Everything is sent and marked.</summary>
    BeforeAcknowledge,

    /// <summary>Everything is sent and confirmed, and that is all.</summary>
    BeforeMarkAndAcknowledge
}

/// <summary>Strikes once, at one point.</summary>
/// <param name="point">Where.</param>
/// <param name="strike">Ends the process, or throws.</param>
public sealed class Crash(CrashPoint point, Action strike)
{
    private readonly TaskCompletionSource _marked = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _acknowledged = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _marking = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _both = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _sent;
    private int _struck;

    public bool HasStruck => Volatile.Read(ref _struck) == 1;

    /// <summary>Lies in wait in a host's handlers.</summary>
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
                // The acknowledgement has been written by now, and is at the broker soon.
                await Task.Delay(TimeSpan.FromMilliseconds(100));
                At(CrashPoint.BeforeMark);
            }
            else if (point == CrashPoint.BeforeMarkAndAcknowledge && _marking.TrySetResult())
            {
                // The mark and the acknowledgement wait for each other, and both fail.
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
            if (InboxTests.IsTold(context) && Interlocked.Increment(ref _sent) == 2)
                At(CrashPoint.BeforePublish);
            return Task.CompletedTask;
        };
    }

    /// <summary>Lies in wait between a host and its broker.</summary>
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
