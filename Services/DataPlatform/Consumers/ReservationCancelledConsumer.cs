using ConcertSaga.Contracts.Reservations;
using ConcertSaga.DataPlatform.Domain;
using MassTransit;

namespace ConcertSaga.DataPlatform.Consumers;

/// <summary>
/// Writes down that the platform is to be told of a reservation that was given back, if it had been told of before. The two events come
/// through two queues and in any order; the later one says all the earlier one does, so it brings that along where it is missing, and there is
/// never a second without a first to wait for.
/// </summary>
internal sealed class ReservationCancelledConsumer(Intake intake, TimeProvider clock) : IConsumer<ReservationCancelled>
{
    public Task Consume(ConsumeContext<ReservationCancelled> context)
    {
        var cancelled = context.Message;
        if (cancelled is not { ConfirmedAt: { } confirmedAt, ConcertId: { } concertId })
            return Task.CompletedTask;
        var cancelledAt = context.SentTime is { } sent ? new DateTimeOffset(DateTime.SpecifyKind(sent, DateTimeKind.Utc)) : clock.GetUtcNow();
        return intake.AddAsync(PlatformEvent.Cancelled(cancelled, concertId, confirmedAt, cancelledAt), context.CancellationToken);
    }
}

internal sealed class ReservationCancelledConsumerDefinition : ConsumerDefinition<ReservationCancelledConsumer>
{
    public ReservationCancelledConsumerDefinition() => EndpointName = "dataplatform-reservation-cancelled";
}
