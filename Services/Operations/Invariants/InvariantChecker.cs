using System.Globalization;
using ConcertSaga.Contracts;
using ConcertSaga.Contracts.Facts;
using ConcertSaga.Operations.Data;
using ConcertSaga.Operations.Facts;
using ConcertSaga.Operations.Owners;
using ConcertSaga.Shared.Hosting.Background;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;

namespace ConcertSaga.Operations.Invariants;

/// <summary>
/// Checks each invariant periodically. A check walks through the keys of the owners page by page, so no statement reads much, and it
/// rests after each page. It saves its position after a batch of pages, so a restart continues there.
/// </summary>
internal sealed partial class InvariantChecker(
    IServiceScopeFactory scopes, OwnerClient owners, FactReader facts, IOptions<OperationsOptions> options, TimeProvider clock,
    ILogger<InvariantChecker> logger)
    : PeriodicTask("Checking invariants", TimeSpan.FromSeconds(1), clock, logger)
{
    private const int PageSize = 200, PagesOfBatch = 20;

    private static readonly TimeSpan AddressInterval = TimeSpan.FromMilliseconds(100);

    private readonly ILogger<InvariantChecker> _logger = logger;

    private readonly Guid _replica = Guid.CreateVersion7(clock.GetUtcNow());

    protected override bool RunsAtStart => true;

    public override async Task RunOnceAsync(CancellationToken cancellationToken)
    {
        // AllInOne knows the addresses only after its start.
        while (!owners.IsReady)
            await Task.Delay(AddressInterval, Clock, cancellationToken);
        // One batch of each, so that a long check does not hold up one that an operator asks for.
        while (await LeaseAsync(cancellationToken) is { Count: > 0 } due)
            await Task.WhenAll(due.Select(check => RunBatchAsync(check, cancellationToken)));
    }

    private async Task<List<InvariantCheck>> LeaseAsync(CancellationToken cancellationToken)
    {
        await using var scope = scopes.CreateAsyncScope();
        var database = scope.ServiceProvider.GetRequiredService<OperationsDbContext>();
        var now = Clock.GetUtcNow();
        var latest = now - options.Value.CheckInterval;
        // Later instants are of a replica whose clock was wrong.
        var (lastStart, lastLease) = (now + ClockSkew.Tolerance, now + options.Value.LeaseDuration + ClockSkew.Tolerance);
        var due = database.InvariantChecks.AsNoTracking().Where(check =>
            (check.RunId != null || check.StartedAt == null || check.StartedAt < latest || check.StartedAt > lastStart
                || check.RequestedAt > check.StartedAt)
            && (check.LeaseId == null || check.LeaseId == _replica || check.LeasedUntil < now || check.LeasedUntil > lastLease));
        if (!await due.AnyAsync(cancellationToken))
            return [];
        var until = now + options.Value.LeaseDuration;
        return await database.InTransactionAsync(async _ =>
        {
            await due.ExecuteUpdateAsync(
                set => set.SetProperty(check => check.LeaseId, _replica).SetProperty(check => check.LeasedUntil, until), cancellationToken);
            return await due.Where(check => check.LeaseId == _replica).ToListAsync(cancellationToken);
        }, cancellationToken);
    }

    private async Task RunBatchAsync(InvariantCheck check, CancellationToken cancellationToken)
    {
        var now = Clock.GetUtcNow();
        if (check.RunId is null)
            (check.RunId, check.StartedAt, check.Source, check.Cursor, check.RowsSoFar) = (Guid.CreateVersion7(now), now, 0, null, 0);
        var invariant = Invariant.Of(check.Invariant);
        var suspects = new Dictionary<string, string>();
        var isComplete = false;
        for (var page = 0; page < PagesOfBatch && suspects.Count < PageSize && !isComplete; page++)
        {
            var source = invariant.Sources[check.Source];
            var keys = await ReadKeysAsync(source, check.Cursor, cancellationToken);
            foreach (var (key, detail) in await invariant.LookAsync(keys.Keys, owners, facts, Clock.GetUtcNow(), cancellationToken))
                suspects[key] = detail;
            check.RowsSoFar += keys.Keys.Length;
            check.Cursor = keys.Next;
            if (keys.Next is null)
                isComplete = ++check.Source == invariant.Sources.Count;
            await Task.Delay(options.Value.CheckPause, Clock, cancellationToken);
        }
        await SaveAsync(check, await ConfirmAsync(invariant, suspects, cancellationToken), isComplete, cancellationToken);
    }

    private async Task<FactKeys> ReadKeysAsync(KeySource source, string? after, CancellationToken cancellationToken)
    {
        var path = string.Create(CultureInfo.InvariantCulture, $"/internal/facts/{source.Path}?limit={PageSize}")
            + (after is null ? "" : $"&after={Uri.EscapeDataString(after)}");
        return await owners.GetAsync<FactKeys>(source.Owner, path, cancellationToken)
            ?? throw new HttpRequestException($"{source.Owner} does not have the list {source.Path}.");
    }

    // A step in progress looks like a disagreement, and has moved on at the second look.
    private async Task<Dictionary<string, string>> ConfirmAsync(
        Invariant invariant, Dictionary<string, string> suspects, CancellationToken cancellationToken)
    {
        if (suspects.Count == 0)
            return [];
        await Task.Delay(options.Value.SecondLookAfter, Clock, cancellationToken);
        var confirmed = new Dictionary<string, string>();
        foreach (var keys in suspects.Keys.Chunk(PageSize))
        {
            foreach (var (key, detail) in await invariant.LookAsync(keys, owners, facts, Clock.GetUtcNow(), cancellationToken))
            {
                if (suspects[key] == detail)
                    confirmed[invariant.SubjectOf(key)] = detail;
            }
        }
        return confirmed;
    }

    private async Task SaveAsync(
        InvariantCheck check, Dictionary<string, string> found, bool isComplete, CancellationToken cancellationToken)
    {
        var now = Clock.GetUtcNow();
        await using var scope = scopes.CreateAsyncScope();
        var database = scope.ServiceProvider.GetRequiredService<OperationsDbContext>();
        await using var transaction = await database.Database.BeginTransactionAsync(cancellationToken);
        var row = await database.InvariantChecks.SingleAsync(saved => saved.Invariant == check.Invariant, cancellationToken);
        // Another replica has taken the check over.
        if (row.LeaseId != _replica)
            return;
        (row.RunId, row.StartedAt, row.Source, row.Cursor, row.RowsSoFar) =
            (check.RunId, check.StartedAt, check.Source, check.Cursor, check.RowsSoFar);
        if (isComplete)
            (row.RunId, row.CheckedAt, row.RowsChecked, row.LeaseId) = (null, now, check.RowsSoFar, null);
        var added = await database.StoreAsync(check, found, now, cancellationToken);
        await database.SaveChangesAsync(cancellationToken);
        // What this check has not seen again is repaired.
        if (isComplete)
            await database.InvariantFindings.Where(finding => finding.Invariant == check.Invariant && finding.RunId != check.RunId)
                .ExecuteDeleteAsync(cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        foreach (var finding in added)
            LogFound(finding.Invariant, finding.Subject, finding.Detail);
    }

    [LoggerMessage(11011, LogLevel.Error, "The invariant {Invariant} is broken at {Subject}: {Detail}")]
    private partial void LogFound(InvariantKind invariant, string subject, string detail);
}
