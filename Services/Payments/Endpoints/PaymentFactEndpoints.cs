using ConcertSaga.Contracts.Facts;
using ConcertSaga.Payments.Data;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Payments.Endpoints;

/// <summary>Serves payments to Operations, which compares them with the reservations.</summary>
internal static class PaymentFactEndpoints
{
    public static void MapPaymentFacts(this IEndpointRouteBuilder routes) => routes.MapPost("/internal/facts/payments", ReadPaymentFacts);

    /// <summary>Reads the payments of these reservations.</summary>
    internal static async Task<Ok<PaymentFact[]>> ReadPaymentFacts(
        FactRequest body, PaymentsDbContext database, CancellationToken cancellationToken)
    {
        var ids = body.Ids;
        var payments = await database.Payments.AsNoTracking().Where(payment => ids.Contains(payment.ReservationId))
            .ToListAsync(cancellationToken);
        return TypedResults.Ok(payments.Select(payment => new PaymentFact(
            payment.ReservationId, payment.PaymentId, payment.Status.ToString(), payment.Amount, payment.UpdatedAt)).ToArray());
    }
}
