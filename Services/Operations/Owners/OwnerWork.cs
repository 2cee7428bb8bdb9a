using ConcertSaga.Operations.Bulk;
using ConcertSaga.Operations.Data;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Shared.Hosting.Operators;

namespace ConcertSaga.Operations.Owners;

/// <summary>
/// Changes objects of other owners. Each change has an id that derives from the operation and the item, and the owner acts once for each
/// id. Changes are marked as begun, sent, and completed when the owner has recorded each; after a kill they are sent once more.
/// </summary>
internal sealed class OwnerWork(OwnerClient owners, TimeProvider clock) : IOperationWork
{
    private const int PollsPerBatch = 20;

    private static readonly TimeSpan PollInterval = TimeSpan.FromMilliseconds(50);

    // The changes that this process has sent and that are not recorded yet. Their messages cannot be lost, so it does not resend them.
    private readonly HashSet<Guid> _sent = [];

    private readonly Dictionary<OperationKind, OwnerPace> _paces = [];

    public IReadOnlyList<OperationKind> Kinds { get; } = [OperationKind.Retry, OperationKind.Cancel, OperationKind.SendAgain];

    public async Task<bool> RunAsync(OperationBatch batch, CancellationToken cancellationToken)
    {
        var (kind, isStopping) = (batch.Operation.Kind, batch.Operation.IsStopping);
        if (!_paces.TryGetValue(kind, out var pace))
            _paces.Add(kind, pace = new OwnerPace());
        var begun = batch.Items.FindAll(item => item.IsBegun);
        var unsent = begun.FindAll(item => !_sent.Contains(ActionIdOf(item)));
        // After a kill or a failure, what was begun comes first.
        var added = isStopping || unsent.Count > 0 ? [] : batch.Items.Where(item => !item.IsBegun).Take(pace.Next).ToList();
        added.ForEach(item => item.IsBegun = true);
        await SaveAsync(batch.Database, cancellationToken);
        List<OperationItem> open = [.. begun, .. added];
        unsent.AddRange(added);
        var started = clock.GetTimestamp();
        if (unsent.Count > 0)
        {
            await AskAsync(batch.Operation, unsent, starts: true, cancellationToken);
            _sent.UnionWith(unsent.Select(ActionIdOf));
        }
        // An earlier change that is still not recorded does not hold up the others.
        var awaited = added.Count > 0 ? added : begun;
        for (var poll = 0; poll < PollsPerBatch && awaited.Exists(item => item.Outcome is null); poll++)
        {
            await Task.Delay(PollInterval, clock, cancellationToken);
            await AskAsync(batch.Operation, open.FindAll(item => item.Outcome is null), starts: false, cancellationToken);
        }
        var rest = pace.Learn(added.Count, clock.GetElapsedTime(started), awaited.TrueForAll(item => item.Outcome is not null));
        await SaveAsync(batch.Database, cancellationToken);
        _sent.ExceptWith(open.Where(item => item.Outcome is not null).Select(ActionIdOf));
        await Task.Delay(rest, clock, cancellationToken);
        return open.Exists(item => item.Outcome is null) || (open.Count < batch.Items.Count && !isStopping);
    }

    /// <summary>The id of the change of an item.</summary>
    internal static Guid ActionIdOf(OperationItem item) => DerivedId.Of(item.OperationId, $"{item.Number}");

    private async Task AskAsync(Operation operation, List<OperationItem> items, bool starts, CancellationToken cancellationToken)
    {
        var results = await owners.ChangeAsync(operation.Kind, new BulkChange(
            operation.Kind.ToString(), operation.Operator, operation.Reason!,
            [.. items.Select(item => new BulkItem(ActionIdOf(item), item.TargetId!.Value))], starts), cancellationToken);
        var byId = results.ToDictionary(result => result.ActionId);
        foreach (var item in items)
        {
            if (byId.GetValueOrDefault(ActionIdOf(item)) is { Outcome: { } outcome, Reason: var reason })
                (item.Outcome, item.Reason) = (outcome, reason);
        }
    }

    private static Task<int> SaveAsync(OperationsDbContext database, CancellationToken cancellationToken) =>
        database.InTransactionAsync(_ => database.SaveChangesAsync(cancellationToken), cancellationToken);
}
