using System.Diagnostics;
using ConcertSaga.DataPlatform.Data;
using ConcertSaga.DataPlatform.Dispatch;
using ConcertSaga.Shared.Concurrency;
using ConcertSaga.Shared.Hosting.Failures;

namespace ConcertSaga.DataPlatform.Intake;

/// <summary>
/// Creates the deliveries of events; concurrent callers share one statement. It sends nothing, so a slow destination never delays the
/// message handlers.
/// </summary>
internal sealed class EventIntake : IAsyncDisposable
{
    private readonly IServiceScopeFactory _scopes;
    private readonly Dispatcher _dispatcher;
    private readonly TimeProvider _clock;
    private readonly Batcher<Entry> _waiting;

    public EventIntake(IServiceScopeFactory scopes, Dispatcher dispatcher, TimeProvider clock)
    {
        _scopes = scopes;
        _dispatcher = dispatcher;
        _clock = clock;
        _waiting = new Batcher<Entry>(WriteAsync, 500);
    }

    /// <summary>Waits until the deliveries of the events exist.</summary>
    /// <returns>The number of these events whose delivery the call created.</returns>
    public async Task<int> AddAsync(IReadOnlyCollection<PlatformEvent> events, CancellationToken cancellationToken)
    {
        var trace = Activity.Current is { Recorded: true } activity ? activity.Id : null;
        var entry = new Entry(events, trace, new TaskCompletionSource<int>(TaskCreationOptions.RunContinuationsAsynchronously));
        if (!_waiting.Add(entry))
            throw new OperationCanceledException("The process is stopping.");
        return await entry.Done.Task.WaitAsync(cancellationToken);
    }

    public ValueTask DisposeAsync() => _waiting.DisposeAsync();

    // Every caller receives the failure and retries, because an event must not be acknowledged before its row exists.
    private async Task WriteAsync(List<Entry> group)
    {
        try
        {
            var deliveries = group.SelectMany(entry => entry.Events, (entry, platformEvent) => platformEvent.ToDelivery(entry.Trace))
                .ToList();
            var inserted = await _scopes.WithTransactionAsync(
                database => database.InsertMissingAsync(deliveries, _clock.GetUtcNow(), CancellationToken.None));
            if (inserted.Count > 0)
                _dispatcher.Wake();
            // Two callers of a batch can have the same event, and only the first of them created its delivery.
            foreach (var entry in group)
                entry.Done.TrySetResult(entry.Events.Count(platformEvent => inserted.Remove(platformEvent.DeliveryId)));
        }
        catch (Exception exception)
        {
            foreach (var entry in group)
                entry.Done.TrySetException(group.Count > 1 && !FailurePolicy.IsTransient(exception)
                    ? new TimeoutException("Another event of the same batch may have failed. Retry this one.", exception) : exception);
        }
    }

    private sealed record Entry(IReadOnlyCollection<PlatformEvent> Events, string? Trace, TaskCompletionSource<int> Done);
}
