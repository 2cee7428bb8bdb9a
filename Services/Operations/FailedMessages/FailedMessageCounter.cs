using ConcertSaga.Operations.Data;
using ConcertSaga.Shared.Hosting.Background;
using ConcertSaga.Shared.Hosting.Messaging;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Operations.FailedMessages;

/// <summary>Counts the waiting messages of each queue for the metrics.</summary>
internal sealed class FailedMessageCounter(
    IServiceScopeFactory scopes, FailedMessageMetrics metrics, TimeProvider clock, ILogger<FailedMessageCounter> logger)
    : PeriodicTask("Counting failed messages", TimeSpan.FromSeconds(10), clock, logger)
{
    protected override bool RunsAtStart => true;

    public override async Task RunOnceAsync(CancellationToken cancellationToken)
    {
        await using var scope = scopes.CreateAsyncScope();
        var database = scope.ServiceProvider.GetRequiredService<OperationsDbContext>();
        var counts = await database.FailedMessages.Where(message => message.Status == FailedMessageStatus.Waiting)
            .GroupBy(message => new { message.Queue, message.Kind })
            .Select(group => new { group.Key.Queue, group.Key.Kind, Count = group.Count() }).ToListAsync(cancellationToken);
        metrics.Set(counts.ToDictionary(group => new FailureQueue(group.Queue, group.Kind), group => group.Count));
    }
}
