using ConcertSaga.Operations.Data;
using ConcertSaga.Shared.Hosting.Background;
using ConcertSaga.Shared.Hosting.Messaging;
using MassTransit;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Operations.FailedMessages;

/// <summary>
/// Stores failed messages. While the database is away, messages stay at the broker: this retries instead of returning a message, because a
/// broker may drop one that returns too often.
/// </summary>
internal sealed class FailedMessageIntake(
    IServiceScopeFactory scopes, IHostApplicationLifetime lifetime, TimeProvider clock, ILogger<FailedMessageIntake> logger)
{
    private static readonly TimeSpan MinDelay = TimeSpan.FromMilliseconds(100), MaxDelay = TimeSpan.FromSeconds(15);

    private readonly OutageLog _outages = new("Storing failed messages", logger, clock);

    /// <summary>Returns when the message is stored, or was stored before.</summary>
    public async Task StoreAsync(FailureQueue queue, ReceiveContext context)
    {
        var message = FailedMessageReader.Read(queue, context, clock.GetUtcNow());
        var stopping = lifetime.ApplicationStopping;
        for (var delay = MinDelay; ; delay = delay * 2 > MaxDelay ? MaxDelay : delay * 2)
        {
            try
            {
                await StoreOnceAsync(message, stopping);
                _outages.Succeeded();
                return;
            }
            catch (Exception exception) when (!stopping.IsCancellationRequested)
            {
                _outages.Failed(exception);
            }
            await Task.Delay(delay, clock, stopping);
        }
    }

    private async Task StoreOnceAsync(FailedMessage message, CancellationToken cancellationToken)
    {
        await using var scope = scopes.CreateAsyncScope();
        var database = scope.ServiceProvider.GetRequiredService<OperationsDbContext>();
        // The process was killed between the commit and the acknowledgement, so the broker delivers the message again. If that happens too
        // often, it comes from the dead-letter queue instead. The index begins with the queue and the kind.
        FailureKind[] kinds = [FailureKind.Error, FailureKind.Skipped, FailureKind.Dead];
        if (await database.FailedMessages.AnyAsync(row => row.Queue == message.Queue && kinds.Contains(row.Kind)
            && row.MessageId == message.MessageId && row.Fingerprint == message.Fingerprint, cancellationToken))
            return;
        database.FailedMessages.Add(message);
        // If another replica stores a copy at the same moment, this fails on the unique index, and the retry finds that row.
        await database.SaveChangesAsync(cancellationToken);
    }
}
