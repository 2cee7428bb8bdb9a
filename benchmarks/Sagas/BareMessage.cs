using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using RabbitMQ.Client;

namespace ConcertSaga.Benchmarks.Sagas;

/// <summary>A message on its way out; the same whether it comes from memory or, after a crash, from its outbox row.</summary>
internal sealed record BareMessage(Guid Id, string Queue, string Type, byte[] Body)
{
    public static BareMessage Of<T>(string queue, T message, JsonTypeInfo<T> json) =>
        new(Guid.CreateVersion7(), queue, typeof(T).Name, JsonSerializer.SerializeToUtf8Bytes(message, json));
}

/// <summary>A channel that publishes with confirms; many publishes may await theirs at the same time.</summary>
internal sealed class BarePublisher
{
    private readonly IChannel _channel;

    private BarePublisher(IChannel channel) => _channel = channel;

    public static async Task<BarePublisher> OpenAsync(IConnection broker) => new(await broker.CreateChannelAsync(new CreateChannelOptions(
        publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: true, outstandingPublisherConfirmationsRateLimiter: null)));

    /// <summary>Completes when the broker has confirmed the message.</summary>
    public ValueTask PublishAsync(BareMessage message) => _channel.BasicPublishAsync("", message.Queue, mandatory: true,
        new BasicProperties { Persistent = true, MessageId = message.Id.ToString("n", CultureInfo.InvariantCulture), Type = message.Type }, message.Body);
}
