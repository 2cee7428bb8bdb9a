using System.Collections.Concurrent;
using ConcertSaga.EndToEnd.Tests.Systems;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;
using RabbitMQ.Client.Exceptions;

namespace ConcertSaga.EndToEnd.Tests.Chaos;

/// <summary>
/// Competes with the product for the messages of its queues. What it gets, it keeps for a moment, and returns in another order, some of it
/// twice. It loses some messages that the product would resend or make up for, although the broker promises to lose nothing: commands
/// to services, and outcomes.
/// </summary>
internal sealed class MessageThief(string address, string[] queues, Random random) : IAsyncDisposable
{
    private readonly CancellationTokenSource _closing = new();
    private Task _stealing = Task.CompletedTask;

    public void Start() => _stealing = Task.Run(StealAsync);

    /// <inheritdoc />
    public async ValueTask DisposeAsync()
    {
        await _closing.CancelAsync();
        await _stealing;
        _closing.Dispose();
    }

    private async Task StealAsync()
    {
        try
        {
            await BrokerChannel.UseAsync(address, async channel =>
            {
                var got = new ConcurrentQueue<(string Queue, BasicDeliverEventArgs Message)>();
                await channel.BasicQosAsync(0, 20, global: false);
                foreach (var queue in queues)
                {
                    var consumer = new AsyncEventingBasicConsumer(channel);
                    consumer.ReceivedAsync += (_, message) =>
                    {
                        // The body belongs to the client library and is valid only here.
                        got.Enqueue((queue, new BasicDeliverEventArgs(message.ConsumerTag, message.DeliveryTag, message.Redelivered,
                            message.Exchange, message.RoutingKey, message.BasicProperties, message.Body.ToArray())));
                        return Task.CompletedTask;
                    };
                    await channel.BasicConsumeAsync(queue, autoAck: false, consumer);
                }
                while (!_closing.IsCancellationRequested)
                {
                    await Task.WhenAny(Task.Delay(random.Next(50, 500), _closing.Token));
                    await ReturnAsync(channel, [.. got.TakeAll()]);
                }
            });
        }
        catch (Exception exception) when (exception is RabbitMQClientException or IOException or TimeoutException
            or System.Net.Sockets.SocketException)
        {
            // Another fault has ended the connection. The broker gives the messages to the product.
        }
    }

    // The saga's queue also takes requests of customers and operators, which are sent once. So is the message about a deletion.
    private static bool IsMadeUpFor(string queue) => queue != "reservations" && !queue.EndsWith("-deleted", StringComparison.Ordinal);

    private async Task ReturnAsync(IChannel channel, (string Queue, BasicDeliverEventArgs Message)[] messages)
    {
        random.Shuffle(messages);
        foreach (var (queue, message) in messages)
        {
            var copies = random.Next(10) switch { 0 when IsMadeUpFor(queue) => 0, > 6 => 2, _ => 1 };
            for (var copy = 0; copy < copies; copy++)
                await channel.BasicPublishAsync("", queue, mandatory: true, new BasicProperties(message.BasicProperties), message.Body);
            await channel.BasicAckAsync(message.DeliveryTag, multiple: false);
        }
    }
}

file static class Queues
{
    public static IEnumerable<T> TakeAll<T>(this ConcurrentQueue<T> queue)
    {
        while (queue.TryDequeue(out var item))
            yield return item;
    }
}
