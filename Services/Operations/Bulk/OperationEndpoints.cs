using System.ComponentModel.DataAnnotations;
using System.Globalization;
using ConcertSaga.Contracts;
using ConcertSaga.Operations.Data;
using ConcertSaga.Shared.Hosting.Http;
using ConcertSaga.Shared.Hosting.Operators;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Operations.Bulk;

/// <summary>An operation with its progress.</summary>
/// <param name="OperationId">The id.</param>
/// <param name="Kind">What it does with each item.</param>
/// <param name="Status">The status.</param>
/// <param name="Operator">The user id of the operator.</param>
/// <param name="Reason">The reason given; null until it is started.</param>
/// <param name="CreatedAt">When its items were selected.</param>
/// <param name="StartedAt">When it was started.</param>
/// <param name="CompletedAt">When it ended.</param>
/// <param name="Matched">The number of items.</param>
/// <param name="Done">The number of items it has dealt with.</param>
/// <param name="Succeeded">The number of items it has changed.</param>
/// <param name="Skipped">The number of items that were no longer in a state it can change.</param>
/// <param name="Failed">The number of items it could not change.</param>
/// <param name="Results">One page of the items it has dealt with.</param>
/// <param name="NextCursor">The <c>cursor</c> of the next page; null on the last page.</param>
public sealed record OperationView(
    Guid OperationId, OperationKind Kind, OperationStatus Status, string Operator, string? Reason, DateTimeOffset CreatedAt,
    DateTimeOffset? StartedAt, DateTimeOffset? CompletedAt, int Matched, int Done, int Succeeded, int Skipped, int Failed,
    IReadOnlyList<ItemResult> Results, string? NextCursor);

/// <summary>The outcome of one item.</summary>
/// <param name="Id">The id of the failed message, reservation or delivery; of an erasure, the id of the action in one service.</param>
/// <param name="Outcome">The outcome.</param>
/// <param name="Reason">Why it was skipped or failed.</param>
public sealed record ItemResult(string Id, ItemOutcome Outcome, string? Reason)
{
    internal static ItemResult Of(OperationItem item) =>
        new(item.TargetId?.ToString() ?? item.FailedMessageId.ToString(CultureInfo.InvariantCulture), item.Outcome!.Value, item.Reason);
}

/// <summary>An operation in the list.</summary>
/// <param name="OperationId">The id.</param>
/// <param name="Kind">What it does with each item.</param>
/// <param name="Status">The status.</param>
/// <param name="Operator">The user id of the operator.</param>
/// <param name="Reason">The reason given.</param>
/// <param name="StartedAt">When it was started.</param>
/// <param name="CompletedAt">When it ended; null while it runs.</param>
/// <param name="Matched">The number of items.</param>
public sealed record OperationSummary(
    Guid OperationId, OperationKind Kind, OperationStatus Status, string Operator, string? Reason, DateTimeOffset StartedAt,
    DateTimeOffset? CompletedAt, int Matched);

internal static class OperationEndpoints
{
    public static void MapBulk(this IEndpointRouteBuilder routes)
    {
        var operations = routes.MapOperators("/ops/api/operations");
        operations.MapGet("", ListOperations).ProducesProblems(400);
        operations.MapGet("/{operationId:guid}", GetOperation).ProducesProblems(400).Refuses(404, RefusalCodes.OperationNotFound);
        operations.MapDelete("/{operationId:guid}", StopOperation).Refuses(404, RefusalCodes.OperationNotFound)
            .Refuses(422, RefusalCodes.InvalidReason);
    }

    /// <summary>Lists the operations that were started, newest first. Selections of dry runs are not among them.</summary>
    internal static async Task<Ok<Page<OperationSummary>>> ListOperations(
        [Range(1, Paging.MaxOperatorLimit)] int? limit, string? cursor, OperationsDbContext database, CancellationToken cancellationToken)
    {
        var take = limit ?? Paging.DefaultLimit;
        var rows = database.Operations.AsNoTracking().Where(row => row.StartedAt != null);
        if (Paging.Cursor<InstantKey<Guid>>(cursor) is var (at, id))
            // The first condition bounds the index scan.
            rows = rows.Where(row => row.StartedAt <= at && (row.StartedAt < at || row.OperationId < id));
        var found = await rows.OrderByDescending(row => row.StartedAt).ThenByDescending(row => row.OperationId).Take(take + 1)
            .Select(row => new OperationSummary(row.OperationId, row.Kind, row.Status, row.Operator, row.Reason, row.StartedAt!.Value,
                row.CompletedAt, row.Matched))
            .ToListAsync(cancellationToken);
        return TypedResults.Ok(Paging.Cut(found, take, row => new InstantKey<Guid>(row.StartedAt, row.OperationId)));
    }

    /// <summary>Returns an operation with its progress and one page of its results.</summary>
    internal static async Task<Results<Ok<OperationView>, ProblemHttpResult>> GetOperation(
        Guid operationId, [Range(1, Paging.MaxOperatorLimit)] int? limit, string? cursor, OperationsDbContext database,
        CancellationToken cancellationToken)
    {
        var take = limit ?? Paging.DefaultLimit;
        var after = Paging.Cursor<int>(cursor) ?? 0;
        var operation = await database.Operations.AsNoTracking()
            .SingleOrDefaultAsync(row => row.OperationId == operationId, cancellationToken);
        if (operation is null)
            return Refusals.OperationNotFound.Answer();
        var items = database.OperationItems.AsNoTracking().Where(item => item.OperationId == operationId && item.Outcome != null);
        var counts = await items.GroupBy(item => item.Outcome).Select(group => new { Outcome = group.Key, Count = group.Count() })
            .ToDictionaryAsync(group => group.Outcome!.Value, group => group.Count, cancellationToken);
        var rows = await items.Where(item => item.Number > after).OrderBy(item => item.Number).Take(take + 1)
            .ToListAsync(cancellationToken);
        var page = Paging.Cut(rows, take, item => item.Number);
        return TypedResults.Ok(new OperationView(
            operationId, operation.Kind, operation.Status, operation.Operator, operation.Reason, operation.CreatedAt, operation.StartedAt,
            operation.CompletedAt, operation.Matched, counts.Values.Sum(), Count(ItemOutcome.Succeeded), Count(ItemOutcome.Skipped),
            Count(ItemOutcome.Failed),
            [.. page.Items.Select(ItemResult.Of)], page.NextCursor));

        int Count(ItemOutcome outcome) => counts.GetValueOrDefault(outcome);
    }

    /// <summary>
    /// Stops an operation. It finishes the items that it has begun, and leaves the others unchanged. Repeating it changes nothing.
    /// </summary>
    internal static async Task<Results<Ok<OperationView>, ProblemHttpResult>> StopOperation(
        Guid operationId, string? reason, Caller caller, OperationsDbContext database, TimeProvider clock,
        CancellationToken cancellationToken)
    {
        if (OperatorRoutes.RefuseReason(reason) is { } invalid)
            return invalid;
        var now = clock.GetUtcNow();
        await using (var transaction = await database.Database.BeginTransactionAsync(cancellationToken))
        {
            var operation = database.Operations.Where(row => row.OperationId == operationId);
            var stopped = await operation.Where(row => row.Status == OperationStatus.Selected)
                .ExecuteUpdateAsync(set => set.SetProperty(row => row.Status, OperationStatus.Cancelled)
                    .SetProperty(row => row.CompletedAt, now), cancellationToken);
            stopped += await operation.Where(row => row.Status == OperationStatus.Running && !row.IsStopping)
                .ExecuteUpdateAsync(set => set.SetProperty(row => row.IsStopping, true), cancellationToken);
            if (stopped == 1)
            {
                database.OperatorActions.Add(new OperatorAction
                {
                    ActionId = Guid.CreateVersion7(now),
                    At = now,
                    Operator = caller.UserId,
                    Action = "Stop",
                    Target = $"operations/{operationId}",
                    Reason = reason!
                });
                await database.SaveChangesAsync(cancellationToken);
                await transaction.CommitAsync(cancellationToken);
            }
        }
        return await GetOperation(operationId, null, null, database, cancellationToken);
    }
}
