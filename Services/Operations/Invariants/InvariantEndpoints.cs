using ConcertSaga.Contracts;
using ConcertSaga.Operations.Data;
using ConcertSaga.Shared.Hosting.Http;
using ConcertSaga.Shared.Hosting.Operators;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Operations.Invariants;

/// <summary>An invariant with its last check.</summary>
/// <param name="Name">The name.</param>
/// <param name="Promise">What holds.</param>
/// <param name="CheckedAt">When the last complete check ended; null before the first.</param>
/// <param name="RowsChecked">The number of rows that it has looked at.</param>
/// <param name="IsRunning">Whether a check runs.</param>
/// <param name="StartedAt">When the current check started, or the last one if none runs.</param>
/// <param name="RowsSoFar">The number of rows that the current check has looked at.</param>
/// <param name="RequestedAt">When an operator last asked for a check.</param>
/// <param name="FindingCount">The number of findings, at most 1,000.</param>
/// <param name="Findings">The oldest findings, at most 100.</param>
public sealed record InvariantView(
    InvariantKind Name, string Promise, DateTimeOffset? CheckedAt, long RowsChecked, bool IsRunning, DateTimeOffset? StartedAt,
    long RowsSoFar, DateTimeOffset? RequestedAt, int FindingCount, IReadOnlyList<InvariantFindingView> Findings);

/// <summary>A disagreement that two looks some seconds apart have found.</summary>
/// <param name="Subject">The address of the object, such as <c>reservations/01a2…</c>.</param>
/// <param name="Detail">What disagrees.</param>
/// <param name="FoundAt">When a check first found it.</param>
public sealed record InvariantFindingView(string Subject, string Detail, DateTimeOffset FoundAt);

/// <summary><c>/ops/api/invariants</c>.</summary>
internal static class InvariantEndpoints
{
    private const string Route = "/ops/api/invariants";
    private const int MaxShown = 100;

    public static void MapInvariants(this IEndpointRouteBuilder routes)
    {
        var invariants = routes.MapOperators(Route);
        invariants.MapGet("", ListInvariants);
        invariants.MapPost("/{name}/check", CheckInvariant).Refuses(404, RefusalCodes.InvariantNotFound)
            .Refuses(422, RefusalCodes.InvalidReason);
    }

    /// <summary>Lists the invariants with their last checks and their findings.</summary>
    internal static async Task<Ok<Page<InvariantView>>> ListInvariants(
        OperationsDbContext database, CancellationToken cancellationToken)
    {
        var views = new List<InvariantView>();
        foreach (var invariant in Invariant.All)
            views.Add(await ReadAsync(database, invariant.Kind, cancellationToken));
        return TypedResults.Ok(new Page<InvariantView>(views, null));
    }

    /// <summary>Checks an invariant now. If a check runs, another one follows it.</summary>
    internal static async Task<Results<Accepted<InvariantView>, ProblemHttpResult>> CheckInvariant(
        string name, OperatorReason body, Caller caller, OperationsDbContext database, TimeProvider clock,
        CancellationToken cancellationToken)
    {
        if (OperatorRoutes.RefuseReason(body.Reason) is { } invalid)
            return invalid;
        if (!EnumName<InvariantKind>.TryParse(name, null, out var given))
            return Refusals.InvariantNotFound.Answer();
        var (kind, now) = (given.Value, clock.GetUtcNow());
        await using (var transaction = await database.Database.BeginTransactionAsync(cancellationToken))
        {
            var check = database.InvariantChecks.Where(row => row.Invariant == kind);
            await check.ExecuteUpdateAsync(set => set.SetProperty(row => row.RequestedAt, now), cancellationToken);
            var checkedAt = await check.Select(row => row.CheckedAt).SingleAsync(cancellationToken);
            database.OperatorActions.Add(new OperatorAction
            {
                ActionId = Guid.CreateVersion7(now),
                At = now,
                Operator = caller.UserId,
                Action = "Check",
                Target = $"invariants/{kind}",
                Reason = body.Reason!,
                Before = OperatorAction.Describe(new { checkedAt }),
                After = OperatorAction.Describe(new { checkedAt, requestedAt = now })
            });
            await database.SaveChangesAsync(cancellationToken);
            await transaction.CommitAsync(cancellationToken);
        }
        return TypedResults.Accepted(Route, await ReadAsync(database, kind, cancellationToken));
    }

    private static async Task<InvariantView> ReadAsync(
        OperationsDbContext database, InvariantKind kind, CancellationToken cancellationToken)
    {
        var check = await database.InvariantChecks.AsNoTracking().SingleAsync(row => row.Invariant == kind, cancellationToken);
        var findings = database.InvariantFindings.AsNoTracking().Where(row => row.Invariant == kind);
        var count = await findings.CountAsync(cancellationToken);
        var shown = await findings.OrderBy(row => row.FoundAt).ThenBy(row => row.Subject).Take(MaxShown)
            .Select(row => new InvariantFindingView(row.Subject, row.Detail, row.FoundAt)).ToListAsync(cancellationToken);
        return new InvariantView(kind, Invariant.Of(kind).Promise, check.CheckedAt, check.RowsChecked, check.RunId is not null,
            check.StartedAt, check.RowsSoFar, check.RequestedAt, count, shown);
    }
}
