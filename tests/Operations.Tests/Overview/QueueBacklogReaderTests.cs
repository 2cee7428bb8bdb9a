using ConcertSaga.Operations.Overview;
using ConcertSaga.Operations.Tests.Fixtures;
using ConcertSaga.Shared.Hosting.Messaging;
using ConcertSaga.Testing.Servers;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Options;
using Xunit;

namespace ConcertSaga.Operations.Tests.Overview;

public sealed class QueueBacklogReaderTests(RabbitMqServer broker)
{
    [Fact]
    public async Task Queues_OfABroker_HaveTheirLengths()
    {
        var address = await broker.CreateVirtualHostAsync("backlogs");
        var factory = new RabbitMQ.Client.ConnectionFactory { Uri = new Uri(address) };
        await using var connection = await factory.CreateConnectionAsync();
        await using var channel = await connection.CreateChannelAsync();
        await channel.QueueDeclareAsync("points-deduct", durable: true, exclusive: false, autoDelete: false);
        await channel.BasicPublishAsync("", "points-deduct", mandatory: true, new RabbitMQ.Client.BasicProperties(), new byte[1]);
        await Testing.Eventually.TrueAsync(async () => await channel.MessageCountAsync("points-deduct") == 1, OperationsUnderTest.Limit,
            "the message is there");

        Assert.Equal([new QueueBacklog("points-deduct", 1, 0)], await ReadAsync(address));
        Assert.Equal([new QueueBacklog("points-deduct", 1, 0)], await ReadAsync("rabbitmq" + address["amqp".Length..]));
    }

    [Fact]
    public async Task Broker_ThatIsAway_HasNoAnswer() => Assert.Null(await ReadAsync("amqp://guest:guest@127.0.0.1:1/"));

    private static Task<IReadOnlyList<QueueBacklog>?> ReadAsync(string address) =>
        new QueueBacklogReader(new ConfigurationManager { ["ConnectionStrings:RabbitMq"] = address },
            Options.Create(new MessagingOptions())).TryReadAsync(["seats-hold", "points-deduct", "seats-release"]);
}
