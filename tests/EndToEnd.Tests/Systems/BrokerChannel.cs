using System.Text.Json;
using RabbitMQ.Client;

namespace ConcertSaga.EndToEnd.Tests.Systems;

/// <summary>Talks to the broker without the product.</summary>
internal static class BrokerChannel
{
    /// <summary>Opens a channel for one use.</summary>
    public static async Task UseAsync(string address, Func<IChannel, Task> use)
    {
        await using var connection = await new ConnectionFactory
        {
            Uri = new Uri(address),
            AutomaticRecoveryEnabled = false
        }.CreateConnectionAsync();
        await using var channel = await connection.CreateChannelAsync(new CreateChannelOptions(true, true));
        await use(channel);
    }

    /// <summary>Puts a command into the error queue of its queue, as MassTransit does after its handler has failed.</summary>
    public static Task FailAsync(string address, string queue, string type, Guid messageId, object command) =>
        UseAsync(address, async channel => await channel.BasicPublishAsync("", $"{queue}_error", mandatory: true,
            new BasicProperties
            {
                ContentType = "application/vnd.masstransit+json",
                MessageId = messageId.ToString(),
                DeliveryMode = DeliveryModes.Persistent,
                Headers = new Dictionary<string, object?>
                {
                    ["MT-Reason"] = "fault",
                    ["MT-Fault-ExceptionType"] = "System.InvalidOperationException",
                    ["MT-Fault-Message"] = "Planted by a test."
                }
            },
            JsonSerializer.SerializeToUtf8Bytes(new
            {
                messageId,
                messageType = new[] { $"urn:message:{type}" },
                message = command
            })));
}
