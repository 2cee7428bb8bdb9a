using ConcertSaga.Testing.Servers;
using RabbitMQ.Client;
using Xunit;

namespace ConcertSaga.Testing.Tests;

public sealed class RabbitMqServerTests
{
    [Fact]
    public async Task Server_KilledOrStoppedAndStartedAgain_KeepsWhatItConfirmed()
    {
        await using var server = new RabbitMqServer();
        var address = await server.CreateVirtualHostAsync("kept");
        await UseAsync(address, async channel =>
        {
            // A quorum queue needs a few seconds after its first declaration before it survives a kill (its name reaches the disk late), so
            // the queue of this test is a classic one.
            await channel.QueueDeclareAsync("kept", durable: true, exclusive: false, autoDelete: false);
            foreach (var body in new byte[] { 1, 2 })
                await channel.BasicPublishAsync("", "kept", mandatory: true, new BasicProperties { Persistent = true }, new[] { body });
        });

        await server.KillAsync();
        await Assert.ThrowsAnyAsync<Exception>(() => UseAsync(address, _ => Task.CompletedTask));
        await server.StartAsync();
        await UseAsync(address, channel => BringsAsync(channel, 1));

        await server.StopAsync();
        await Assert.ThrowsAnyAsync<Exception>(() => UseAsync(address, _ => Task.CompletedTask));
        await server.StartAsync();
        await UseAsync(address, channel => BringsAsync(channel, 2));
    }

    private static Task BringsAsync(IChannel channel, byte body) => Eventually.TrueAsync(
        async () => (await channel.BasicGetAsync("kept", autoAck: true))?.Body.ToArray() is [var got] && got == body, TimeSpan.FromSeconds(30), "the message is there");

    private static async Task UseAsync(string address, Func<IChannel, Task> use)
    {
        await using var connection = await new ConnectionFactory { Uri = new Uri(address), AutomaticRecoveryEnabled = false }.CreateConnectionAsync();
        await using var channel = await connection.CreateChannelAsync(new CreateChannelOptions(true, true));
        await use(channel);
    }
}
