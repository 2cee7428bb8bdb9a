using ConcertSaga.Contracts.Operations;
using ConcertSaga.Queue.Data;
using ConcertSaga.Shared.Hosting.Operators;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Queue.Line;

/// <summary>Erases a customer from the waiting rooms. An entry that is still in line keeps its place and expires.</summary>
internal static class QueueEntryErasure
{
    public static void MapQueueEntryErasure(this IEndpointRouteBuilder routes) =>
        routes.MapCustomerErasure<QueueDbContext>("queue", ReplaceAsync);

    private static async Task<string?> ReplaceAsync(QueueDbContext database, EraseCustomer command, CancellationToken cancellationToken)
    {
        await database.Entries.Where(entry => entry.UserId == command.UserId)
            .ExecuteUpdateAsync(set => set.SetProperty(entry => entry.UserId, command.Pseudonym), cancellationToken);
        return null;
    }
}
