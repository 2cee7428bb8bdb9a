using ConcertSaga.Shared.Hosting.Messaging;
using Microsoft.Extensions.Options;
using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;

namespace ConcertSaga.Operations.Overview;

/// <summary>Reads the lengths of the queues from the broker.</summary>
internal sealed class QueueBacklogReader(IConfiguration configuration, IOptions<MessagingOptions> options)
{
    private const ushort NotFound = 404;

    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(3);

    /// <summary>Reads the queues that exist; null if the broker does not answer.</summary>
    public async Task<IReadOnlyList<QueueBacklog>?> TryReadAsync(IReadOnlyList<string> queues)
    {
        if (options.Value.Transport == MessagingTransport.InMemory)
            return [];
        using var limit = new CancellationTokenSource(Timeout);
        try
        {
            await using var connection = await FactoryOf(configuration["ConnectionStrings:RabbitMq"]!).CreateConnectionAsync(limit.Token);
            var found = new List<QueueBacklog>();
            foreach (var queue in queues)
            {
                if (await TryReadAsync(connection, queue, limit.Token) is { } backlog)
                    found.Add(backlog);
            }
            return found;
        }
        catch (Exception exception) when (exception is RabbitMQClientException or IOException or OperationCanceledException
            or System.Net.Sockets.SocketException)
        {
            // The health of the bus reports it too.
            return null;
        }
    }

    // The broker closes the channel if the queue does not exist.
    private static async Task<QueueBacklog?> TryReadAsync(IConnection connection, string queue, CancellationToken cancellationToken)
    {
        await using var channel = await connection.CreateChannelAsync(cancellationToken: cancellationToken);
        try
        {
            var answer = await channel.QueueDeclarePassiveAsync(queue, cancellationToken);
            return new QueueBacklog(queue, answer.MessageCount, answer.ConsumerCount);
        }
        catch (OperationInterruptedException exception) when (exception.ShutdownReason?.ReplyCode == NotFound)
        {
            return null;
        }
    }

    // The bus also accepts the scheme rabbitmq, which the client does not know.
    private static ConnectionFactory FactoryOf(string address) => new()
    {
        Uri = new Uri(address.StartsWith("rabbitmq", StringComparison.OrdinalIgnoreCase) ? "amqp" + address[8..] : address),
        AutomaticRecoveryEnabled = false
    };
}
