using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using System.Threading.Channels;
using RabbitMQ.Client;

namespace ConcertSaga.Benchmarks.Sagas;

/// <summary>An outgoing message, from memory or, after a crash, from its outbox row.</summary>
internal sealed record BareMessage(Guid Id, string Queue, string Type, byte[] Body)
{
    public static BareMessage Of<T>(string queue, T message, JsonTypeInfo<T> json) =>
        new(Guid.CreateVersion7(), queue, typeof(T).Name, JsonSerializer.SerializeToUtf8Bytes(message, json));
}

/// <summary>
/// A channel that publishes with confirms. It tracks them itself, because the client's tracking adds a header to each message and a task to
/// each publish.
/// </summary>
internal sealed class BarePublisher
{
    private readonly IChannel _channel;
    private readonly Channel<(BareMessage Message, Action<bool> Settled)> _outgoing = Channel.CreateUnbounded<(BareMessage, Action<bool>)>(
        new UnboundedChannelOptions { SingleReader = true });

    private readonly Dictionary<ulong, Action<bool>> _waiting = [];
    private ulong _oldest = 1;

    private BarePublisher(IChannel channel)
    {
        _channel = channel;
        channel.BasicAcksAsync += (_, ack) => Settle(ack.DeliveryTag, ack.Multiple, confirmed: true);
        channel.BasicNacksAsync += (_, nack) => Settle(nack.DeliveryTag, nack.Multiple, confirmed: false);
        _ = PublishAllAsync();
    }

    public static async Task<BarePublisher> OpenAsync(IConnection broker) => new(await broker.CreateChannelAsync(
        new CreateChannelOptions(publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: false)));

    /// <summary>Hands a message to the broker.</summary>
    /// <param name="message">The message.</param>
    /// <param name="settled">Called with the broker's confirm or rejection.</param>
    public void Publish(BareMessage message, Action<bool> settled) => _outgoing.Writer.TryWrite((message, settled));

    private async Task PublishAllAsync()
    {
        // The broker numbers the messages of a channel from one.
        ulong published = 0;
        await foreach (var (message, settled) in _outgoing.Reader.ReadAllAsync())
        {
            lock (_waiting)
                _waiting.Add(++published, settled);
            await _channel.BasicPublishAsync("", message.Queue, mandatory: false,
                new BasicProperties
                {
                    Persistent = true,
                    MessageId = message.Id.ToString("n", CultureInfo.InvariantCulture),
                    Type = message.Type
                }, message.Body);
        }
    }

    private Task Settle(ulong number, bool multiple, bool confirmed)
    {
        var settled = new List<Action<bool>>(1);
        lock (_waiting)
        {
            for (var next = multiple ? _oldest : number; next <= number; next++)
            {
                if (_waiting.Remove(next, out var callback))
                    settled.Add(callback);
            }
            if (multiple)
                _oldest = number + 1;
        }
        settled.ForEach(callback => callback(confirmed));
        return Task.CompletedTask;
    }
}
