using System.Data;
using System.Data.Common;
using ConcertSaga.Shared.Concurrency;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>
/// Commits all waiting write sets and delivery receipts in one transaction. At light load a group is one message that did not wait; under
/// load messages share the cost of a transaction. If the database rejects a write set, that one is retried alone and the rest is committed.
/// </summary>
internal sealed class GroupCommit<TDbContext> : IAsyncDisposable
    where TDbContext : DbContext
{
    private const int MaxPerCommit = 256;

    private readonly EntityFrameworkOutboxOptions<TDbContext> _options;
    private readonly TimeProvider _clock;
    private readonly Batcher<CommitRequest> _waiting;
    private readonly LongLivedContext<TDbContext> _longLived;
    private readonly OutageReport _marking;
    private OutboxTables? _tables;
    private bool? _canShare;

    public GroupCommit(
        IServiceScopeFactory scopes, EntityFrameworkOutboxOptions<TDbContext> options, TimeProvider clock,
            ILogger<GroupCommit<TDbContext>> logger)
    {
        _options = options;
        _clock = clock;
        _longLived = new LongLivedContext<TDbContext>(scopes);
        _marking = new OutageReport($"Marking delivered messages of {typeof(TDbContext).Name}", logger, clock);
        _waiting = new Batcher<CommitRequest>(HandleAsync, MaxPerCommit);
    }

    /// <summary>
    /// Returns whether several messages can share a commit. Only contexts registered in the container have the <see cref="OutboxScope"/>
    /// this needs, and their class must not override SaveChanges.
    /// </summary>
    public bool CanShare(TDbContext database) => _canShare ??=
        _options.IsolationLevel == IsolationLevel.ReadCommitted
        && OutboxScope.Of(database) is not null
        && database.GetType().GetMethods()
            .Where(method => method.Name is nameof(DbContext.SaveChanges) or nameof(DbContext.SaveChangesAsync))
            .All(method => method.DeclaringType == typeof(DbContext));

    /// <summary>Completes when the changes are committed.</summary>
    public Task CommitAsync(WriteSet changes)
    {
        var request = new CommitRequest(changes, null);
        return _waiting.Add(request) ? request.Task : Task.FromCanceled(new CancellationToken(true));
    }

    /// <summary>Marks messages as delivered with one of the next commits. After a crash, unmarked ones are resent.</summary>
    public void Mark(DeliveryReceipt receipt)
    {
        _longLived.Open();
        _waiting.Defer(new CommitRequest(null, receipt));
    }

    /// <summary>Completes when everything is committed.</summary>
    public Task IdleAsync(CancellationToken cancellationToken) => _waiting.IdleAsync(cancellationToken);

    public async ValueTask DisposeAsync()
    {
        await _waiting.DisposeAsync().ConfigureAwait(false);
        await _longLived.DisposeAsync().ConfigureAwait(false);
    }

    private async Task HandleAsync(List<CommitRequest> group)
    {
        var committed = new List<CommitRequest>(group.Count);
        var colliding = new List<CommitRequest>();
        try
        {
            await CommitGroupAsync(group, committed, colliding).ConfigureAwait(false);
            committed.ForEach(request => request.SetCommitted());
            if (committed.Exists(request => request.Receipt is not null))
                _marking.Succeeded();
        }
        catch (Exception exception) when (group.Count > 1 && IsCausedByOneMessage(exception))
        {
            await SplitAsync(group, exception).ConfigureAwait(false);
            return;
        }
        catch (Exception exception)
        {
            // The consumers fail and the broker redelivers their messages. The inbox then tells whether the server did commit.
            group.ForEach(request => request.SetFailed(exception));
            // No consumer waits for a receipt, so nothing else would log this failure.
            if (group.Exists(request => request.Receipt is not null))
                _marking.Failed(exception);
            return;
        }
        if (colliding.Count > 0)
            await HandleAsync(colliding).ConfigureAwait(false);
    }

    // The rejected rows identify the message. If the database names no row, retrying halves finds the message in few steps.
    private async Task SplitAsync(List<CommitRequest> group, Exception exception)
    {
        var rejected = exception is DbUpdateException { Entries: { Count: > 0 } entries }
            ? entries.Select(entry => entry.Entity).ToHashSet() : [];
        var alone = group.FindAll(request => request.Changes?.Owns(rejected) ?? false);
        if (alone.Count == 0)
        {
            await HandleAsync(group[..(group.Count / 2)]).ConfigureAwait(false);
            await HandleAsync(group[(group.Count / 2)..]).ConfigureAwait(false);
            return;
        }
        if (alone.Count < group.Count)
            await HandleAsync(group.FindAll(request => !alone.Contains(request))).ConfigureAwait(false);
        foreach (var request in alone)
            await HandleAsync([request]).ConfigureAwait(false);
    }

    // A request that changes the same row as an earlier one is colliding and waits for the next commit.
    private async Task CommitGroupAsync(List<CommitRequest> group, List<CommitRequest> committed, List<CommitRequest> colliding)
    {
        if (_tables is { SavesLoneMessages: true } && group.FindAll(request => request.Changes is not null) is [var only])
        {
            committed.AddRange(group);
            await CommitLoneAsync((TDbContext)only.Changes!.Handler, group).ConfigureAwait(false);
            return;
        }
        var database = _longLived.Get();
        try
        {
            var keys = new HashSet<object>();
            foreach (var request in group)
                (request.Changes?.TryMoveTo(database, keys) is false ? colliding : committed).Add(request);
            await CommitWithAsync(database, committed).ConfigureAwait(false);
        }
        finally
        {
            database.ChangeTracker.Clear();
        }
    }

    // The handler's own context saves the changes of a single message; only the changes of several have to move to one context.
    private async Task CommitLoneAsync(TDbContext handler, List<CommitRequest> group)
    {
        var tracker = handler.ChangeTracker;
        // WriteSet.Of has already detected the changes.
        var detects = tracker.AutoDetectChangesEnabled;
        tracker.AutoDetectChangesEnabled = false;
        try
        {
            await CommitWithAsync(handler, group).ConfigureAwait(false);
        }
        finally
        {
            tracker.AutoDetectChangesEnabled = detects;
        }
    }

    private Task CommitWithAsync(TDbContext database, List<CommitRequest> group) => ExecutionStrategies.RunOnceAsync(database, async () =>
    {
        var rows = new OutboxRows([], [], [], _clock.GetUtcNow().UtcDateTime, _options.DeliveredRetention > TimeSpan.Zero);
        foreach (var request in group)
        {
            if (request.Receipt is { } receipt)
                rows.Receipts.Add(receipt);
            if (request.Changes is not { } changes)
                continue;
            rows.Entries.Add(changes.Inbox);
            rows.Messages.AddRange(changes.Messages);
        }
        await using var transaction = await database.Database.BeginTransactionAsync(_options.IsolationLevel).ConfigureAwait(false);
        _tables ??= OutboxTables.Of(database);
        var saves = await _tables.AddAsync(database, rows).ConfigureAwait(false)
            || group.Exists(request => request.Changes is { HasChanges: true });
        // Until the commit succeeds, the same changes may have to be saved again.
        if (saves)
            await database.SaveChangesAsync(acceptAllChangesOnSuccess: false).ConfigureAwait(false);
        await _tables.CommitAsync(database, transaction, rows).ConfigureAwait(false);
        database.ChangeTracker.AcceptAllChanges();
    });

    // A conflict, a violated constraint or a deadlock (class 40) comes from the rows of one message; other errors concern the database.
    private static bool IsCausedByOneMessage(Exception exception) => exception is InvalidOperationException
        || ((exception as DbException ?? exception.InnerException as DbException) is { } database
            ? !database.IsTransient || database.SqlState is ['4', '0', ..]
            : exception is DbUpdateException);
}
