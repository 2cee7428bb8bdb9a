using System.Text.Json;
using RabbitMQ.Client;

namespace ConcertSaga.EndToEnd.Tests.Systems;

/// <summary>Collects every outcome announced on the broker in a queue of the tests.</summary>
internal sealed class OutcomeListener
{
    /// <summary>The name of the queue.</summary>
    public const string Queue = "outcomes-of-tests";

    private static readonly string[] Outcomes = ["Confirmed", "Rejected", "Expired", "Cancelled", "Failed"];

    private readonly HashSet<(Guid, string)> _received = [];
    private readonly string _address;

    private OutcomeListener(string address) => _address = address;

    public static async Task<OutcomeListener> ListenAsync(string address)
    {
        await BrokerChannel.UseAsync(address, async channel =>
        {
            await channel.QueueDeclareAsync(Queue, durable: true, exclusive: false, autoDelete: false);
            foreach (var outcome in Outcomes)
            {
                // The product declares the same exchange at its first publish.
                var exchange = $"ConcertSaga.Contracts.Reservations:Reservation{outcome}";
                await channel.ExchangeDeclareAsync(exchange, ExchangeType.Fanout, durable: true, autoDelete: false);
                await channel.QueueBindAsync(Queue, exchange, "");
            }
        });
        return new OutcomeListener(address);
    }

    /// <summary>The outcomes received so far.</summary>
    public async Task<IReadOnlySet<(Guid Reservation, string Outcome)>> ReadAsync()
    {
        await BrokerChannel.UseAsync(_address, async channel =>
        {
            while (await channel.BasicGetAsync(Queue, autoAck: true) is { } message)
            {
                using var envelope = JsonDocument.Parse(message.Body);
                var body = envelope.RootElement.GetProperty("message");
                _received.Add((body.GetProperty("reservationId").GetGuid(), message.Exchange.Split(":Reservation")[^1]));
            }
        });
        return _received;
    }
}
