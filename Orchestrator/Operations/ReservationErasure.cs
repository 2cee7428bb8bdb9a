using ConcertSaga.Contracts;
using ConcertSaga.Contracts.Operations;
using ConcertSaga.Orchestrator.Reservations;
using ConcertSaga.Shared.Hosting.Operators;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Orchestrator.Operations;

/// <summary>Lists a customer's reservations and erases the customer, for Operations. The gateway does not route here.</summary>
internal static class ReservationErasure
{
    public static void MapReservationErasure(this IEndpointRouteBuilder routes)
    {
        routes.MapGet("/internal/customers/reservations", ListReservations);
        routes.MapCustomerErasure<OrchestratorDbContext>("orchestrator", ReplaceAsync);
    }

    /// <summary>Returns the reservations of a customer. The cleaners keep their number small.</summary>
    internal static async Task<Ok<CustomerReservations>> ListReservations(
        string userId, OrchestratorDbContext database, CancellationToken cancellationToken)
    {
        var rows = await database.Reservations.Where(row => row.UserId == userId)
            .Select(row => new { row.CorrelationId, row.Deadline, row.ConfirmedAt, row.UpdatedAt }).ToListAsync(cancellationToken);
        return TypedResults.Ok(new CustomerReservations(
            [.. rows.Select(row => row.CorrelationId)], rows.Exists(row => row.Deadline is not null),
            rows.Where(row => row.ConfirmedAt is not null).Max(row => (DateTimeOffset?)row.UpdatedAt)));
    }

    private static async Task<string?> ReplaceAsync(
        OrchestratorDbContext database, EraseCustomer command, CancellationToken cancellationToken)
    {
        // The version makes a saga that has just read the old id read again.
        await database.Reservations.Where(row => row.UserId == command.UserId && row.Deadline == null).ExecuteUpdateAsync(
            set => set.SetProperty(row => row.UserId, command.Pseudonym).SetProperty(row => row.Version, row => row.Version + 1),
            cancellationToken);
        return await database.Reservations.AnyAsync(row => row.UserId == command.UserId, cancellationToken)
            ? RefusalCodes.ReservationInProgress : null;
    }
}
