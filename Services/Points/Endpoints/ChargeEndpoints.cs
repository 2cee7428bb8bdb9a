using ConcertSaga.Contracts;
using ConcertSaga.Points.Data;
using ConcertSaga.Shared.Hosting.Failures;
using ConcertSaga.Shared.Hosting.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;

namespace ConcertSaga.Points.Endpoints;

/// <summary>A request to charge points.</summary>
/// <param name="Amount">The points to add.</param>
public sealed record ChargeRequest([property: RefusedAs(RefusalCodes.InvalidAmount)] long Amount);

/// <summary>A completed charge.</summary>
/// <param name="EntryId">The id of its ledger entry.</param>
/// <param name="Amount">The points added.</param>
/// <param name="Balance">The balance after the charge.</param>
public sealed record ChargeView(Guid EntryId, long Amount, long Balance);

internal static class ChargeEndpoints
{
    private const int MaxAttempts = 6;

    public static void MapCharges(this IEndpointRouteBuilder routes) =>
        routes.MapGroup("/api/points/charges").WithTags("Points")
            .MapPost("", Charge)
            .Refuses(422, RefusalCodes.InvalidAmount);

    /// <summary>
    /// Adds points to the caller's account, once per <c>Idempotency-Key</c>. A repeated request gets the first response again. A temporary
    /// failure of the database is retried a few times before the response is 503.
    /// </summary>
    internal static async Task<Results<Created<ChargeView>, ProblemHttpResult>> Charge(
        ChargeRequest request, IdempotencyKey key, Caller caller, IServiceScopeFactory scopes, IOptions<PointsOptions> options,
        TimeProvider clock, HttpContext http, CancellationToken cancellationToken)
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                await using var scope = scopes.CreateAsyncScope();
                var database = scope.ServiceProvider.GetRequiredService<PointsDbContext>();
                return await ChargeOnceAsync(
                    database, caller.UserId, key.Value, request.Amount, options.Value, clock, http, cancellationToken);
            }
            // A DbUpdateException is also expected: two first charges of one user both create the account, and one fails on its key.
            catch (Exception exception) when (attempt < MaxAttempts
                && (exception is DbUpdateException || FailurePolicy.IsTransient(exception)))
            {
                await Task.Delay(TimeSpan.FromMilliseconds(10 * (1 << attempt)), cancellationToken);
            }
        }
    }

    private static async Task<Results<Created<ChargeView>, ProblemHttpResult>> ChargeOnceAsync(
        PointsDbContext database, string userId, Guid key, long amount, PointsOptions options, TimeProvider clock, HttpContext http,
        CancellationToken cancellationToken)
    {
        // The key is checked before the limits: a repeated request gets its first response even if the limits were lowered since. An amount
        // out of range neither locks nor creates an account.
        var isAllowed = amount >= 1 && amount <= options.MaxCharge;
        if (!isAllowed
            && !await database.ChargeKeys.AnyAsync(charge => charge.UserId == userId && charge.IdempotencyKey == key, cancellationToken))
            return OutOfRange(options);
        await using var transaction = await database.Database.BeginTransactionAsync(cancellationToken);
        // A repeated request waits here while the first one runs, and then finds its charge.
        var account = await database.LockAccountAsync(userId, cancellationToken);
        var earlier = await database.ChargeKeys
            .Where(charge => charge.UserId == userId && charge.IdempotencyKey == key)
            .Join(database.LedgerEntries, charge => charge.EntryId, entry => entry.EntryId, (charge, entry) => entry)
            .AsNoTracking().FirstOrDefaultAsync(cancellationToken);
        if (earlier is not null)
        {
            if (earlier.Amount != amount)
                return IdempotencyKey.Reused();
            IdempotencyKey.MarkReplayed(http.Response);
            return Created(earlier);
        }
        if (!isAllowed)
            return OutOfRange(options);
        if (account.Balance + amount > options.MaxBalance)
            return Problems.Invalid(RefusalCodes.InvalidAmount, "amount",
                $"This charge would raise the balance above {options.MaxBalance} points. Charge less.");

        var entry = account.Add(EntryKind.Charge, amount, null, clock.GetUtcNow());
        database.LedgerEntries.Add(entry);
        database.ChargeKeys.Add(new ChargeKey
        {
            UserId = userId,
            IdempotencyKey = key,
            Amount = amount,
            EntryId = entry.EntryId,
            CreatedAt = entry.At
        });
        await database.SaveChangesAsync(cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        return Created(entry);
    }

    private static ProblemHttpResult OutOfRange(PointsOptions options) =>
        Problems.Invalid(RefusalCodes.InvalidAmount, "amount", $"One charge adds from 1 to {options.MaxCharge} points.");

    private static Created<ChargeView> Created(LedgerEntry entry) =>
        TypedResults.Created((string?)null, new ChargeView(entry.EntryId, entry.Amount, entry.BalanceAfter));
}
