using ConcertSaga.Shared.Persistence.Tests.Hosts;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Servers;
using MassTransit.EntityFrameworkCoreIntegration;
using Microsoft.EntityFrameworkCore;
using Xunit;

namespace ConcertSaga.Shared.Persistence.Tests.Crashes;

/// <summary>Several processes share one database and one queue.</summary>
public sealed class ReplicaTests(PostgreSqlServer server, CrashBroker rabbit) : IClassFixture<CrashBroker>
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(90);

    /// <summary>The broker delivers copies of a message to three processes at the same time.</summary>
    [Theory]
    [MemberData(nameof(Stores.Plain), MemberType = typeof(Stores))]
    public async Task Copies_InThreeProcesses_TakeEffectOnce(Store store)
    {
        const int messages = 20, copies = 6;
        await using var database = await TestDatabase.CreateAsync(store, server);
        var broker = await rabbit.AddressAsync();
        await using var receiver = await OutboxHost.StartAsync(database, broker: broker, parts: Parts.Receiver);
        var starting = new[] { Victim.StartAsync(database, broker), Victim.StartAsync(database, broker) };
        await using var first = await starting[0];
        await using var second = await starting[1];
        var script = new Script { Write = (_, _, _) => Task.Delay(Victim.Work) };
        await using var third = await OutboxHost.StartAsync(database, broker: broker, script: script, parts: Parts.Worker);

        // The first message of a process is slow. Without this warm-up the other processes would consume all copies.
        var warm = Enumerable.Range(0, 30).Select(_ => (Id: Guid.CreateVersion7(), MessageId: Guid.CreateVersion7())).ToArray();
        foreach (var (id, messageId) in warm)
            await receiver.SendToConsumerAsync(new WriteNote(id, 2), messageId);
        await using var context = database.Open();
        await Eventually.TrueAsync(async () => await context.Set<InboxState>().CountAsync() == warm.Length, Limit, "all processes work");

        var sent = Enumerable.Range(0, messages).Select(_ => (Id: Guid.CreateVersion7(), MessageId: Guid.CreateVersion7())).ToArray();
        foreach (var (id, messageId) in sent)
            await Task.WhenAll(Enumerable.Range(0, copies).Select(_ => receiver.SendToConsumerAsync(new WriteNote(id, 2), messageId)));
        await Eventually.TrueAsync(async () => await context.Set<InboxState>()
            .SumAsync(row => row.ReceiveCount) == warm.Length + (messages * copies), Limit, "all copies have come, and each was counted");
        await Eventually.TrueAsync(async () => !await context.Set<OutboxMessage>().AnyAsync()
            && await context.Set<InboxState>().AllAsync(row => row.Delivered != null), Limit, "all is delivered");
        await Eventually.TrueAsync(() => sent.All(message => receiver.Script.ArrivedFor(message.Id).DistinctBy(seen => seen.MessageId)
            .Count() >= 2), Limit, "and arrives");

        Assert.Contains(sent, message => new[] { first.HandledFor(message.Id), second.HandledFor(message.Id),
            script.HandledFor(message.Id) }.Count(times => times > 0) > 1);
        Assert.Equal(warm.Length + messages, await context.Set<InboxState>().CountAsync());
        Assert.Equal(warm.Concat(sent).Select(message => message.Id).Order(),
            (await context.Notes.Select(note => note.About).ToListAsync()).Order());
        Assert.All(sent, message => Assert.Equal([1, 2],
            receiver.Script.ArrivedFor(message.Id).DistinctBy(seen => seen.MessageId).Select(seen => seen.Number)));
    }

    /// <summary>Two processes save and deliver as fast as they can until one is killed.</summary>
    [Theory]
    [MemberData(nameof(Stores.Plain), MemberType = typeof(Stores))]
    public async Task Replica_KilledUnderLoad_LeavesItsMessagesToTheOther(Store store)
    {
        await using var database = await TestDatabase.CreateAsync(store, server);
        var broker = await rabbit.AddressAsync();
        await using var receiver = await OutboxHost.StartAsync(database, broker: broker, parts: Parts.Receiver);
        var clock = new ShiftedClock();
        await using var host = await OutboxHost.StartAsync(database, clock, broker: broker, parts: Parts.Worker);
        await using var victim = await Victim.StartAsync(database, broker, Role.Producer);

        await using var context = database.Open();
        var mine = new List<Guid>();
        for (var killed = false; mine.Count < 100 || !killed;)
        {
            mine.Add(Guid.CreateVersion7());
            await Victim.SaveUnitAsync(host, mine[^1]);
            if (!killed && await context.Notes.CountAsync() - mine.Count > 200)
            {
                await victim.KillAsync();
                killed = true;
            }
        }
        var units = await context.Notes.Select(note => note.About).ToListAsync();
        // Until the dead process's lease ends, no other process delivers its messages.
        var left = 0;
        await Eventually.TrueAsync(async () =>
        {
            var rows = await context.Set<OutboxMessage>().AsNoTracking().ToListAsync();
            left = rows.Count;
            return !rows.Exists(row => mine.Exists(id => row.Body.Contains($"{id}", StringComparison.Ordinal)));
        }, Limit, "the other process has delivered its own messages");
        clock.Advance(TimeSpan.FromMinutes(1));
        await Eventually.TrueAsync(async () => !await context.Set<OutboxMessage>().AnyAsync()
            && !await context.Set<OutboxState>().AnyAsync(), Limit, "and then those of the dead one");
        await Eventually.TrueAsync(() => receiver.Script.Arrived.DistinctBy(seen => seen.MessageId).Count() >= 3 * units.Count, Limit,
            "and all arrive");

        var arrived = receiver.Script.Arrived.ToLookup(seen => seen.Id);
        Assert.Equal(units.Order(), arrived.Select(unit => unit.Key).Order());
        Assert.All(units, id => Assert.Equal([1, 2, 3], arrived[id].DistinctBy(seen => seen.MessageId).Select(seen => seen.Number)));
        Assert.All(mine, id => Assert.Equal(3, arrived[id].Count()));
        Assert.InRange(left, 1, int.MaxValue);
        Assert.InRange(receiver.Script.Arrived.Count - (3 * units.Count), 0, left);
    }
}
