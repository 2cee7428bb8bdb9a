using System.Threading.Channels;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>Messages of one consumed message, or of one unit of work, that have reached the broker.</summary>
internal readonly record struct Delivered(long? InboxId, Guid? OutboxId, IReadOnlyList<OutboxMessage> Messages);

/// <summary>
/// Marks messages delivered: whatever is waiting goes into one transaction. At light load that is one message and nobody waits; under load
/// the cost of a commit is shared.
/// </summary>
internal sealed class DeliveredMessages<TDbContext>(
    IServiceScopeFactory scopes, EntityFrameworkOutboxOptions<TDbContext> options, TimeProvider clock) : BackgroundService
    where TDbContext : DbContext
{
    private const int MostPerCommit = 256;

    private readonly Channel<(Delivered Delivered, TaskCompletionSource Done)> _waiting = Channel.CreateUnbounded<(Delivered, TaskCompletionSource)>(
        new UnboundedChannelOptions { SingleReader = true });

    /// <summary>Completes when the mark is committed.</summary>
    public Task MarkAsync(Delivered delivered)
    {
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        return _waiting.Writer.TryWrite((delivered, done)) ? done.Task : Task.FromCanceled(new CancellationToken(true));
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var group = new List<(Delivered Delivered, TaskCompletionSource Done)>(MostPerCommit);
        // Consumers drain before this stops, so the loop ends with the channel, not with the token.
        while (await _waiting.Reader.WaitToReadAsync(CancellationToken.None).ConfigureAwait(false))
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

    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        _waiting.Writer.TryComplete();
        await base.StopAsync(cancellationToken).ConfigureAwait(false);
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
