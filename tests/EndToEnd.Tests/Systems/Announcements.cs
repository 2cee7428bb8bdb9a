using System.Text.Json;
using RabbitMQ.Client;

namespace ConcertSaga.EndToEnd.Tests.Systems;

/// <summary>A queue of the tests' own that keeps every outcome announced on the broker.</summary>
internal sealed class Announcements
{
    private const string Queue = "heard-by-tests";

    private static readonly string[] Outcomes = ["Confirmed", "Rejected", "Expired", "Cancelled", "Failed"];

    private readonly HashSet<(Guid, string)> _heard = [];
    private readonly string _address;

    private Announcements(string address) => _address = address;

    public static async Task<Announcements> ListenAsync(string address)
    {
        await UseAsync(address, async channel =>
        {
            await channel.QueueDeclareAsync(Queue, durable: true, exclusive: false, autoDelete: false);
            foreach (var outcome in Outcomes)
            {
                // The product declares the same exchange when it first publishes to it.
                var exchange = $"ConcertSaga.Contracts.Reservations:Reservation{outcome}";
                await channel.ExchangeDeclareAsync(exchange, ExchangeType.Fanout, durable: true, autoDelete: false);
                await channel.QueueBindAsync(Queue, exchange, "");
            }
        });
        return new Announcements(address);
    }

    /// <summary>All that was heard so far.</summary>
    public async Task<IReadOnlySet<(Guid Reservation, string Outcome)>> ReadAsync()
    {
        await UseAsync(_address, async channel =>
        {
            while (await channel.BasicGetAsync(Queue, autoAck: true) is { } message)
            {
                using var envelope = JsonDocument.Parse(message.Body);
                var body = envelope.RootElement.GetProperty("message");
                _heard.Add((body.GetProperty("reservationId").GetGuid(), message.Exchange.Split(":Reservation")[^1]));
            }
        });
        return _heard;
    }

    private static async Task UseAsync(string address, Func<IChannel, Task> use)
    {
        await using var connection = await new ConnectionFactory { Uri = new Uri(address), AutomaticRecoveryEnabled = false }.CreateConnectionAsync();
        await using var channel = await connection.CreateChannelAsync();
        await use(channel);
    }
}
