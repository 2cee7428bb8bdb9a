using ConcertSaga.Points.Data;
using ConcertSaga.Shared.Hosting.Http;
using ConcertSaga.Shared.Hosting.Messaging;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;

namespace ConcertSaga.Points.Endpoints;

/// <summary>What to charge.</summary>
/// <param name="Amount">In points.</param>
public sealed record ChargeRequest(long Amount);

/// <summary>A charge.</summary>
/// <param name="EntryId">Its ledger entry.</param>
/// <param name="Amount">In points.</param>
/// <param name="Balance">What the user had after it.</param>
public sealed record ChargeView(Guid EntryId, long Amount, long Balance);

internal static class ChargeEndpoints
{
    private const int Tries = 6;

    public static void MapCharges(this IEndpointRouteBuilder routes) =>
        routes.MapGroup("/api/points/charges").WithTags("Points")
            .MapPost("", Charge)
            .ProducesProblem(StatusCodes.Status400BadRequest)
            .ProducesProblem(StatusCodes.Status422UnprocessableEntity)
            .ProducesProblem(StatusCodes.Status503ServiceUnavailable);

    /// <summary>
    /// Adds points to the caller's account, once per <c>Idempotency-Key</c>; a repeat gets the first answer again. A database that does not
    /// answer, or gives the account to somebody else, is asked a few times before the answer is 503.
    /// </summary>
    internal static async Task<Results<Created<ChargeView>, ProblemHttpResult>> Charge(
        ChargeRequest request, IdempotencyKey key, Caller caller, IServiceScopeFactory scopes, IOptions<PointsOptions> options,
        TimeProvider clock, HttpContext http, CancellationToken cancellationToken)
    {
        if (request.Amount < 1 || request.Amount > options.Value.MaxCharge)
            return Problems.Invalid("INVALID_AMOUNT", "amount", $"A charge is between 1 and {options.Value.MaxCharge} points.");

        for (var attempt = 1; ; attempt++)
        {
            try
            {
                await using var scope = scopes.CreateAsyncScope();
                var database = scope.ServiceProvider.GetRequiredService<PointsDbContext>();
                return await ChargeOnceAsync(database, caller.UserId, key.Value, request.Amount, options.Value.MaxBalance, clock, http, cancellationToken);
            }
            // Besides passing trouble, two first charges of one user meet on the key of the account they both open.
            catch (Exception exception) when (attempt < Tries && (exception is DbUpdateException || FailurePolicy.IsTransient(exception)))
            {
                await Task.Delay(TimeSpan.FromMilliseconds(10 * (1 << attempt)), cancellationToken);
            }
        }
    }

    private static async Task<Results<Created<ChargeView>, ProblemHttpResult>> ChargeOnceAsync(
        PointsDbContext database, string userId, Guid key, long amount, long maxBalance, TimeProvider clock, HttpContext http,
        CancellationToken cancellationToken)
    {
        await using var transaction = await database.Database.BeginTransactionAsync(cancellationToken);
        // A repeat that comes while the first is under way waits here, and then finds what the first did.
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
        if (account.Balance + amount > maxBalance)
            return Problems.Invalid("INVALID_AMOUNT", "amount", $"The balance cannot exceed {maxBalance} points.");

        var entry = account.Add(EntryKind.Charge, amount, null, clock.GetUtcNow());
        database.LedgerEntries.Add(entry);
        database.ChargeKeys.Add(new ChargeKey { UserId = userId, IdempotencyKey = key, Amount = amount, EntryId = entry.EntryId, CreatedAt = entry.At });
        await database.SaveChangesAsync(cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        return Created(entry);
    }

    private static Created<ChargeView> Created(LedgerEntry entry) =>
        TypedResults.Created((string?)null, new ChargeView(entry.EntryId, entry.Amount, entry.BalanceAfter));
}
