using ConcertSaga.Shared.Persistence.Tests.Hosts;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Servers;
using MassTransit;
using MassTransit.EntityFrameworkCoreIntegration;
using Microsoft.EntityFrameworkCore;
using Xunit;

namespace ConcertSaga.Shared.Persistence.Tests;

/// <summary>A message with a time to live is not sent after it.</summary>
public sealed class ExpiryTests(PostgreSqlServer server)
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    [Theory]
    [InlineData(Store.Sqlite)]
    [InlineData(Store.PostgreSql)]
    public async Task Message_ExpiredBeforeItsDelivery_IsNotSent(Store store)
    {
        await using var database = await TestDatabase.CreateAsync(store, server);
        var clock = new ShiftedClock();
        var (id, messageId) = (Guid.CreateVersion7(), Guid.CreateVersion7());
        var interrupted = 0;
        var script = new Script
        {
            AtTheEnd = (context, _) => context.Publish(new Told(id, 2), send => send.TimeToLive = TimeSpan.FromMinutes(1)),
            BeforeSend = context =>
            {
                // The broker is away for two minutes before anything of the consumer has left.
                if (!context.SupportedMessageTypes.Contains(MessageUrn.ForTypeString<Told>()) || Interlocked.Exchange(ref interrupted, 1) == 1)
                    return Task.CompletedTask;
                clock.Advance(TimeSpan.FromMinutes(2));
                throw new InvalidOperationException("on purpose");
            }
        };
        await using var host = await OutboxHost.StartAsync(database, clock, script: script);
        await host.TellAsync(new Tell(id, 1), messageId);

        await Eventually.TrueAsync(() => script.ArrivedFor(id).Count > 0, Limit, "the other message arrives");
        await Eventually.TrueAsync(async () =>
        {
            await using var context = database.Open();
            return await context.Set<InboxState>().AnyAsync(row => row.MessageId == messageId && row.Delivered != null) && !await context.Set<OutboxMessage>().AnyAsync();
        }, Limit, "everything is delivered");
        // Two minutes are longer than the lease, so the sweeper may have sent the other one too.
        Assert.Equal([1], script.ArrivedFor(id).Select(seen => seen.Number).Distinct());
    }
}
