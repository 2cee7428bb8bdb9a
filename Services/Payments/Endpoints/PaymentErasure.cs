using ConcertSaga.Contracts.Operations;
using ConcertSaga.Payments.Data;
using ConcertSaga.Shared.Hosting.Operators;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Payments.Endpoints;

/// <summary>Erases a customer from the payments.</summary>
internal static class PaymentErasure
{
    public static void MapPaymentErasure(this IEndpointRouteBuilder routes) =>
        routes.MapCustomerErasure<PaymentsDbContext>("payments", ReplaceAsync);

    private static async Task<string?> ReplaceAsync(PaymentsDbContext database, EraseCustomer command, CancellationToken cancellationToken)
    {
        foreach (var ids in CustomerErasureRoute.PartsOf(command))
            await database.Payments.Where(payment => ids.Contains(payment.ReservationId) && payment.UserId == command.UserId)
                .ExecuteUpdateAsync(set => set.SetProperty(payment => payment.UserId, command.Pseudonym), cancellationToken);
        return null;
    }
}
