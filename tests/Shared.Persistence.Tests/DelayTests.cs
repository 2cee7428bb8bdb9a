using ConcertSaga.Shared.Persistence.Tests.Hosts;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Servers;
using MassTransit;
using MassTransit.EntityFrameworkCoreIntegration;
using Microsoft.EntityFrameworkCore;
using Xunit;

namespace ConcertSaga.Shared.Persistence.Tests;

/// <summary>What a consumer sends for later waits in the outbox.</summary>
public sealed class DelayTests(PostgreSqlServer server)
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    /// <summary>Neither a repeat of the consumed message nor the next process has anything leave before its time, or twice.</summary>
    [Theory]
    [InlineData(Store.Sqlite, false)]
    [InlineData(Store.Sqlite, true)]
    [InlineData(Store.PostgreSql, false)]
    [InlineData(Store.PostgreSql, true)]
    public async Task Messages_ForLater_LeaveTheConsumersOutboxWhenDue(Store store, bool byTheNextProcess)
    {
        await using var database = await TestDatabase.CreateAsync(store, server);
        var (clock, script, id, messageId) = (new ShiftedClock(), new Script(), Guid.CreateVersion7(), Guid.CreateVersion7());
        script.AtTheEnd = async (context, _) =>
        {
            await context.Publish(new Told(id, 5), send => send.Delay = TimeSpan.FromMinutes(5));
            var endpoint = await context.GetSendEndpoint(new Uri("queue:receiving"));
            await endpoint.Send(new Told(id, 2), send => send.Delay = TimeSpan.FromMinutes(2));
        };
        await using var context = database.Open();
        var host = await OutboxHost.StartAsync(database, clock, script: script);
        try
        {
            await host.TellAsync(new Tell(id, 1), messageId);
            await LeftAsync(context, 2);
            if (byTheNextProcess)
            {
                await host.TellAsync(new Tell(id, 1), messageId);
                await Eventually.TrueAsync(() => context.Set<InboxState>().AnyAsync(row => row.MessageId == messageId && row.ReceiveCount == 2 && row.Delivered == null), Limit, "the repeat is known");
                // Its handling ends with the process at the latest; in the same one it could go on when the time has come, and send too.
                await host.DisposeAsync();
                host = await OutboxHost.StartAsync(database, clock, script: script);
            }
            Assert.Equal([1], await ArrivedAsync(script, id, 1));
            clock.Advance(TimeSpan.FromMinutes(2));
            Assert.Equal([1, 2], await ArrivedAsync(script, id, 2));
            await LeftAsync(context, 1);

            // Longer than a lease, and the loop looks meanwhile: it finds what was left behind.
            clock.Advance(TimeSpan.FromMinutes(2));
            var behind = Guid.CreateVersion7();
            await BusOutboxTests.LeaveAsync(database, clock, behind, TimeSpan.FromMinutes(1), TimeSpan.FromMinutes(1));
            Assert.Equal([1, 2], await ArrivedAsync(script, behind, 2));
            Assert.Equal([1, 2], await ArrivedAsync(script, id, 2));

            clock.Advance(TimeSpan.FromMinutes(1));
            Assert.Equal([1, 2, 5], await ArrivedAsync(script, id, 3));
            await LeftAsync(context, 0);
            await Eventually.TrueAsync(() => context.Set<InboxState>().AnyAsync(row => row.MessageId == messageId && row.Delivered != null), Limit, "all is marked");
            // Whatever the loop would send once more, it would send now.
            clock.Advance(TimeSpan.FromMinutes(1));
            var last = Guid.CreateVersion7();
            await BusOutboxTests.LeaveAsync(database, clock, last, TimeSpan.FromMinutes(1), TimeSpan.FromMinutes(1));
            await ArrivedAsync(script, last, 2);
            Assert.Equal([1, 2, 5], await ArrivedAsync(script, id, 3));
            Assert.Equal(1, script.HandledFor(id));
        }
        finally
        {
            await host.DisposeAsync();
        }
    }

    private static async Task<IEnumerable<int>> ArrivedAsync(Script script, Guid id, int messages)
    {
        await Eventually.TrueAsync(() => script.ArrivedFor(id).Count >= messages, Limit, $"{messages} have arrived");
        return script.ArrivedFor(id).Select(seen => seen.Number);
    }

    private static Task LeftAsync(TestDbContext context, int messages) =>
        Eventually.TrueAsync(async () => await context.Set<InboxState>().AnyAsync() && await context.Set<OutboxMessage>().CountAsync() == messages, Limit, $"{messages} are left");
}
