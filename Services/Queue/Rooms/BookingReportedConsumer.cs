using ConcertSaga.Contracts.Reservations;
using MassTransit;

namespace ConcertSaga.Queue.Rooms;

/// <summary>Receives the orchestrator's reports. Each replica has a temporary queue of its own.</summary>
internal sealed class BookingReportedConsumer(BookingWatch booking) : IConsumer<BookingReported>
{
    public Task Consume(ConsumeContext<BookingReported> context)
    {
        booking.Record(context.Message);
        return Task.CompletedTask;
    }
}

internal sealed class BookingReportedConsumerDefinition : ConsumerDefinition<BookingReportedConsumer>
{
    public BookingReportedConsumerDefinition() => Endpoint(endpoint =>
    {
        endpoint.Name = $"booking-reported-{NewId.NextGuid():N}";
        endpoint.Temporary = true;
    });
}
