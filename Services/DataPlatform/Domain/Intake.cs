using ConcertSaga.DataPlatform.Data;
using ConcertSaga.Shared.Hosting.Messaging;
using MassTransit.EntityFrameworkCoreIntegration;

namespace ConcertSaga.DataPlatform.Domain;

/// <summary>
/// Writes down what the platform is to be told of. Messages that are handled at the same time share a statement; nothing is sent here, so
/// the destination can be as slow as it likes.
/// </summary>
internal sealed class Intake : IAsyncDisposable
{
    private readonly IServiceScopeFactory _scopes;
    private readonly Dispatcher _dispatcher;
    private readonly TimeProvider _clock;
    private readonly Grouped<Entry> _waiting;

    public Intake(IServiceScopeFactory scopes, Dispatcher dispatcher, TimeProvider clock)
    {
        (_scopes, _dispatcher, _clock) = (scopes, dispatcher, clock);
        _waiting = new Grouped<Entry>(WriteAsync, 500);
    }

    /// <summary>Waits until they are written. That some, or all, were there before is no error.</summary>
    /// <returns>How many were not.</returns>
    public async Task<int> AddAsync(IReadOnlyCollection<PlatformEvent> events, CancellationToken cancellationToken)
    {
        var entry = new Entry(events, new TaskCompletionSource<int>(TaskCreationOptions.RunContinuationsAsynchronously));
        if (!_waiting.Add(entry))
            throw new OperationCanceledException("The process is stopping.");
        return await entry.Done.Task.WaitAsync(cancellationToken);
    }

    public ValueTask DisposeAsync() => _waiting.DisposeAsync();

    // Whoever asked is told of the failure and asks again; nothing may be taken as written that is not.
    private async Task WriteAsync(List<Entry> group)
    {
        try
        {
            var inserted = await _scopes.WithTransactionAsync(
                database => database.InsertMissingAsync([.. group.SelectMany(entry => entry.Events)], _clock.GetUtcNow(), CancellationToken.None));
            if (inserted > 0)
                _dispatcher.Wake();
            foreach (var entry in group)
                entry.Done.TrySetResult(inserted);
        }
        catch (Exception exception)
        {
            foreach (var entry in group)
                entry.Done.TrySetException(group.Count > 1 && !FailurePolicy.IsTransient(exception) ? new TimeoutException("Something else in the group failed.", exception) : exception);
        }
    }

    private sealed record Entry(IReadOnlyCollection<PlatformEvent> Events, TaskCompletionSource<int> Done);
}
