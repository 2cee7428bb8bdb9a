using ConcertSaga.Contracts;
using ConcertSaga.Contracts.Reservations;
using MassTransit;

namespace ConcertSaga.DataPlatform.Intake;

/// <summary>
/// Creates the delivery of a cancellation, if the reservation had been confirmed before. The two events arrive through two queues in any
/// order, so this also creates a missing delivery of the confirmation.
/// </summary>
internal sealed class ReservationCancelledConsumer(EventIntake intake, TimeProvider clock) : IConsumer<ReservationCancelled>
{
    public Task Consume(ConsumeContext<ReservationCancelled> context)
    {
        var cancelled = context.Message;
        if (cancelled is not { ConfirmedAt: { } confirmedAt, ConcertId: { } concertId })
            return Task.CompletedTask;
        var cancelledAt = context.SentTime is { } sent ? new DateTimeOffset(DateTime.SpecifyKind(sent, DateTimeKind.Utc))
            : clock.GetUtcNow();
        return intake.AddAsync(PlatformEvent.Cancelled(cancelled, concertId, confirmedAt, cancelledAt), context.CancellationToken);
    }
}

internal sealed class ReservationCancelledConsumerDefinition : ConsumerDefinition<ReservationCancelledConsumer>
{
    public ReservationCancelledConsumerDefinition() => EndpointName = EventQueues.DataPlatformReservationCancelled;
}
