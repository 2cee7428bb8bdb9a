using ConcertSaga.Contracts;
using ConcertSaga.Contracts.Payments;
using ConcertSaga.Payments.Data;
using ConcertSaga.Shared.Hosting.Faults;
using MassTransit;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Payments.Consumers;

/// <summary>Records a payment, once per reservation; a repeat gets the first answer again.</summary>
public sealed class ConfirmPaymentConsumer(PaymentsDbContext database, TimeProvider clock, FaultInjection faults) : IConsumer<ConfirmPayment>
{
    public async Task Consume(ConsumeContext<ConfirmPayment> context)
    {
        var command = context.Message;
        var payment = await database.Payments.AsNoTracking()
            .FirstOrDefaultAsync(payment => payment.ReservationId == command.ReservationId, context.CancellationToken);
        if (payment is null)
        {
            payment = Payment.Decide(command, refuse: faults.Rejects<ConfirmPayment>(), clock.GetUtcNow());
            database.Payments.Add(payment);
            // A copy handled at the same moment makes this fail on the key; the retry then finds the copy's decision.
            await database.SaveChangesAsync(context.CancellationToken);
        }

        await context.ReplyAsync(payment.Status switch
        {
            PaymentStatus.Confirmed => new PaymentConfirmed(command.ReservationId, command.Attempt, payment.PaymentId),
            PaymentStatus.Refused => new PaymentRejected(command.ReservationId, command.Attempt, "PAYMENT_REJECTED"),
            _ => new PaymentRejected(command.ReservationId, command.Attempt, "PAYMENT_CANCELLED")
        });
    }
}

public sealed class ConfirmPaymentConsumerDefinition : ConsumerDefinition<ConfirmPaymentConsumer>
{
    public ConfirmPaymentConsumerDefinition() => EndpointName = CommandQueues.ConfirmPayment;
}
