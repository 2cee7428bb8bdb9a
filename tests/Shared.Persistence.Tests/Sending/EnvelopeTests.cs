using ConcertSaga.Shared.Persistence.Tests.Hosts;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Servers;
using MassTransit;
using Xunit;

namespace ConcertSaga.Shared.Persistence.Tests.Sending;

/// <summary>A receiver cannot tell whether a message came through the outbox.</summary>
public sealed class EnvelopeTests(PostgreSqlServer server, RabbitMqServer broker)
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    [Theory]
    [MemberData(nameof(Stores.AllAndOverBroker), MemberType = typeof(Stores))]
    public async Task Message_ThroughTheBusOutbox_ArrivesAsIfPublishedDirectly(Store store, bool overBroker)
    {
        await using var database = await TestDatabase.CreateAsync(store, server);
        await using var host = await OutboxHost.StartAsync(database, broker: overBroker ? await broker.CreateVirtualHostAsync("envelope")
            : null);
        var (direct, outbox) = (Guid.CreateVersion7(), Guid.CreateVersion7());
        var (messageId, conversation, correlation, initiator, request) =
            (Guid.CreateVersion7(), Guid.CreateVersion7(), Guid.CreateVersion7(), Guid.CreateVersion7(), Guid.CreateVersion7());

        await host.Bus.Publish(new NoteWritten(direct, 1), Describe);
        await using (var unit = new UnitOfWork(host))
        {
            await unit.PublishAsync(new NoteWritten(outbox, 1), Describe);
            await unit.SaveAsync();
        }
        await Eventually.TrueAsync(() => host.Script.ArrivedFor(direct).Count == 1
            && host.Script.ArrivedFor(outbox).Count == 1, Limit, "both arrive");

        var expected = host.Script.ArrivedFor(direct)[0];
        var actual = host.Script.ArrivedFor(outbox)[0];
        Assert.Equal(expected with { Id = outbox, ExpirationTime = null }, actual with { ExpirationTime = null });
        Assert.Equal("custom", actual.Custom);
        Assert.InRange(actual.ExpirationTime!.Value,
            expected.ExpirationTime!.Value.AddSeconds(-5), expected.ExpirationTime.Value.AddSeconds(60));

        void Describe(PublishContext<NoteWritten> context)
        {
            context.MessageId = messageId;
            context.ConversationId = conversation;
            context.CorrelationId = correlation;
            context.InitiatorId = initiator;
            context.RequestId = request;
            context.TimeToLive = TimeSpan.FromMinutes(10);
            context.Headers.Set("Custom", "custom");
        }
    }

    [Theory]
    [MemberData(nameof(Stores.All), MemberType = typeof(Stores))]
    public async Task Message_OfAConsumer_ContinuesItsConversation(Store store)
    {
        await using var database = await TestDatabase.CreateAsync(store, server);
        await using var host = await OutboxHost.StartAsync(database);
        var (id, conversation, correlation) = (Guid.CreateVersion7(), Guid.CreateVersion7(), Guid.CreateVersion7());

        await host.Bus.Publish(new WriteNote(id, 1), context =>
        {
            context.ConversationId = conversation;
            context.CorrelationId = correlation;
        });
        await Eventually.TrueAsync(() => host.Script.ArrivedFor(id).Count == 1, Limit, "it arrives");

        var seen = host.Script.ArrivedFor(id)[0];
        Assert.Equal((conversation, correlation, "kept"), (seen.ConversationId, seen.InitiatorId, seen.Custom));
    }
}
