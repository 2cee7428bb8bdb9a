using ConcertSaga.Contracts;
using ConcertSaga.Contracts.Payments;
using ConcertSaga.Payments.Data;
using ConcertSaga.Shared.Hosting.Messaging;
using MassTransit;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Payments.Consumers;

/// <summary>
/// Cancels the payment of a reservation. Without a payment, it records a tombstone that refuses a late confirmation.
/// </summary>
public sealed class CancelPaymentConsumer(PaymentsDbContext database, TimeProvider clock) : IConsumer<CancelPayment>
{
    public async Task Consume(ConsumeContext<CancelPayment> context)
    {
        var command = context.Message;
        var payment = await database.Payments
            .FirstOrDefaultAsync(payment => payment.ReservationId == command.ReservationId, context.CancellationToken);
        if (payment is null)
            database.Payments.Add(Payment.Tombstone(command.ReservationId, clock.GetUtcNow()));
        else
            payment.Cancel(clock.GetUtcNow());
        await database.SaveChangesAsync(context.CancellationToken);

        await context.ReplyAsync(new PaymentCancelled(command.ReservationId, command.Attempt));
    }
}

public sealed class CancelPaymentConsumerDefinition : ConsumerDefinition<CancelPaymentConsumer>
{
    public CancelPaymentConsumerDefinition() => EndpointName = CommandQueues.CancelPayment;
}
