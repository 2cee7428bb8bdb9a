using ConcertSaga.Shared.Persistence.Tests.Hosts;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Servers;
using MassTransit;
using MassTransit.EntityFrameworkCoreIntegration;
using Microsoft.EntityFrameworkCore;
using Xunit;

namespace ConcertSaga.Shared.Persistence.Tests.Sending;

/// <summary>The outbox does not send expired messages.</summary>
public sealed class ExpiryTests(PostgreSqlServer server)
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    [Theory]
    [MemberData(nameof(Stores.All), MemberType = typeof(Stores))]
    public async Task Message_ExpiredBeforeItsDelivery_IsNotSent(Store store)
    {
        await using var database = await TestDatabase.CreateAsync(store, server);
        var clock = new ShiftedClock();
        var (id, messageId) = (Guid.CreateVersion7(), Guid.CreateVersion7());
        var interrupted = 0;
        var script = new Script
        {
            AtTheEnd = (context, _) => context.Publish(new NoteWritten(id, 2), send => send.TimeToLive = TimeSpan.FromMinutes(1)),
            BeforeSend = context =>
            {
                // The first send fails, and the next attempt comes two minutes later.
                if (!context.SupportedMessageTypes.Contains(MessageUrn.ForTypeString<NoteWritten>())
                    || Interlocked.Exchange(ref interrupted, 1) == 1)
                    return Task.CompletedTask;
                clock.Advance(TimeSpan.FromMinutes(2));
                throw new InvalidOperationException("on purpose");
            }
        };
        await using var host = await OutboxHost.StartAsync(database, clock, script: script);
        await host.SendToConsumerAsync(new WriteNote(id, 1), messageId);

        await Eventually.TrueAsync(() => script.ArrivedFor(id).Count > 0, Limit, "the other message arrives");
        await Eventually.TrueAsync(async () =>
        {
            await using var context = database.Open();
            return await context.Set<InboxState>().AnyAsync(row => row.MessageId == messageId && row.Delivered != null)
                && !await context.Set<OutboxMessage>().AnyAsync();
        }, Limit, "everything is delivered");
        // Two minutes exceed the lease, so the sweeper may have sent the other message too.
        Assert.Equal([1], script.ArrivedFor(id).Select(seen => seen.Number).Distinct());
    }

    [Theory]
    [MemberData(nameof(Stores.All), MemberType = typeof(Stores))]
    public async Task Messages_Expired_AreNotSentAndRemoved(Store store)
    {
        await using var database = await TestDatabase.CreateAsync(store, server);
        var clock = new ShiftedClock();
        var (expired, alive) = (Guid.CreateVersion7(), Guid.CreateVersion7());
        await UnsentMessages.StoreAsync(database, clock, expired, TimeSpan.FromMinutes(1), TimeSpan.FromMinutes(1),
            row => row.ExpirationTime = clock.GetUtcNow().UtcDateTime.AddSeconds(-1));
        await UnsentMessages.StoreAsync(database, clock, alive, TimeSpan.FromMinutes(1), TimeSpan.FromMinutes(1),
            row => row.ExpirationTime = clock.GetUtcNow().UtcDateTime.AddMinutes(5));

        await using var host = await OutboxHost.StartAsync(database, clock);
        await Eventually.TrueAsync(() => host.Script.ArrivedFor(alive).Count == 2, Limit, "the other is delivered");
        await OutboxScenario.OutboxIsEmptyAsync(database);
        Assert.Empty(host.Script.ArrivedFor(expired));
    }
}
