using System.Collections.Concurrent;
using ConcertSaga.Contracts;
using ConcertSaga.Contracts.Payments;
using ConcertSaga.Contracts.Points;
using ConcertSaga.Contracts.Seats;
using MassTransit;

namespace ConcertSaga.Orchestrator.Tests.Hosts;

/// <summary>Decides how the services reply to the commands of one customer; null is no reply. By default everything succeeds.</summary>
public sealed class Script
{
    private readonly ConcurrentDictionary<Guid, object> _messages = new();

    public Func<HoldSeats, object?> Hold { get; set; } = c =>
        new SeatsHeld(c.ReservationId, c.Attempt, 3, Machine.Start.AddDays(30), c.SeatNumbers.Length * 100_000L);

    public Func<ConfirmSeats, object?> ConfirmSeats { get; set; } = c => new SeatsConfirmed(c.ReservationId, c.Attempt);

    public Func<ReleaseSeats, object?> Release { get; set; } = c => new SeatsReleased(c.ReservationId, c.Attempt);

    public Func<DeductPoints, object?> Deduct { get; set; } = c => new PointsDeducted(c.ReservationId, c.Attempt, 0);

    public Func<RefundPoints, object?> Refund { get; set; } = c => new PointsRefunded(c.ReservationId, c.Attempt);

    public Func<ConfirmPayment, object?> ConfirmPayment { get; set; } = c =>
        new PaymentConfirmed(c.ReservationId, c.Attempt, Guid.CreateVersion7());

    public Func<CancelPayment, object?> CancelPayment { get; set; } = c => new PaymentCancelled(c.ReservationId, c.Attempt);

    /// <summary>
    /// Every command, in the order of arrival. Copies do not count: when a test's time jumps over the lease of a delivery, the outbox may
    /// deliver the same message, with the same id, once more.
    /// </summary>
    public ConcurrentQueue<object> Commands { get; } = new();

    public void RefuseHold(string code, params int[] seats) => Hold = c => new SeatHoldRejected(c.ReservationId, c.Attempt, code, seats);

    public void RefuseDeduction() => Deduct = c => new PointDeductionRejected(c.ReservationId, c.Attempt, "INSUFFICIENT_POINTS");

    internal object? Answer(object command, Guid messageId)
    {
        if (_messages.TryAdd(messageId, command))
            Commands.Enqueue(command);
        return command switch
        {
            HoldSeats c => Hold(c),
            Contracts.Seats.ConfirmSeats c => ConfirmSeats(c),
            ReleaseSeats c => Release(c),
            DeductPoints c => Deduct(c),
            RefundPoints c => Refund(c),
            Contracts.Payments.ConfirmPayment c => ConfirmPayment(c),
            _ => CancelPayment((CancelPayment)command)
        };
    }
}

/// <summary>Replaces the seats, points and payments services on their queues.</summary>
public sealed class ScriptedServices
{
    private readonly ConcurrentDictionary<string, Script> _scripts = new();
    private readonly ConcurrentDictionary<Guid, Script> _byReservation = new();

    public Script Of(string userId) => _scripts.GetOrAdd(userId, _ => new Script());

    public static void AddConsumers(IBusRegistrationConfigurator bus)
    {
        Add<HoldSeats>(CommandQueues.HoldSeats);
        Add<ConfirmSeats>(CommandQueues.ConfirmSeats);
        Add<ReleaseSeats>(CommandQueues.ReleaseSeats);
        Add<DeductPoints>(CommandQueues.DeductPoints);
        Add<RefundPoints>(CommandQueues.RefundPoints);
        Add<ConfirmPayment>(CommandQueues.ConfirmPayment);
        Add<CancelPayment>(CommandQueues.CancelPayment);

        void Add<TCommand>(string queue)
            where TCommand : class =>
            bus.AddConsumer<Consumer<TCommand>>().Endpoint(endpoint => endpoint.Name = queue);
    }

    private object? Answer(object command, Guid messageId)
    {
        // Only the first command of every reservation names the customer.
        if (command is HoldSeats hold)
            _byReservation[hold.ReservationId] = Of(hold.UserId);
        return _byReservation.TryGetValue((Guid)((dynamic)command).ReservationId, out Script? script) ? script.Answer(command, messageId)
            : null;
    }

    public sealed class Consumer<TCommand>(ScriptedServices services) : IConsumer<TCommand>
        where TCommand : class
    {
        public async Task Consume(ConsumeContext<TCommand> context)
        {
            if (services.Answer(context.Message, context.MessageId!.Value) is { } reply)
                await context.Publish(reply, reply.GetType());
        }
    }
}
