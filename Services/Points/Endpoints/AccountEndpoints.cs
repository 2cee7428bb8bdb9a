using ConcertSaga.Points.Data;
using ConcertSaga.Shared.Hosting.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Points.Endpoints;

/// <summary>What a user has.</summary>
/// <param name="UserId">The user.</param>
/// <param name="Balance">In points.</param>
public sealed record BalanceView(string UserId, long Balance);

/// <summary>One change of a balance.</summary>
/// <param name="EntryId">The entry.</param>
/// <param name="Kind"><c>Charge</c>, <c>Deduction</c> or <c>Refund</c>.</param>
/// <param name="Amount">In points; negative where they were taken.</param>
/// <param name="BalanceAfter">What the user had afterwards.</param>
/// <param name="ReservationId">What was paid for or given back; null on a charge.</param>
/// <param name="At">When.</param>
public sealed record EntryView(Guid EntryId, string Kind, long Amount, long BalanceAfter, Guid? ReservationId, DateTimeOffset At);

internal static class AccountEndpoints
{
    public static void MapAccount(this IEndpointRouteBuilder routes)
    {
        var account = routes.MapGroup("/api/points").WithTags("Points");
        account.MapGet("", GetBalance);
        account.MapGet("/entries", ListEntries).ProducesProblem(StatusCodes.Status400BadRequest);
    }

    /// <summary>The caller's balance; 0 for one who never had points.</summary>
    internal static async Task<Ok<BalanceView>> GetBalance(Caller caller, PointsDbContext database, CancellationToken cancellationToken)
    {
        var balance = await database.Accounts.Where(account => account.UserId == caller.UserId)
            .Select(account => account.Balance).FirstOrDefaultAsync(cancellationToken);
        return TypedResults.Ok(new BalanceView(caller.UserId, balance));
    }

    /// <summary>The caller's ledger, newest first.</summary>
    internal static async Task<Ok<Page<EntryView>>> ListEntries(
        int? limit, string? cursor, Caller caller, PointsDbContext database, CancellationToken cancellationToken)
    {
        var take = Paging.Limit(limit);
        var before = Paging.Cursor<long>(cursor) ?? long.MaxValue;
        var entries = await database.LedgerEntries.AsNoTracking()
            .Where(entry => entry.UserId == caller.UserId && entry.Sequence < before)
            .OrderByDescending(entry => entry.Sequence)
            .Take(take + 1)
            .ToListAsync(cancellationToken);
        var page = Paging.Cut(entries, take, entry => entry.Sequence);
        return TypedResults.Ok(new Page<EntryView>(
            [.. page.Items.Select(entry => new EntryView(
                entry.EntryId, entry.Kind.ToString(), entry.Amount, entry.BalanceAfter, entry.ReservationId, entry.At))],
            page.NextCursor));
    }
}
