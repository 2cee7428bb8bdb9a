using System.ComponentModel.DataAnnotations;

namespace ConcertSaga.Shared.Hosting.Messaging;

/// <summary>The transports that can carry messages between the services.</summary>
public enum MessagingTransport
{
    /// <summary>RabbitMQ with quorum queues, at <c>ConnectionStrings:RabbitMq</c>.</summary>
    RabbitMq,

    /// <summary>MassTransit's own transport inside one process. It loses its messages when the process ends.</summary>
    InMemory
}

/// <summary>Section <c>Messaging</c>.</summary>
public sealed class MessagingOptions
{
    /// <summary>The transport. Default <c>RabbitMq</c>; AllInOne sets <c>InMemory</c>.</summary>
    public MessagingTransport Transport { get; set; } = MessagingTransport.RabbitMq;

    /// <summary>
    /// How long a process that has started may stay not ready for its first connection to the broker, and a gateway for its first state of
    /// the waiting rooms. Default zero.
    /// </summary>
    [Range(typeof(TimeSpan), "00:00:00", "01:00:00")]
    public TimeSpan ConnectTimeout { get; set; }

    /// <summary>
    /// How long delivered outbox messages are kept with <c>InMemory</c>, to be resent after a kill. Default two minutes, longer than any
    /// message stays unhandled in the process.
    /// </summary>
    [Range(typeof(TimeSpan), "00:00:01", "1.00:00:00")]
    public TimeSpan InMemoryRetention { get; set; } = TimeSpan.FromMinutes(2);

    /// <summary>The number of messages an endpoint fetches ahead. Default 64.</summary>
    [Range(1, 4096)]
    public int PrefetchCount { get; set; } = 64;

    /// <summary>
    /// The number of messages an endpoint handles at the same time. Default 64: messages that are handled at the same time share
    /// transactions.
    /// </summary>
    [Range(1, 1024)]
    public int ConcurrentMessages { get; set; } = 64;

    /// <summary>The number of deliveries after which a message moves to the dead-letter queue. Default 50.</summary>
    [Range(1, 1000)]
    public int DeliveryLimit { get; set; } = 50;
}
