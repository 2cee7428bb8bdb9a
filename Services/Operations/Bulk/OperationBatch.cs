using ConcertSaga.Operations.Data;

namespace ConcertSaga.Operations.Bulk;

/// <summary>The next open items of an operation.</summary>
/// <param name="Database">The context that tracks the items.</param>
/// <param name="Operation">The operation.</param>
/// <param name="Items">The items, in their order.</param>
internal sealed record OperationBatch(OperationsDbContext Database, Operation Operation, List<OperationItem> Items);

/// <summary>Changes the items of some kinds of operations.</summary>
internal interface IOperationWork
{
    /// <summary>The kinds.</summary>
    IReadOnlyList<OperationKind> Kinds { get; }

    /// <summary>
    /// Changes the items of a batch and saves their outcomes. Once the operation is being stopped, it only finishes what it has begun.
    /// </summary>
    /// <returns>Whether items are still open that it has begun, or has left for the next batch.</returns>
    Task<bool> RunAsync(OperationBatch batch, CancellationToken cancellationToken);
}
