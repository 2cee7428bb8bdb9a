using ConcertSaga.Contracts.Operations;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Routing;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Shared.Hosting.Operators;

/// <summary>Replaces the id of a customer in the rows of an owner, for Operations. The gateway does not route here.</summary>
public static class CustomerErasureRoute
{
    // EF Core sends each id as a parameter, and SQL Server takes 2,100 of them.
    private const int MaxIds = 1_000;

    /// <summary>
    /// Maps <c>/internal/customers/{owner}/erase</c>. The owner is part of the address, because one host of AllInOne serves all owners.
    /// </summary>
    /// <param name="routes">The routes of the service.</param>
    /// <param name="owner">The name of the owner.</param>
    /// <param name="replace">Replaces the id in all rows, within a transaction. Returns the code of a refusal, which rolls back.</param>
    /// <param name="isReady">Whether the owner has all the customer's rows yet. Null if it always has.</param>
    public static void MapCustomerErasure<TContext>(
        this IEndpointRouteBuilder routes, string owner, Func<TContext, EraseCustomer, CancellationToken, Task<string?>> replace,
        Func<TContext, EraseCustomer, CancellationToken, Task<bool>>? isReady = null)
        where TContext : DbContext =>
        routes.MapPost($"/internal/customers/{owner}/erase", (
            EraseCustomer body, TContext database, TimeProvider clock, CancellationToken cancellationToken) =>
            AnswerAsync(body, database, replace, isReady, clock, cancellationToken));

    /// <summary>The customer's reservations, in parts that fit one statement.</summary>
    public static IEnumerable<Guid[]> PartsOf(EraseCustomer command) => command.ReservationIds.Chunk(MaxIds);

    /// <summary>Erases a customer from the rows of an owner, once for the action id.</summary>
    /// <param name="command">The customer.</param>
    /// <param name="database">The database of the owner.</param>
    /// <param name="replace">Replaces the id in all rows, within a transaction. Returns the code of a refusal, which rolls back.</param>
    /// <param name="isReady">Whether the owner has all the customer's rows yet. Null if it always has.</param>
    /// <param name="clock">Tells the time of the record.</param>
    /// <param name="cancellationToken">Ends the statements.</param>
    public static async Task<CustomerErasure> EraseAsync<TContext>(
        EraseCustomer command, TContext database, Func<TContext, EraseCustomer, CancellationToken, Task<string?>> replace,
        Func<TContext, EraseCustomer, CancellationToken, Task<bool>>? isReady, TimeProvider clock, CancellationToken cancellationToken)
        where TContext : DbContext
    {
        var recorded = await database.Set<OperatorAction>().AsNoTracking()
            .SingleOrDefaultAsync(action => action.ActionId == command.ActionId, cancellationToken);
        if (recorded is not null)
            return new CustomerErasure(true, recorded.Refusal);
        if (isReady is not null && !await isReady(database, command, cancellationToken))
            return new CustomerErasure(false, null);
        string? refusal;
        // A failed statement ends the whole transaction.
        database.Database.AutoSavepointsEnabled = false;
        await using (var transaction = await database.Database.BeginTransactionAsync(cancellationToken))
        {
            refusal = await replace(database, command, cancellationToken);
            if (refusal is null)
            {
                // Of two requests at once, the key lets one commit.
                await RecordAsync(command, null, database, clock, cancellationToken);
                await transaction.CommitAsync(cancellationToken);
                return new CustomerErasure(true, null);
            }
        }
        await RecordAsync(command, refusal, database, clock, cancellationToken);
        return new CustomerErasure(true, refusal);
    }

    // The record has the new id only.
    private static async Task RecordAsync(
        EraseCustomer command, string? refusal, DbContext database, TimeProvider clock, CancellationToken cancellationToken)
    {
        database.Add(new OperatorAction
        {
            ActionId = command.ActionId,
            At = clock.GetUtcNow(),
            Operator = command.Operator,
            Action = "Erase",
            Target = $"customers/{command.Pseudonym}",
            Reason = command.Reason,
            Refusal = refusal
        });
        await database.SaveChangesAsync(cancellationToken);
    }

    private static async Task<Ok<CustomerErasure>> AnswerAsync<TContext>(
        EraseCustomer body, TContext database, Func<TContext, EraseCustomer, CancellationToken, Task<string?>> replace,
        Func<TContext, EraseCustomer, CancellationToken, Task<bool>>? isReady, TimeProvider clock, CancellationToken cancellationToken)
        where TContext : DbContext =>
        TypedResults.Ok(await EraseAsync(body, database, replace, isReady, clock, cancellationToken));
}
