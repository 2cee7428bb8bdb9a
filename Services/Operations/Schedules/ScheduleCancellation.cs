using ConcertSaga.Contracts.Seats;
using ConcertSaga.Operations.Bulk;
using ConcertSaga.Operations.Data;
using ConcertSaga.Operations.Owners;
using ConcertSaga.Shared.Hosting.Http;
using ConcertSaga.Shared.Hosting.Operators;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Operations.Schedules;

/// <summary>
/// Ends the sale of a schedule, then cancels its reservations. Seats refuses every hold after the end of the sale. So the reservations that
/// were requested before it, and can still be cancelled, are all that need to be.
/// </summary>
internal sealed class ScheduleCancellation(SeatsClient seats, OwnerClient owners, TimeProvider clock) : IOperationWork
{
    private const int MaxChosen = 10_000;

    // A replica of the orchestrator with a slow or fast clock may have written the time of a request.
    private static readonly TimeSpan ClockMargin = TimeSpan.FromMinutes(1);

    private readonly OwnerWork _reservations = new(owners, clock);

    public IReadOnlyList<OperationKind> Kinds { get; } = [OperationKind.CancelSchedule];

    public async Task<bool> RunAsync(OperationBatch batch, CancellationToken cancellationToken)
    {
        var operation = batch.Operation;
        if (batch.Items.Count == 0)
            // An operation that is stopped before its first choice would look complete without it.
            return (!operation.IsStopping || operation.Matched == 0) && await ChooseAsync(batch, cancellationToken);
        var hasOpenItems = await _reservations.RunAsync(batch, cancellationToken);
        // Another choice follows the last item.
        return hasOpenItems || !operation.IsStopping;
    }

    /// <summary>Ends the sale. Its id in Seats is the operation's id, so a repetition changes nothing.</summary>
    /// <returns>When the sale ended.</returns>
    public async Task<DateTimeOffset> EndSaleAsync(Operation operation, CancellationToken cancellationToken)
    {
        var command = new CancelSchedule(operation.OperationId, operation.Operator, operation.Reason!);
        // A schedule that has been deleted since then has no sale.
        return await seats.CancelAsync(operation.ScheduleId!.Value, command, cancellationToken) is { } cancelled
            ? cancelled.CancelledAt : clock.GetUtcNow();
    }

    /// <returns>Whether there were reservations that the operation did not have yet.</returns>
    private async Task<bool> ChooseAsync(OperationBatch batch, CancellationToken cancellationToken)
    {
        var (database, operation) = (batch.Database, batch.Operation);
        var endedAt = await EndSaleAsync(operation, cancellationToken);
        var chosen = await owners.ChooseAsync(operation.Kind, new BulkChoice<ReservationSelector>(
            operation.Kind.ToString(), MaxChosen, SampleSize: 0,
            new ReservationSelector(ScheduleId: operation.ScheduleId, CreatedTo: new IsoInstant(endedAt + ClockMargin))),
            cancellationToken);
        var known = (await database.OperationItems.Where(item => item.OperationId == operation.OperationId).Select(item => item.TargetId)
            .ToListAsync(cancellationToken)).ToHashSet();
        var added = chosen.Ids.Where(id => !known.Contains(id)).Select((id, index) => new OperationItem
        {
            OperationId = operation.OperationId,
            Number = known.Count + index + 1,
            TargetId = id
        }).ToList();
        if (added.Count == 0)
            return false;
        await using var transaction = await database.Database.BeginTransactionAsync(cancellationToken);
        await ItemInsert.InsertAsync(database, added, cancellationToken);
        var matched = known.Count + added.Count;
        await database.Operations.Where(row => row.OperationId == operation.OperationId)
            .ExecuteUpdateAsync(set => set.SetProperty(row => row.Matched, matched), cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        return true;
    }
}
