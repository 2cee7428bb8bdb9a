using ConcertSaga.Shared.Persistence.Tests.Hosts;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Servers;
using MassTransit;
using Xunit;

namespace ConcertSaga.Shared.Persistence.Tests;

/// <summary>A receiver cannot tell whether a message came through the outbox.</summary>
public sealed class EnvelopeTests(PostgreSqlServer server, RabbitMqServer broker)
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    [Theory]
    [InlineData(Store.Sqlite, false)]
    [InlineData(Store.PostgreSql, false)]
    [InlineData(Store.PostgreSql, true)]
    public async Task Message_ThroughTheBusOutbox_ArrivesAsIfPublishedDirectly(Store store, bool overBroker)
    {
        await using var database = await TestDatabase.CreateAsync(store, server);
        await using var host = await OutboxHost.StartAsync(database, broker: overBroker ? await broker.CreateVirtualHostAsync("envelope") : null);
        var (direct, outbox) = (Guid.CreateVersion7(), Guid.CreateVersion7());
        var (messageId, conversation, correlation, initiator, request) =
            (Guid.CreateVersion7(), Guid.CreateVersion7(), Guid.CreateVersion7(), Guid.CreateVersion7(), Guid.CreateVersion7());

        await host.Bus.Publish(new Told(direct, 1), Describe);
        await using (var unit = new Unit(host))
        {
            await unit.Publish.Publish(new Told(outbox, 1), Describe);
            await unit.Database.SaveChangesAsync();
        }
        await Eventually.TrueAsync(() => host.Script.ArrivedFor(direct).Count == 1 && host.Script.ArrivedFor(outbox).Count == 1, Limit, "both arrive");

        var (one, two) = (host.Script.ArrivedFor(direct)[0], host.Script.ArrivedFor(outbox)[0]);
        Assert.Equal(one with { Id = outbox, ExpirationTime = null }, two with { ExpirationTime = null });
        Assert.Equal("ours", two.Custom);
        Assert.InRange(two.ExpirationTime!.Value, one.ExpirationTime!.Value.AddSeconds(-5), one.ExpirationTime.Value.AddSeconds(60));

        void Describe(PublishContext<Told> context)
        {
            context.MessageId = messageId;
            context.ConversationId = conversation;
            context.CorrelationId = correlation;
            context.InitiatorId = initiator;
            context.RequestId = request;
            context.TimeToLive = TimeSpan.FromMinutes(10);
            context.Headers.Set("Custom", "ours");
        }
    }

    [Theory]
    [InlineData(Store.Sqlite)]
    [InlineData(Store.PostgreSql)]
    public async Task Message_OfAConsumer_ContinuesItsConversation(Store store)
    {
        await using var database = await TestDatabase.CreateAsync(store, server);
        await using var host = await OutboxHost.StartAsync(database);
        var (id, conversation, correlation) = (Guid.CreateVersion7(), Guid.CreateVersion7(), Guid.CreateVersion7());

        await host.Bus.Publish(new Tell(id, 1), context =>
        {
            context.ConversationId = conversation;
            context.CorrelationId = correlation;
        });
        await Eventually.TrueAsync(() => host.Script.ArrivedFor(id).Count == 1, Limit, "it arrives");

        var seen = host.Script.ArrivedFor(id)[0];
        Assert.Equal((conversation, correlation, "kept"), (seen.ConversationId, seen.InitiatorId, seen.Custom));
    }
}
