using System.ComponentModel.DataAnnotations;
using ConcertSaga.Contracts.Facts;
using ConcertSaga.Points.Data;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Points.Endpoints;

/// <summary>Serves decisions, entries and accounts to Operations, which compares them with the reservations.</summary>
internal static class PointFactEndpoints
{
    private const int MaxPageSize = 1_000;

    public static void MapPointFacts(this IEndpointRouteBuilder routes)
    {
        routes.MapGet("/internal/facts/points", ListDeductionKeys);
        routes.MapPost("/internal/facts/points", ReadPointFacts);
        routes.MapGet("/internal/facts/accounts", ListAccountKeys);
        routes.MapPost("/internal/facts/accounts", ReadAccountFacts);
    }

    /// <summary>Lists the reservations for which a deduction was decided.</summary>
    internal static async Task<Ok<FactKeys>> ListDeductionKeys(
        [Range(1, MaxPageSize)] int? limit, Guid? after, PointsDbContext database, CancellationToken cancellationToken)
    {
        var (take, first) = (limit ?? MaxPageSize, after ?? Guid.Empty);
        var ids = await database.PointDeductions.Where(deduction => deduction.ReservationId > first)
            .OrderBy(deduction => deduction.ReservationId).ThenBy(deduction => deduction.Attempt)
            .Select(deduction => deduction.ReservationId).Take(take).ToListAsync(cancellationToken);
        return TypedResults.Ok(new FactKeys([.. ids.Distinct().Select(id => $"{id}")], ids.Count == take ? $"{ids[^1]}" : null));
    }

    /// <summary>Reads what happened to points for these reservations.</summary>
    internal static async Task<Ok<List<PointFact>>> ReadPointFacts(
        FactRequest body, PointsDbContext database, CancellationToken cancellationToken)
    {
        var ids = body.Ids;
        var deductions = await database.PointDeductions.AsNoTracking().Where(row => ids.Contains(row.ReservationId))
            .OrderBy(row => row.Attempt).ToListAsync(cancellationToken);
        var refunds = await database.PointRefunds.AsNoTracking().Where(row => ids.Contains(row.ReservationId))
            .ToDictionaryAsync(row => row.ReservationId, cancellationToken);
        // Entries have an index by customer, and none by reservation.
        string[] users = [.. deductions.Select(row => row.UserId).Concat(refunds.Values.Select(row => row.UserId)).Distinct()];
        var entries = (await database.LedgerEntries.AsNoTracking()
                .Where(row => users.Contains(row.UserId) && row.ReservationId != null && ids.Contains(row.ReservationId.Value))
                .OrderBy(row => row.UserId).ThenBy(row => row.Sequence).ToListAsync(cancellationToken))
            .ToLookup(row => row.ReservationId!.Value);
        var decided = deductions.ToLookup(row => row.ReservationId);
        return TypedResults.Ok(decided.Select(group => group.Key).Union(refunds.Keys).Select(id => new PointFact(
            id,
            [.. decided[id].Select(row => new DeductionFact(row.Attempt, row.Status.ToString(), row.Amount, row.Code, row.CreatedAt))],
            refunds.GetValueOrDefault(id)?.Amount,
            [.. entries[id].Select(row =>
                new LedgerFact(row.EntryId, row.Sequence, row.Kind.ToString(), row.Amount, row.BalanceAfter, row.At))])).ToList());
    }

    /// <summary>Lists the customers who have an account.</summary>
    internal static async Task<Ok<FactKeys>> ListAccountKeys(
        [Range(1, MaxPageSize)] int? limit, string? after, PointsDbContext database, CancellationToken cancellationToken)
    {
        var (take, first) = (limit ?? MaxPageSize, after ?? "");
#pragma warning disable CA1309, CA1310 // The database compares, by the collation of the column.
        var users = await database.Accounts.Where(account => string.Compare(account.UserId, first) > 0).OrderBy(account => account.UserId)
            .Select(account => account.UserId).Take(take).ToListAsync(cancellationToken);
#pragma warning restore CA1309, CA1310
        return TypedResults.Ok(new FactKeys([.. users], users.Count == take ? users[^1] : null));
    }

    /// <summary>Reads accounts and the sums of their ledgers, each in one statement, so that no change can come between.</summary>
    internal static async Task<Ok<List<AccountFact>>> ReadAccountFacts(
        AccountFactRequest body, PointsDbContext database, CancellationToken cancellationToken)
    {
        var users = body.UserIds;
        return TypedResults.Ok(await database.Accounts.Where(account => users.Contains(account.UserId))
            .Select(account => new AccountFact(
                account.UserId, account.Balance, account.EntryCount,
                database.LedgerEntries.Where(entry => entry.UserId == account.UserId).Sum(entry => entry.Amount),
                database.LedgerEntries.Where(entry => entry.UserId == account.UserId).Count()))
            .ToListAsync(cancellationToken));
    }
}
