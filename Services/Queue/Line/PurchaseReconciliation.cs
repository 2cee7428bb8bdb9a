using ConcertSaga.Contracts.Reservations;
using ConcertSaga.Queue.Data;
using ConcertSaga.Shared.Hosting.Background;
using ConcertSaga.Shared.Hosting.Http;
using ConcertSaga.Shared.Hosting.Messaging;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;

namespace ConcertSaga.Queue.Line;

/// <summary>
/// Compares the passes with the orchestrator's outcomes, and ends those that have bought. Without it, a lost
/// <see cref="ReservationConfirmed"/> would leave the customer with a pass that opens nothing.
/// </summary>
internal sealed partial class PurchaseReconciliation(
    IServiceScopeFactory scopes, CommandGroups<PurchasedPasses> passes, IOptions<QueueOptions> options, IOptions<InnerWallOptions> wall,
    TimeProvider clock, ILogger<PurchaseReconciliation> logger)
    : PeriodicReader(
        "Comparing passes with the orchestrator's outcomes", options.Value.ReconciliationInterval,
        () => options.Value.OrchestratorAddress, clock, logger)
{
    // Longer than a change needs from its instant to its commit, even if the clocks differ.
    private static readonly TimeSpan Overlap = TimeSpan.FromSeconds(30);

    // A message of a younger outcome may be on its way. If it was lost, the next round ends the pass.
    private static readonly TimeSpan Delay = TimeSpan.FromSeconds(10);

    // The first round has no mark. It covers more than the lifetime of any pass.
    private static readonly TimeSpan FirstRound = TimeSpan.FromDays(1);

    private readonly OutcomeReader _reader = new(wall.Value.Secret, clock);
    private readonly ILogger _logger = logger;

    protected override async Task ReadAsync(CancellationToken cancellationToken)
    {
        if (await ReconcileAsync(cancellationToken) is var ended and > 0)
            LogEnded(_logger, ended);
    }

    /// <returns>How many passes had bought without a message to Queue.</returns>
    public async Task<int> ReconcileAsync(CancellationToken cancellationToken)
    {
        var ended = 0;
        await _reader.ReadAsync(
            Address, await MarkAsync(cancellationToken) ?? Clock.GetUtcNow() - FirstRound, Overlap,
            async outcomes => ended += await EndAsync(outcomes, cancellationToken), to => SaveAsync(to, cancellationToken),
            cancellationToken);
        return ended;
    }

    public override void Dispose()
    {
        base.Dispose();
        _reader.Dispose();
    }

    private async Task<int> EndAsync(ReservationOutcome[] outcomes, CancellationToken cancellationToken)
    {
        // Includes purchases that were cancelled later, because they have used their pass.
        var now = Clock.GetUtcNow();
        // The orchestrator's clock may be wrong.
        var ids = outcomes.Where(outcome => (now - outcome.ConfirmedAt).Duration() >= Delay)
            .Select(outcome => outcome.QueueTokenId).OfType<Guid>().Distinct().ToList();
        if (ids.Count == 0)
            return 0;
        var ended = await Task.WhenAll(ids.Select(id => passes.HandleAsync(new PurchasedPass(id)))).WaitAsync(cancellationToken);
        return ended.Count(outcome => outcome.Reply is true);
    }

    private async Task<DateTimeOffset?> MarkAsync(CancellationToken cancellationToken)
    {
        await using var scope = scopes.CreateAsyncScope();
        return await scope.ServiceProvider.GetRequiredService<QueueDbContext>().Marks
            .Where(mark => mark.Name == QueueMark.Outcomes).Select(mark => (DateTimeOffset?)mark.At)
                .SingleOrDefaultAsync(cancellationToken);
    }

    // Replicas run concurrently, so the mark only moves forward, unless a clock that was ahead has written it.
    private async Task SaveAsync(DateTimeOffset to, CancellationToken cancellationToken)
    {
        await using var scope = scopes.CreateAsyncScope();
        var database = scope.ServiceProvider.GetRequiredService<QueueDbContext>();
        await using var transaction = await database.Database.BeginTransactionAsync(cancellationToken);
        var now = Clock.GetUtcNow();
        var mark = await database.Marks.SingleOrDefaultAsync(row => row.Name == QueueMark.Outcomes, cancellationToken);
        if (mark is null)
            database.Marks.Add(new QueueMark { Name = QueueMark.Outcomes, At = to });
        else if (mark.At < to || mark.At > now)
            mark.At = to;
        await database.SaveChangesAsync(cancellationToken);
        await transaction.CommitAsync(cancellationToken);
    }

    [LoggerMessage(5009, LogLevel.Warning,
        "The purchase messages of {Count} passes were lost. The orchestrator's outcomes ended these passes.")]
    private static partial void LogEnded(ILogger logger, int count);
}
