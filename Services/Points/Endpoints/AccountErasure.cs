using ConcertSaga.Contracts.Operations;
using ConcertSaga.Points.Data;
using ConcertSaga.Shared.Hosting.Operators;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Points.Endpoints;

/// <summary>Moves the account of an erased customer with its ledger and decisions to the new id.</summary>
internal static class AccountErasure
{
    public static void MapAccountErasure(this IEndpointRouteBuilder routes) =>
        routes.MapCustomerErasure<PointsDbContext>("points", ReplaceAsync);

    private static async Task<string?> ReplaceAsync(PointsDbContext database, EraseCustomer command, CancellationToken cancellationToken)
    {
        var (from, to) = (command.UserId, command.Pseudonym);
        // Both at once: transactions lock accounts in the order of their ids. A refund may have created the new one already, because the
        // orchestrator erases first.
        var account = (await database.LockAccountsAsync([from, to], cancellationToken))[from];
        // The customer may have bought again after the orchestrator listed the reservations. Decisions and entries stay together.
        var booked = await database.LedgerEntries.Where(entry => entry.UserId == from && entry.ReservationId != null)
            .Select(entry => entry.ReservationId!.Value).Distinct().ToListAsync(cancellationToken);
        await ShiftAsync(database, account, to, cancellationToken);
        await database.LedgerEntries.Where(entry => entry.UserId == from)
            .ExecuteUpdateAsync(set => set.SetProperty(entry => entry.UserId, to), cancellationToken);
        await database.Accounts.Where(row => row.UserId == from).ExecuteDeleteAsync(cancellationToken);
        await database.ChargeKeys.Where(key => key.UserId == from)
            .ExecuteUpdateAsync(set => set.SetProperty(key => key.UserId, to), cancellationToken);
        foreach (var ids in CustomerErasureRoute.PartsOf(command with { ReservationIds = [.. command.ReservationIds.Union(booked)] }))
        {
            await database.PointDeductions.Where(row => ids.Contains(row.ReservationId) && row.UserId == from)
                .ExecuteUpdateAsync(set => set.SetProperty(row => row.UserId, to), cancellationToken);
            await database.PointRefunds.Where(row => ids.Contains(row.ReservationId) && row.UserId == from)
                .ExecuteUpdateAsync(set => set.SetProperty(row => row.UserId, to), cancellationToken);
        }
        return null;
    }

    // Puts the entries of the new account behind those of the old one, and adds the balance of the old one.
    private static async Task ShiftAsync(PointsDbContext database, Account account, string to, CancellationToken cancellationToken)
    {
        var (balance, count) = (account.Balance, account.EntryCount);
        var sequences = await database.LedgerEntries.Where(entry => entry.UserId == to).OrderByDescending(entry => entry.Sequence)
            .Select(entry => entry.Sequence).ToListAsync(cancellationToken);
        // One by one, the last one first, because their numbers are unique at any time.
        foreach (var sequence in sequences)
            await database.LedgerEntries.Where(entry => entry.UserId == to && entry.Sequence == sequence).ExecuteUpdateAsync(
                set => set.SetProperty(entry => entry.Sequence, entry => entry.Sequence + count)
                    .SetProperty(entry => entry.BalanceAfter, entry => entry.BalanceAfter + balance), cancellationToken);
        await database.Accounts.Where(row => row.UserId == to).ExecuteUpdateAsync(
            set => set.SetProperty(row => row.Balance, row => row.Balance + balance)
                .SetProperty(row => row.EntryCount, row => row.EntryCount + count), cancellationToken);
        // The tracked rows are outdated now.
        database.ChangeTracker.Clear();
    }
}
