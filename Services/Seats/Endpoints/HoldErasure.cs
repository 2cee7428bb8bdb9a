using ConcertSaga.Contracts.Operations;
using ConcertSaga.Seats.Data;
using ConcertSaga.Shared.Hosting.Operators;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Seats.Endpoints;

/// <summary>Erases a customer from the holds.</summary>
internal static class HoldErasure
{
    public static void MapHoldErasure(this IEndpointRouteBuilder routes) =>
        routes.MapCustomerErasure<SeatsDbContext>("seats", ReplaceAsync);

    private static async Task<string?> ReplaceAsync(SeatsDbContext database, EraseCustomer command, CancellationToken cancellationToken)
    {
        await database.SeatHolds.Where(hold => hold.UserId == command.UserId)
            .ExecuteUpdateAsync(set => set.SetProperty(hold => hold.UserId, command.Pseudonym), cancellationToken);
        return null;
    }
}
