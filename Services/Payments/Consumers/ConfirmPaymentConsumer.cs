using ConcertSaga.Contracts;
using ConcertSaga.Contracts.Payments;
using ConcertSaga.Payments.Data;
using ConcertSaga.Shared.Hosting.Faults;
using ConcertSaga.Shared.Hosting.Messaging;
using MassTransit;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Payments.Consumers;

/// <summary>Records the payment of a reservation. A repeated command gets the first reply again.</summary>
public sealed class ConfirmPaymentConsumer(PaymentsDbContext database, TimeProvider clock, FaultInjection faults)
    : IConsumer<ConfirmPayment>
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
            // If a copy commits at the same moment, this fails on the key. The retry then finds that decision.
            await database.SaveChangesAsync(context.CancellationToken);
        }

        await context.ReplyAsync(payment.Status switch
        {
            PaymentStatus.Confirmed => new PaymentConfirmed(command.ReservationId, command.Attempt, payment.PaymentId),
            PaymentStatus.Refused => new PaymentRejected(command.ReservationId, command.Attempt, RefusalCodes.PaymentRejected),
            _ => new PaymentRejected(command.ReservationId, command.Attempt, RefusalCodes.PaymentCancelled)
        });
    }
}

public sealed class ConfirmPaymentConsumerDefinition : ConsumerDefinition<ConfirmPaymentConsumer>
{
    public ConfirmPaymentConsumerDefinition() => EndpointName = CommandQueues.ConfirmPayment;
}
