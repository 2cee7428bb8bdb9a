using ConcertSaga.Testing.Servers;
using RabbitMQ.Client;
using Xunit;

namespace ConcertSaga.Testing.Tests.Servers;

public sealed class RabbitMqServerTests
{
    [Fact]
    [Trait("Category", "Containers")]
    public async Task Server_AfterAKillAndAStop_KeepsConfirmedMessages()
    {
        await using var server = new RabbitMqServer();
        var address = await server.CreateVirtualHostAsync("kept");
        await UseAsync(address, channel => channel.QueueDeclareAsync("kept", durable: true, exclusive: false, autoDelete: false));
        // The broker writes the names of new queues to the disk seconds later, also before a stop.
        await Task.Delay(TimeSpan.FromSeconds(5));

        await PublishAsync(address, 1);
        await server.KillAsync();
        await Assert.ThrowsAnyAsync<Exception>(() => UseAsync(address, _ => Task.CompletedTask));
        await server.StartAsync();
        await AssertNextAsync(address, 1);

        await PublishAsync(address, 2);
        await server.StopAsync();
        await Assert.ThrowsAnyAsync<Exception>(() => UseAsync(address, _ => Task.CompletedTask));
        await server.StartAsync();
        await AssertNextAsync(address, 2);
    }

    private static Task PublishAsync(string address, byte body) => UseAsync(address, async channel =>
        await channel.BasicPublishAsync("", "kept", mandatory: true, new BasicProperties { Persistent = true }, new[] { body }));

    // A broker that has just started may not know its queues yet, and closes the channel that asks for one.
    private static Task AssertNextAsync(string address, byte body) => Eventually.TrueAsync(async () =>
    {
        byte[]? received = null;
        await UseAsync(address, async channel => received = (await channel.BasicGetAsync("kept", autoAck: true))?.Body.ToArray());
        return received is [var next] && next == body;
    }, TimeSpan.FromSeconds(60), "the message is in the queue");

    private static async Task UseAsync(string address, Func<IChannel, Task> use)
    {
        await using var connection = await new ConnectionFactory
        {
            Uri = new Uri(address),
            AutomaticRecoveryEnabled = false
        }.CreateConnectionAsync();
        await using var channel = await connection.CreateChannelAsync(new CreateChannelOptions(true, true));
        await use(channel);
    }
}
