using System.ComponentModel.DataAnnotations;

namespace ConcertSaga.Shared.Hosting.Messaging;

/// <summary>What carries messages between the services.</summary>
public enum MessagingTransport
{
    /// <summary>RabbitMQ with quorum queues, at <c>ConnectionStrings:RabbitMq</c>.</summary>
    RabbitMq,

    /// <summary>MassTransit's own transport inside one process; it forgets everything when the process ends.</summary>
    InMemory
}

/// <summary>Section <c>Messaging</c>.</summary>
public sealed class MessagingOptions
{
    /// <summary>What carries the messages. Default <c>RabbitMq</c>; AllInOne sets <c>InMemory</c>.</summary>
    public MessagingTransport Transport { get; set; } = MessagingTransport.RabbitMq;

    /// <summary>
    /// With <c>InMemory</c>: how long delivered outbox messages are kept, to be sent again after a kill. Default two minutes; longer than any
    /// message stays unhandled in the process.
    /// </summary>
    [Range(typeof(TimeSpan), "00:00:01", "1.00:00:00")]
    public TimeSpan InMemoryRetention { get; set; } = TimeSpan.FromMinutes(2);

    /// <summary>Messages an endpoint fetches ahead of handling. Default 64.</summary>
    [Range(1, 4096)]
    public int PrefetchCount { get; set; } = 64;

    /// <summary>Messages an endpoint handles at the same time. Default 16.</summary>
    [Range(1, 1024)]
    public int ConcurrentMessages { get; set; } = 16;

    /// <summary>Deliveries of one message before it moves to the dead-letter queue. Default 50.</summary>
    [Range(1, 1000)]
    public int DeliveryLimit { get; set; } = 50;
}
