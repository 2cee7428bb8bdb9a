using ConcertSaga.Contracts;
using ConcertSaga.Operations.Data;
using ConcertSaga.Shared.Hosting.Http;
using ConcertSaga.Shared.Hosting.Operators;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Operations.Bulk;

/// <summary>
/// Writes the objects of a request down as an operation, and starts it. What a dry run has counted is therefore exactly what is changed.
/// </summary>
internal sealed class SelectionWriter(OperationsDbContext database, TimeProvider clock)
{
    /// <summary>How many objects a dry run shows.</summary>
    public const int SampleSize = 20;

    private const int MaxItems = 10_000;

    /// <summary>Selects objects, or starts an operation on them.</summary>
    /// <param name="kind">What to do with each object.</param>
    /// <param name="request">Names the objects.</param>
    /// <param name="caller">The user id of the operator.</param>
    /// <param name="choose">Finds the objects of a dry run, at most the limit of the request.</param>
    /// <param name="cancellationToken">Ends the request.</param>
    public async Task<Results<Ok<BulkSelection<TView>>, Accepted<OperationStarted>, ProblemHttpResult>> ActAsync<TId, TFilter, TView>(
        OperationKind kind, BulkRequest<TId, TFilter> request, string caller,
        Func<BulkRequest<TId, TFilter>, int, Task<BulkChosen<TId, TView>>> choose, CancellationToken cancellationToken)
        where TId : struct
        where TFilter : class
    {
        if (!request.DryRun && OperatorRoutes.RefuseReason(request.Reason) is { } invalidReason)
            return invalidReason;
        if (FaultOf(request) is var (member, fault))
            return Problems.Invalid(RefusalCodes.InvalidSelection, member, fault);
        if (request.Selection is { } selection)
            return await StartAsync(kind, selection, request.Reason!, caller, cancellationToken) ? Started(selection)
                : Refusals.OperationNotFound.Answer();
        var limit = request.Limit ?? MaxItems;
        // Given ids are selected whatever their state, so that the operation explains each one that it skips.
        if (request.Ids is { } ids)
            request = request with { Ids = [.. ids.Distinct().Order().Take(limit)] };
        if (!request.DryRun)
            return Started(await WriteAsync(kind, request.Ids!, request.Reason, caller, cancellationToken));
        var chosen = await choose(request, limit);
        var operationId = await WriteAsync(kind, chosen.Ids, null, caller, cancellationToken);
        return TypedResults.Ok(new BulkSelection<TView>(chosen.Ids.Count, chosen.Sample, operationId));
    }

    private static (string Member, string Fault)? FaultOf<TId, TFilter>(BulkRequest<TId, TFilter> request)
        where TId : struct
        where TFilter : class
    {
        object?[] ways = [request.Ids, request.Filter, request.Selection];
        if (ways.Count(way => way is not null) != 1)
            return ("selection", "Send exactly one of ids, filter and selection.");
        if (request.Filter is not null && !request.DryRun)
            return ("filter", "Send the filter with dryRun first, and then the selection of its answer.");
        if (request.Selection is not null && request.DryRun)
            return ("selection", "A selection is the result of a dry run. Send it without dryRun.");
        if (request.Ids is { Length: 0 or > MaxItems })
            return ("ids", $"Send 1 to {MaxItems} ids.");
        return request.Limit is < 1 or > MaxItems ? ("limit", $"Allowed: 1 to {MaxItems}.") : null;
    }

    // With a reason, the operation starts at once.
    private async Task<Guid> WriteAsync<TId>(
        OperationKind kind, IReadOnlyList<TId> ids, string? reason, string caller, CancellationToken cancellationToken)
        where TId : struct
    {
        var now = clock.GetUtcNow();
        var operationId = Guid.CreateVersion7(now);
        await using var transaction = await database.Database.BeginTransactionAsync(cancellationToken);
        database.Operations.Add(new Operation
        {
            OperationId = operationId,
            Kind = kind,
            Status = reason is null ? OperationStatus.Selected : OperationStatus.Running,
            Operator = caller,
            Reason = reason,
            Matched = ids.Count,
            CreatedAt = now,
            StartedAt = reason is null ? null : now
        });
        await database.SaveChangesAsync(cancellationToken);
        await ItemInsert.InsertAsync(database, [.. ids.Select((id, index) => new OperationItem
        {
            OperationId = operationId,
            Number = index + 1,
            FailedMessageId = id is long number ? number : 0,
            TargetId = id is Guid target ? target : null
        })], cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        return operationId;
    }

    private async Task<bool> StartAsync(
        OperationKind kind, Guid selection, string reason, string caller, CancellationToken cancellationToken)
    {
        var now = clock.GetUtcNow();
        var operation = database.Operations.Where(row => row.OperationId == selection && row.Kind == kind);
        var started = await database.InTransactionAsync(_ => operation.Where(row => row.Status == OperationStatus.Selected)
            .ExecuteUpdateAsync(set => set.SetProperty(row => row.Status, OperationStatus.Running)
                .SetProperty(row => row.Operator, caller).SetProperty(row => row.Reason, reason)
                .SetProperty(row => row.StartedAt, now), cancellationToken), cancellationToken);
        // A repeated request finds the operation that the first one started. A selection that was stopped before its start cannot start.
        return started == 1 || await operation.AnyAsync(row => row.StartedAt != null, cancellationToken);
    }

    private static Accepted<OperationStarted> Started(Guid operationId) =>
        TypedResults.Accepted($"/ops/api/operations/{operationId}", new OperationStarted(operationId));
}
