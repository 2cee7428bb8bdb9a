using ConcertSaga.Shared.Persistence.Tests.Hosts;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Servers;
using MassTransit;
using MassTransit.EntityFrameworkCoreIntegration;
using Microsoft.EntityFrameworkCore;
using Xunit;

namespace ConcertSaga.Shared.Persistence.Tests.Sending;

/// <summary>Delayed messages wait in the outbox.</summary>
public sealed class DelayTests(PostgreSqlServer server)
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    /// <summary>Neither a duplicate of the consumed message nor the next process sends a message early or twice.</summary>
    [Theory]
    [MemberData(nameof(Stores.AllTwice), MemberType = typeof(Stores))]
    public async Task DelayedMessages_OfAConsumer_LeaveWhenDue(Store store, bool byTheNextProcess)
    {
        await using var database = await TestDatabase.CreateAsync(store, server);
        var (clock, script, id, messageId) = (new ShiftedClock(), new Script(), Guid.CreateVersion7(), Guid.CreateVersion7());
        script.AtTheEnd = async (context, _) =>
        {
            await context.Publish(new NoteWritten(id, 5), send => send.Delay = TimeSpan.FromMinutes(5));
            var endpoint = await context.GetSendEndpoint(new Uri("queue:receiving"));
            await endpoint.Send(new NoteWritten(id, 2), send => send.Delay = TimeSpan.FromMinutes(2));
        };
        await using var context = database.Open();
        var host = await OutboxHost.StartAsync(database, clock, script: script);
        try
        {
            await host.SendToConsumerAsync(new WriteNote(id, 1), messageId);
            await LeftAsync(context, 2);
            if (byTheNextProcess)
            {
                await host.SendToConsumerAsync(new WriteNote(id, 1), messageId);
                await Eventually.TrueAsync(() => context.Set<InboxState>()
                    .AnyAsync(row => row.MessageId == messageId && row.ReceiveCount == 2 && row.Delivered == null), Limit,
                    "the duplicate is counted");
                // A new process makes sure that the duplicate's handling has ended. It could otherwise send the due message too.
                await host.DisposeAsync();
                host = await OutboxHost.StartAsync(database, clock, script: script);
            }
            Assert.Equal([1], await ArrivedAsync(script, id, 1));
            clock.Advance(TimeSpan.FromMinutes(2));
            Assert.Equal([1, 2], await ArrivedAsync(script, id, 2));
            await LeftAsync(context, 1);

            // The time exceeds a lease, and the unsent messages show that the sweeper has run.
            clock.Advance(TimeSpan.FromMinutes(2));
            var behind = Guid.CreateVersion7();
            await UnsentMessages.StoreAsync(database, clock, behind, TimeSpan.FromMinutes(1), TimeSpan.FromMinutes(1));
            Assert.Equal([1, 2], await ArrivedAsync(script, behind, 2));
            Assert.Equal([1, 2], await ArrivedAsync(script, id, 2));

            clock.Advance(TimeSpan.FromMinutes(1));
            Assert.Equal([1, 2, 5], await ArrivedAsync(script, id, 3));
            await LeftAsync(context, 0);
            await Eventually.TrueAsync(() => context.Set<InboxState>().AnyAsync(row => row.MessageId == messageId && row.Delivered != null),
                Limit, "all is marked");
            // If the sweeper resent a message, it would do so now.
            clock.Advance(TimeSpan.FromMinutes(1));
            var last = Guid.CreateVersion7();
            await UnsentMessages.StoreAsync(database, clock, last, TimeSpan.FromMinutes(1), TimeSpan.FromMinutes(1));
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
        Eventually.TrueAsync(async () => await context.Set<InboxState>().AnyAsync()
            && await context.Set<OutboxMessage>().CountAsync() == messages, Limit, $"{messages} are left");

    [Theory]
    [MemberData(nameof(Stores.All), MemberType = typeof(Stores))]
    public async Task DelayedMessages_OfAUnitOfWork_LeaveWhenDue(Store store)
    {
        await using var database = await TestDatabase.CreateAsync(store, server);
        var clock = new ShiftedClock();
        await using var host = await OutboxHost.StartAsync(database, clock);
        var id = Guid.CreateVersion7();
        await using (var unit = new UnitOfWork(host))
        {
            await unit.PublishAsync(new NoteWritten(id, 1), send => send.Delay = TimeSpan.FromMinutes(5));
            await unit.PublishAsync(new NoteWritten(id, 2));
            await unit.SaveAsync();
        }
        await Eventually.TrueAsync(() => host.Script.ArrivedFor(id).Count == 1, Limit, "the other message does not wait");
        await using var context = database.Open();
        await Eventually.TrueAsync(async () => await context.Set<OutboxMessage>().CountAsync() == 1, Limit, "only the delayed one is left");
        clock.Advance(TimeSpan.FromMinutes(4));
        // The sweeper finds these later messages, so it has run since.
        var behind = Guid.CreateVersion7();
        await UnsentMessages.StoreAsync(database, clock, behind, TimeSpan.FromMinutes(1), TimeSpan.FromMinutes(1));
        await Eventually.TrueAsync(() => host.Script.ArrivedFor(behind).Count == 2, Limit, "the sweeper has run");
        Assert.Equal([2], host.Script.ArrivedFor(id).Select(seen => seen.Number));

        clock.Advance(TimeSpan.FromMinutes(1));
        await Eventually.TrueAsync(() => host.Script.ArrivedFor(id).Count == 2, Limit, "it leaves");
        await OutboxScenario.OutboxIsEmptyAsync(database);
        Assert.Equal([2, 1], host.Script.ArrivedFor(id).Select(seen => seen.Number));
    }
}
