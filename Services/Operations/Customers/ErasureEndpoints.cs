using System.Security.Cryptography;
using ConcertSaga.Contracts;
using ConcertSaga.Operations.Bulk;
using ConcertSaga.Operations.Data;
using ConcertSaga.Operations.Owners;
using ConcertSaga.Shared.Hosting.Http;
using ConcertSaga.Shared.Hosting.Operators;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Operations.Customers;

/// <summary>Names the customer to erase. An address cannot carry every user id, and logs keep addresses.</summary>
/// <param name="UserId">The user id, 1 to 200 characters.</param>
/// <param name="Reason">Why, for the record; 1 to 500 characters, without the user id.</param>
public sealed record CustomerErasureRequest(string UserId, string? Reason = null);

/// <summary><c>/ops/api/customers</c>.</summary>
internal static class ErasureEndpoints
{
    // The length of the column in every database.
    private const int MaxUserIdLength = 200;

    // The texts do not name the customer, because logs and responses may be kept.
    private const string Unfinished = "A reservation of this customer has not ended. Cancel it or wait, then try again.";

    public static void MapErasure(this IEndpointRouteBuilder routes)
    {
        var customers = routes.MapOperators("/ops/api/customers");
        foreach (var (pattern, handler) in new (string, Delegate)[] { ("/erase", EraseCustomer), ("/{userId}/erase", EraseNamedCustomer) })
            customers.MapPost(pattern, handler).ProducesProblems(400, 503)
                .Refuses(409, RefusalCodes.ReservationInProgress).Refuses(422, RefusalCodes.InvalidReason);
    }

    /// <summary>
    /// Erases a customer: replaces the user id by a random one in every service, also in stored bodies. The books stay as they are. The
    /// operation shows the progress. If one already runs for this customer, the answer is that one.
    /// </summary>
    internal static async Task<Results<Accepted<OperationStarted>, ProblemHttpResult>> EraseCustomer(
        CustomerErasureRequest body, Caller caller, OperationsDbContext database, OwnerClient owners, TimeProvider clock,
        CancellationToken cancellationToken)
    {
        var userId = body.UserId;
        if (userId.Length is 0 or > MaxUserIdLength)
            throw RefusedRequestException.Parameter(nameof(userId), $"It does not have 1 to {MaxUserIdLength} characters.");
        // The checks of every request do not read the path.
        if (StoredText.FaultOf(userId) is { } fault)
            throw RefusedRequestException.Parameter(nameof(userId), fault);
        if (OperatorRoutes.RefuseReason(body.Reason) is { } invalid)
            return invalid;
        // The records of the operators outlive the customer.
        if (body.Reason!.Contains(userId, StringComparison.OrdinalIgnoreCase))
            return Problems.Invalid(RefusalCodes.InvalidReason, "reason", "Give a reason without the user id. It would not be erased.");
        if (await FindAsync(userId, database, cancellationToken) is { } running)
            return Started(running);
        var (isThere, known) = await owners.TryAsync(Owner.Orchestrator,
            () => ErasureWork.ReadReservationsAsync(userId, owners, cancellationToken), cancellationToken);
        if (!isThere)
            return Problems.Refuse(StatusCodes.Status503ServiceUnavailable, RefusalCodes.Unavailable,
                "The orchestrator does not answer. Wait as long as Retry-After says, then try again.");
        if (known!.HasUnfinished)
            return Problems.Refuse(StatusCodes.Status409Conflict, RefusalCodes.ReservationInProgress, Unfinished);
        return Started(await StartAsync(userId, body.Reason, caller.UserId, database, clock.GetUtcNow(), cancellationToken));
    }

    /// <summary>Erases the customer of the address. An id with a slash is refused, because the address could mean another one.</summary>
    internal static Task<Results<Accepted<OperationStarted>, ProblemHttpResult>> EraseNamedCustomer(
        string userId, OperatorReason body, Caller caller, OperationsDbContext database, OwnerClient owners, TimeProvider clock,
        CancellationToken cancellationToken) =>
        // Servers decode every other character of a path.
        userId.Contains("%2F", StringComparison.OrdinalIgnoreCase)
            ? throw RefusedRequestException.Parameter(nameof(userId),
                "An address cannot carry a slash. Send the user id in the body of POST /ops/api/customers/erase.")
            : EraseCustomer(new CustomerErasureRequest(userId, body.Reason), caller, database, owners, clock, cancellationToken);

    private static async Task<Guid> StartAsync(
        string userId, string reason, string caller, OperationsDbContext database, DateTimeOffset now, CancellationToken cancellationToken)
    {
        var operationId = Guid.CreateVersion7(now);
        var items = ErasureWork.ItemsOf(operationId).ToList();
        database.Operations.Add(new Operation
        {
            OperationId = operationId,
            Kind = OperationKind.Erase,
            Status = OperationStatus.Running,
            Operator = caller,
            Reason = reason,
            CustomerId = userId,
            // Random, so that it tells nothing, not even the time.
            Pseudonym = $"erased-{RandomNumberGenerator.GetHexString(32, lowercase: true)}",
            Matched = items.Count,
            CreatedAt = now,
            StartedAt = now
        });
        database.OperationItems.AddRange(items);
        try
        {
            await database.SaveChangesAsync(cancellationToken);
            return operationId;
        }
        catch (DbUpdateException)
        {
            // Another request was first. The index allows one operation per customer.
            database.ChangeTracker.Clear();
            if (await FindAsync(userId, database, cancellationToken) is { } running)
                return running;
            throw;
        }
    }

    private static Task<Guid?> FindAsync(string userId, OperationsDbContext database, CancellationToken cancellationToken) =>
        database.Operations.Where(row => row.CustomerId == userId).Select(row => (Guid?)row.OperationId)
            .SingleOrDefaultAsync(cancellationToken);

    private static Accepted<OperationStarted> Started(Guid operationId) =>
        TypedResults.Accepted($"/ops/api/operations/{operationId}", new OperationStarted(operationId));
}
