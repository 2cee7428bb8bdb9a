using ConcertSaga.Contracts.Operations;
using ConcertSaga.Operations.Bulk;
using ConcertSaga.Operations.Data;
using ConcertSaga.Operations.Owners;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Shared.Hosting.Operators;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Operations.Customers;

/// <summary>
/// Replaces the id of a customer in each owner, one after the other. Each owner acts once for its action id, so a repetition after a kill
/// changes nothing. When all have acted, the operation forgets the customer too.
/// </summary>
internal sealed class ErasureWork(OwnerClient owners, TimeProvider clock) : IOperationWork
{
    // The orchestrator is the first one, because only it can refuse.
    private static readonly Owner[] Order =
        [Owner.Orchestrator, Owner.Queue, Owner.Seats, Owner.Points, Owner.Payments, Owner.DataPlatform, Owner.Operations];

    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(1);

    public IReadOnlyList<OperationKind> Kinds { get; } = [OperationKind.Erase];

    /// <summary>The items of an erasure: the action in each owner.</summary>
    public static IEnumerable<OperationItem> ItemsOf(Guid operationId) => Order.Select((owner, index) => new OperationItem
    {
        OperationId = operationId,
        Number = index + 1,
        TargetId = DerivedId.Of(operationId, $"{owner}")
    });

    /// <summary>Reads the reservations of a customer from the orchestrator.</summary>
    public static async Task<CustomerReservations> ReadReservationsAsync(
        string userId, OwnerClient owners, CancellationToken cancellationToken) =>
        await owners.GetAsync<CustomerReservations>(
            Owner.Orchestrator, $"/internal/customers/reservations?userId={Uri.EscapeDataString(userId)}", cancellationToken)
            ?? throw new HttpRequestException("This version of the orchestrator does not list the reservations of a customer.");

    public async Task<bool> RunAsync(OperationBatch batch, CancellationToken cancellationToken)
    {
        var (database, operation) = (batch.Database, batch.Operation);
        var isFirst = batch.Items is [{ Number: 1 }, ..];
        if (!isFirst || !operation.IsStopping || batch.Items[0].IsBegun)
        {
            if (isFirst)
                await BeginAsync(batch, cancellationToken);
            await ContinueAsync(batch, cancellationToken);
            if (batch.Items.Exists(item => item.Outcome is null))
            {
                await Task.Delay(Pause, clock, cancellationToken);
                return true;
            }
        }
        await database.InTransactionAsync(_ => database.Operations.Where(row => row.OperationId == operation.OperationId)
            .ExecuteUpdateAsync(set => set.SetProperty(row => row.CustomerId, (string?)null), cancellationToken), cancellationToken);
        return false;
    }

    private async Task BeginAsync(OperationBatch batch, CancellationToken cancellationToken)
    {
        var first = batch.Items[0];
        first.IsBegun = true;
        await SaveAsync(batch, cancellationToken);
        Mark(first, await EraseAsync(batch, first, null, cancellationToken));
        if (first.Outcome == ItemOutcome.Failed)
        {
            foreach (var item in batch.Items.Skip(1))
                (item.Outcome, item.Reason) = (ItemOutcome.Skipped, "The orchestrator has refused it.");
        }
        await SaveAsync(batch, cancellationToken);
    }

    private async Task ContinueAsync(OperationBatch batch, CancellationToken cancellationToken)
    {
        if (batch.Items.FindAll(item => item.Outcome is null) is not { Count: > 0 } open)
            return;
        // The orchestrator knows them by the new id already.
        var known = await ReadReservationsAsync(batch.Operation.Pseudonym!, owners, cancellationToken);
        foreach (var item in open)
        {
            Mark(item, await EraseAsync(batch, item, known, cancellationToken));
            await SaveAsync(batch, cancellationToken);
        }
    }

    private Task<CustomerErasure> EraseAsync(
        OperationBatch batch, OperationItem item, CustomerReservations? known, CancellationToken cancellationToken)
    {
        var (owner, operation) = (Order[item.Number - 1], batch.Operation);
        var command = new EraseCustomer(item.TargetId!.Value, operation.Operator, operation.Reason!, operation.CustomerId!,
            operation.Pseudonym!, known?.ReservationIds ?? [], known?.LastOutcomeAt);
        return owner == Owner.Operations
            ? CustomerErasureRoute.EraseAsync(command, batch.Database, FailedMessageErasure.ReplaceAsync, null, clock, cancellationToken)
            : owners.PostAsync<CustomerErasure>(
                owner, $"/internal/customers/{owner.ToString().ToLowerInvariant()}/erase", command, cancellationToken);
    }

    private static void Mark(OperationItem item, CustomerErasure erasure)
    {
        if (erasure.IsDone)
            (item.Outcome, item.Reason) = (erasure.Refusal is null ? ItemOutcome.Succeeded : ItemOutcome.Failed, erasure.Refusal);
    }

    private static Task<int> SaveAsync(OperationBatch batch, CancellationToken cancellationToken) =>
        batch.Database.InTransactionAsync(_ => batch.Database.SaveChangesAsync(cancellationToken), cancellationToken);
}
