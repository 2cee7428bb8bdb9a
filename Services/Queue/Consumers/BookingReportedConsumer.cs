using ConcertSaga.Contracts.Reservations;
using ConcertSaga.Queue.Domain;
using MassTransit;

namespace ConcertSaga.Queue.Consumers;

/// <summary>Hears whether reservations are taken, each replica on a temporary queue of its own.</summary>
internal sealed class BookingReportedConsumer(BookingWatch booking) : IConsumer<BookingReported>
{
    public Task Consume(ConsumeContext<BookingReported> context)
    {
        booking.Hear(context.Message);
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
