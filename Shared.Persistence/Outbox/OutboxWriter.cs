using System.Data;
using System.Data.Common;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>
/// Messages that have reached the broker, and the consumed message or the unit of work they belong to where these were its last.
/// </summary>
internal sealed record Delivered(long? InboxId, Guid? OutboxId, IReadOnlyList<OutboxMessage> Messages)
{
    public static Delivered Of(IReadOnlyList<OutboxMessage> all, IReadOnlyList<OutboxMessage> sent, long? inboxId, Guid? outboxId) =>
        sent.Count == all.Count ? new Delivered(inboxId, outboxId, sent) : new Delivered(null, null, sent);
}

/// <summary>
/// Commits across messages: whatever is waiting (what handlers changed and decided to send, and marks of what was delivered) goes into one
/// transaction. At light load that is one message and nobody waits; under load the cost of a transaction is shared. What cannot be written
/// is taken out and tried alone; the others of its group are not harmed.
/// </summary>
internal sealed partial class OutboxWriter<TDbContext> : IAsyncDisposable
    where TDbContext : DbContext
{
    private const int MostPerCommit = 256;

    private readonly IServiceScopeFactory _scopes;
    private readonly EntityFrameworkOutboxOptions<TDbContext> _options;
    private readonly TimeProvider _clock;
    private readonly ILogger<OutboxWriter<TDbContext>> _logger;
    private readonly Grouped<Work> _waiting;
    private PostgreSqlStatements? _postgreSql;
    private bool _isKnown;
    private bool? _mayShareCommits;
    private bool? _isIntercepted;

    public OutboxWriter(
        IServiceScopeFactory scopes, EntityFrameworkOutboxOptions<TDbContext> options, TimeProvider clock, ILogger<OutboxWriter<TDbContext>> logger)
    {
        (_scopes, _options, _clock, _logger) = (scopes, options, clock, logger);
        _waiting = new Grouped<Work>(WriteAsync, MostPerCommit);
    }

    /// <summary>
    /// Whether the changes of several messages may be committed together. The context's options must carry the outbox's interceptor, which
    /// every context that is registered in the container does, and its class must not save in a way of its own.
    /// </summary>
    public bool MayShareCommits(TDbContext database) => _mayShareCommits ??=
        _options.IsolationLevel == IsolationLevel.ReadCommitted
        && OutboxInterceptor.IsIn(database)
        && database.GetType().GetMethods().Where(method => method.Name is nameof(DbContext.SaveChanges) or nameof(DbContext.SaveChangesAsync))
            .All(method => method.DeclaringType == typeof(DbContext));

    /// <summary>Completes when the changes are committed.</summary>
    public Task WriteAsync(WriteSet changes) => Add(new Work(changes, null));

    /// <summary>
    /// Marks, with one of the next commits. Nobody has to wait for it: what is not marked after a crash goes out once more, with the same ids.
    /// </summary>
    public void Mark(Delivered delivered) => _waiting.AddLater(new Work(null, delivered));

    /// <summary>Completes when everything is committed.</summary>
    public Task IdleAsync(CancellationToken cancellationToken) => _waiting.IdleAsync(cancellationToken);

    public ValueTask DisposeAsync() => _waiting.DisposeAsync();

    private Task Add(Work work) => _waiting.Add(work) ? work.Task : Task.FromCanceled(new CancellationToken(true));

    private async Task WriteAsync(List<Work> group)
    {
        var (colliding, written) = (new List<Work>(), new List<Work>(group.Count));
        try
        {
            await CommitAsync(group, written, colliding).ConfigureAwait(false);
            foreach (var one in written)
                one.SetWritten();
        }
        catch (Exception exception) when (group.Count > 1 && IsOfOne(exception))
        {
            // The rows the database refused tell whose fault it was. Where it does not say, halves are tried, so that one among many is soon found.
            var refused = exception is DbUpdateException { Entries: { Count: > 0 } entries } ? entries.Select(entry => entry.Entity).ToHashSet() : [];
            var alone = group.FindAll(one => one.Changes?.Owns(refused) ?? false);
            if (alone.Count == 0)
            {
                await WriteAsync(group[..(group.Count / 2)]).ConfigureAwait(false);
                await WriteAsync(group[(group.Count / 2)..]).ConfigureAwait(false);
                return;
            }
            if (alone.Count < group.Count)
                await WriteAsync(group.FindAll(one => !alone.Contains(one))).ConfigureAwait(false);
            foreach (var one in alone)
                await WriteAsync([one]).ConfigureAwait(false);
            return;
        }
        catch (Exception exception)
        {
            // The consumers fail; their messages come again, and the inbox tells whether this was committed after all.
            foreach (var one in group)
                one.SetFailed(exception);
            // Nobody waits for a mark, so nobody else would tell.
            if (group.Exists(one => one.Delivered is not null))
                LogNotMarked(exception);
            return;
        }
        if (colliding.Count > 0)
            await WriteAsync(colliding).ConfigureAwait(false);
    }

    private async Task CommitAsync(List<Work> group, List<Work> written, List<Work> colliding)
    {
        // What one message changed is saved by its own context, as it stands there; only what several changed has to meet in another.
        var alone = _postgreSql is not null && group.FindAll(one => one.Changes is not null) is [var only] ? only.Changes : null;
        if (alone is not null)
        {
            written.AddRange(group);
            var changes = alone.Handler.ChangeTracker;
            // They were looked for when the handler had ended.
            var looks = changes.AutoDetectChangesEnabled;
            changes.AutoDetectChangesEnabled = false;
            try
            {
                await CommitAsync((TDbContext)alone.Handler, written).ConfigureAwait(false);
            }
            finally
            {
                changes.AutoDetectChangesEnabled = looks;
            }
            return;
        }

        await using var scope = _scopes.CreateAsyncScope();
        var database = scope.ServiceProvider.GetRequiredService<TDbContext>();
        // Everything is handed over in its final state. Looking for more would find rows that other contexts have already stored.
        database.ChangeTracker.AutoDetectChangesEnabled = false;
        database.Database.AutoSavepointsEnabled = false;
        var keys = new HashSet<object>();
        // Two messages that change one row are written one after the other.
        foreach (var one in group)
            (one.Changes?.TryMoveTo(database, keys) is false ? colliding : written).Add(one);
        await CommitAsync(database, written).ConfigureAwait(false);
    }

    private async Task CommitAsync(TDbContext database, List<Work> group)
    {
        var (delivered, inbox, messages) = (new List<Delivered>(), new List<InboxState>(), new List<OutboxMessage>());
        var hasChanges = false;
        foreach (var one in group)
        {
            if (one.Changes is { } changes)
            {
                hasChanges |= changes.HasChanges;
                inbox.Add(changes.Inbox);
                messages.AddRange(changes.Messages);
            }
            else
            {
                delivered.Add(one.Delivered!);
            }
        }

        await using var transaction = await database.Database.BeginTransactionAsync(_options.IsolationLevel).ConfigureAwait(false);
        if (!_isKnown)
            (_postgreSql, _isKnown) = (PostgreSqlStatements.Of(database), true);
        if (_postgreSql is null)
        {
            if (delivered.Count > 0)
                await MarkAsync(database, delivered).ConfigureAwait(false);
            // An attempt that failed late has given them keys.
            inbox.ForEach(row => row.Id = 0);
            messages.ForEach(row => row.SequenceNumber = 0);
            database.AddRange(inbox);
            database.AddRange(messages);
            hasChanges |= inbox.Count > 0;
        }
        // Accepted when it is committed: until then the same changes may have to be saved again.
        if (hasChanges)
            await database.SaveChangesAsync(acceptAllChangesOnSuccess: false).ConfigureAwait(false);
        if (_postgreSql is null)
            await transaction.CommitAsync().ConfigureAwait(false);
        else if (_isIntercepted ??= OutboxInterceptor.IsIn(database))
            await OutboxInterceptor.CommitByAsync(database, () => WriteAsync(andCommit: true)).ConfigureAwait(false);
        else
        {
            await WriteAsync(andCommit: false).ConfigureAwait(false);
            await transaction.CommitAsync().ConfigureAwait(false);
        }
        database.ChangeTracker.AcceptAllChanges();

        Task WriteAsync(bool andCommit) => _postgreSql.WriteAsync(
            database, inbox, messages, delivered, _clock.GetUtcNow().UtcDateTime, _options.DeliveredRetention > TimeSpan.Zero, andCommit);
    }

    private async Task MarkAsync(TDbContext database, List<Delivered> delivered)
    {
        var inboxes = delivered.Where(one => one.InboxId is not null).Select(one => one.InboxId!.Value).Order().ToArray();
        var outboxes = delivered.Where(one => one.OutboxId is not null).Select(one => one.OutboxId!.Value).Order().ToArray();
        var messages = delivered.SelectMany(one => one.Messages).Select(message => message.SequenceNumber).Order().ToArray();
        var now = _clock.GetUtcNow().UtcDateTime;
        var keep = _options.DeliveredRetention > TimeSpan.Zero;

        if (!keep)
            await database.Set<OutboxMessage>().Where(row => messages.Contains(row.SequenceNumber)).ExecuteDeleteAsync().ConfigureAwait(false);
        if (inboxes.Length > 0)
        {
            await database.Set<InboxState>().Where(row => inboxes.Contains(row.Id))
                .ExecuteUpdateAsync(set => set.SetProperty(row => row.Delivered, now)).ConfigureAwait(false);
        }
        if (outboxes.Length > 0 && keep)
        {
            await database.Set<OutboxState>().Where(row => outboxes.Contains(row.OutboxId))
                .ExecuteUpdateAsync(set => set.SetProperty(row => row.Delivered, now)).ConfigureAwait(false);
        }
        else if (outboxes.Length > 0)
        {
            await database.Set<OutboxState>().Where(row => outboxes.Contains(row.OutboxId)).ExecuteDeleteAsync().ConfigureAwait(false);
        }
    }

    // Trouble with what one message wrote, and not with the database: a conflict, a violated constraint, a deadlock (class 40).
    private static bool IsOfOne(Exception exception) => exception is InvalidOperationException
        || ((exception as DbException ?? exception.InnerException as DbException) is { } database
            ? !database.IsTransient || database.SqlState is ['4', '0', ..]
            : exception is DbUpdateException);

    [LoggerMessage(EventId = 4104, Level = LogLevel.Warning, Message = "Delivered messages could not be marked; they will be delivered once more.")]
    private partial void LogNotMarked(Exception exception);

    private sealed class Work(WriteSet? changes, Delivered? delivered)
    {
        private readonly TaskCompletionSource _done = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public WriteSet? Changes { get; } = changes;

        public Delivered? Delivered { get; } = delivered;

        public Task Task => _done.Task;

        public void SetWritten()
        {
            Changes?.Accept();
            _done.TrySetResult();
        }

        public void SetFailed(Exception exception) => _done.TrySetException(exception);
    }
}
