using System.ComponentModel.DataAnnotations;
using ConcertSaga.Points.Data;
using ConcertSaga.Shared.Hosting.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Points.Endpoints;

/// <summary>The balance of a user.</summary>
/// <param name="UserId">The user's id.</param>
/// <param name="Balance">The balance in points.</param>
public sealed record BalanceView(string UserId, long Balance);

/// <summary>One change of a balance.</summary>
/// <param name="EntryId">The entry's id.</param>
/// <param name="Kind">The reason of the change.</param>
/// <param name="Amount">The change in points; negative for a deduction.</param>
/// <param name="BalanceAfter">The balance after the change.</param>
/// <param name="ReservationId">The reservation that was paid or refunded; null on a charge.</param>
/// <param name="At">The time of the change.</param>
public sealed record EntryView(Guid EntryId, EntryKind Kind, long Amount, long BalanceAfter, Guid? ReservationId, DateTimeOffset At);

internal static class AccountEndpoints
{
    public static void MapAccount(this IEndpointRouteBuilder routes)
    {
        var account = routes.MapGroup("/api/points").WithTags("Points");
        account.MapGet("", GetBalance);
        account.MapGet("/entries", ListEntries).ProducesProblem(StatusCodes.Status400BadRequest);
    }

    /// <summary>Returns the caller's balance. A user who never had points has 0.</summary>
    internal static async Task<Ok<BalanceView>> GetBalance(Caller caller, PointsDbContext database, CancellationToken cancellationToken)
    {
        var balance = await database.Accounts.Where(account => account.UserId == caller.UserId)
            .Select(account => account.Balance).FirstOrDefaultAsync(cancellationToken);
        return TypedResults.Ok(new BalanceView(caller.UserId, balance));
    }

    /// <summary>Lists the caller's ledger entries, newest first.</summary>
    internal static async Task<Ok<Page<EntryView>>> ListEntries(
        [Range(1, Paging.MaxLimit)] int? limit, string? cursor, Caller caller, PointsDbContext database,
        CancellationToken cancellationToken)
    {
        var take = limit ?? Paging.DefaultLimit;
        var before = Paging.Cursor<long>(cursor) ?? long.MaxValue;
        var entries = await database.LedgerEntries.AsNoTracking()
            .Where(entry => entry.UserId == caller.UserId && entry.Sequence < before)
            .OrderByDescending(entry => entry.Sequence)
            .Take(take + 1)
            .ToListAsync(cancellationToken);
        var page = Paging.Cut(entries, take, entry => entry.Sequence);
        return TypedResults.Ok(new Page<EntryView>(
            [.. page.Items.Select(entry => new EntryView(
                entry.EntryId, entry.Kind, entry.Amount, entry.BalanceAfter, entry.ReservationId, entry.At))],
            page.NextCursor));
    }
}
