using ConcertSaga.Contracts;
using ConcertSaga.Contracts.Payments;
using ConcertSaga.Payments.Data;
using ConcertSaga.Shared.Hosting.Faults;
using ConcertSaga.Shared.Hosting.Messaging;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Payments.Consumers;

/// <summary>Records and cancels the payment of a reservation. A repeated command gets the first reply again.</summary>
public sealed class PaymentCommands(PaymentsDbContext database, TimeProvider clock, FaultInjection faults) : ICommandHandler
{
    private Dictionary<Guid, Payment> _payments = [];

    public async Task<CommandOutcome[]> HandleAsync(IReadOnlyList<object> commands, LockWait lockWait)
    {
        Guid[] ids = [.. commands.Select(ReservationOf).Distinct()];
        _payments = await database.Payments.Where(payment => ids.Contains(payment.ReservationId))
            .ToDictionaryAsync(payment => payment.ReservationId, CancellationToken.None);
        CommandOutcome[] outcomes = [.. commands.Select(command => new CommandOutcome(
            command is ConfirmPayment confirm ? Confirm(confirm) : Cancel((CancelPayment)command)))];
        // If another replica has decided about one of the reservations meanwhile, this fails. The retry finds that decision.
        await database.SaveChangesAsync(lockWait.Start());
        return outcomes;
    }

    private object Confirm(ConfirmPayment command)
    {
        if (!_payments.TryGetValue(command.ReservationId, out var payment))
            payment = Record(Payment.Decide(command, refuse: faults.Rejects<ConfirmPayment>(), clock.GetUtcNow()));
        return payment.Status switch
        {
            PaymentStatus.Confirmed => new PaymentConfirmed(command.ReservationId, command.Attempt, payment.PaymentId),
            PaymentStatus.Refused => new PaymentRejected(command.ReservationId, command.Attempt, RefusalCodes.PaymentRejected),
            _ => new PaymentRejected(command.ReservationId, command.Attempt, RefusalCodes.PaymentCancelled)
        };
    }

    // Without a payment, a tombstone refuses a late confirmation.
    private PaymentCancelled Cancel(CancelPayment command)
    {
        if (_payments.TryGetValue(command.ReservationId, out var payment))
            payment.Cancel(clock.GetUtcNow());
        else
            Record(Payment.Tombstone(command.ReservationId, clock.GetUtcNow()));
        return new PaymentCancelled(command.ReservationId, command.Attempt);
    }

    private Payment Record(Payment payment)
    {
        _payments.Add(payment.ReservationId, payment);
        database.Payments.Add(payment);
        return payment;
    }

    private static Guid ReservationOf(object command) =>
        command is ConfirmPayment confirm ? confirm.ReservationId : ((CancelPayment)command).ReservationId;
}
