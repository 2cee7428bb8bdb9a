using System.Threading.Channels;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>Messages of one consumed message, or of one unit of work, that have reached the broker.</summary>
internal readonly record struct Delivered(long? InboxId, Guid? OutboxId, IReadOnlyList<OutboxMessage> Messages);

/// <summary>
/// Marks messages delivered: whatever is waiting goes into one transaction. At light load that is one message and nobody waits; under load
/// the cost of a commit is shared.
/// </summary>
internal sealed class DeliveredMessages<TDbContext>(
    IServiceScopeFactory scopes, EntityFrameworkOutboxOptions<TDbContext> options, TimeProvider clock) : IAsyncDisposable
    where TDbContext : DbContext
{
    private const int MostPerCommit = 256;

    private readonly Lock _starting = new();
    private Task? _marking;

    private readonly Channel<(Delivered Delivered, TaskCompletionSource Done)> _waiting = Channel.CreateUnbounded<(Delivered, TaskCompletionSource)>(
        new UnboundedChannelOptions { SingleReader = true });

    /// <summary>Completes when the mark is committed.</summary>
    public Task MarkAsync(Delivered delivered)
    {
        // Not a hosted service: the bus, which is stopped after every hosted service of this outbox, still marks while it drains.
        lock (_starting)
            _marking ??= Task.Run(MarkGroupsAsync);
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        return _waiting.Writer.TryWrite((delivered, done)) ? done.Task : Task.FromCanceled(new CancellationToken(true));
    }

    public async ValueTask DisposeAsync()
    {
        _waiting.Writer.TryComplete();
        if (_marking is not null)
            await _marking.ConfigureAwait(false);
    }

    private async Task MarkGroupsAsync()
    {
        var group = new List<(Delivered Delivered, TaskCompletionSource Done)>(MostPerCommit);
        while (await _waiting.Reader.WaitToReadAsync().ConfigureAwait(false))
        {
            while (group.Count < MostPerCommit && _waiting.Reader.TryRead(out var one))
                group.Add(one);
            try
            {
                await MarkGroupAsync(group.ConvertAll(one => one.Delivered)).ConfigureAwait(false);
                foreach (var (_, done) in group)
                    done.TrySetResult();
            }
            catch (Exception exception)
            {
                // The consumers fail, their messages come again and find the messages still to be marked.
                foreach (var (_, done) in group)
                    done.TrySetException(exception);
            }
            group.Clear();
        }
    }

    private async Task MarkGroupAsync(List<Delivered> group)
    {
        var inboxes = group.Where(one => one.InboxId is not null).Select(one => one.InboxId!.Value).Order().ToArray();
        var outboxes = group.Where(one => one.OutboxId is not null).Select(one => one.OutboxId!.Value).Order().ToArray();
        var messages = group.SelectMany(one => one.Messages).Select(message => message.SequenceNumber).Order().ToArray();
        var now = clock.GetUtcNow().UtcDateTime;
        var keep = options.DeliveredRetention > TimeSpan.Zero;

        await using var scope = scopes.CreateAsyncScope();
        var database = scope.ServiceProvider.GetRequiredService<TDbContext>();
        await using var transaction = await database.Database.BeginTransactionAsync().ConfigureAwait(false);
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
        await transaction.CommitAsync().ConfigureAwait(false);
    }
}
