using ConcertSaga.Shared.Persistence.Tests.Hosts;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Servers;
using MassTransit.EntityFrameworkCoreIntegration;
using Microsoft.EntityFrameworkCore;
using Xunit;

namespace ConcertSaga.Shared.Persistence.Tests.Sending;

/// <summary>Unsent messages are delivered once, and old rows are deleted, also if one query does not return them all.</summary>
public sealed class OutboxSweeperTests(PostgreSqlServer server)
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);

    [Theory]
    [MemberData(nameof(Stores.All), MemberType = typeof(Stores))]
    public async Task Messages_AmongManyUndeliverable_AllLeave(Store store)
    {
        await using var database = await TestDatabase.CreateAsync(store, server);
        var (clock, good, poisonous) = (new ShiftedClock(), new List<Guid>(), 0);
        // More than one query returns, with blocks of both kinds and messages of consumers.
        for (var block = 0; block < 3; block++)
        {
            for (var unit = 0; unit < 8; unit++, poisonous++)
                await StoreAsync(Guid.CreateVersion7(), unit % 2 == 0, isPoisonous: true);
            for (var unit = 0; unit < 8; unit++)
            {
                good.Add(Guid.CreateVersion7());
                await StoreAsync(good[^1], unit % 2 == 0, isPoisonous: false);
            }
        }
        await using var host = await OutboxHost.StartAsync(database, clock, outbox => outbox.QueryMessageLimit = 5);
        await Eventually.TrueAsync(() => good.TrueForAll(id => host.Script.ArrivedFor(id).Count >= 2), Limit,
            "all that can be sent arrives");
        await using var context = database.Open();
        await Eventually.TrueAsync(async () => await context.Set<OutboxMessage>().CountAsync() == 2 * poisonous, Limit,
            "the undeliverable messages remain");

        // The sweeper retries them, and they do not block later messages.
        clock.Advance(Minute);
        good.Add(Guid.CreateVersion7());
        await StoreAsync(good[^1], ofConsumer: true, isPoisonous: false);
        await Eventually.TrueAsync(() => host.Script.ArrivedFor(good[^1]).Count >= 2, Limit, "one more arrives");
        await Eventually.TrueAsync(async () => await context.Set<OutboxMessage>().CountAsync() == 2 * poisonous, Limit,
            "the same are left");
        Assert.All(good, id => Assert.Equal([1, 2], host.Script.ArrivedFor(id).Select(seen => seen.Number)));
        Assert.Equal(2 * good.Count, host.Script.Arrived.Count);

        Task StoreAsync(Guid id, bool ofConsumer, bool isPoisonous)
        {
            Action<OutboxMessage>? change = isPoisonous ? row => row.DestinationAddress = new Uri("nonsense://nowhere/at-all") : null;
            return ofConsumer
                ? UnsentMessages.StoreOfConsumerAsync(database, clock, id, Minute, Minute, change)
                : UnsentMessages.StoreAsync(database, clock, id, Minute, Minute, change);
        }
    }

    /// <summary>A slow handler does not use up the lease of its process to send the messages.</summary>
    [Theory]
    [MemberData(nameof(Stores.All), MemberType = typeof(Stores))]
    public async Task Messages_OfAHandlerThatTookLong_AreNotSweptWhileTheyLeave(Store store)
    {
        await using var database = await TestDatabase.CreateAsync(store, server);
        var clock = new ShiftedClock();
        var (id, behind) = (Guid.CreateVersion7(), Guid.CreateVersion7());
        var script = new Script();
        var handled = 0;
        script.AtTheEnd = (_, _) =>
        {
            clock.Advance(TimeSpan.FromSeconds(11));
            Interlocked.Increment(ref handled);
            return Task.CompletedTask;
        };
        script.BeforeSend = async _ =>
        {
            // The first message after the end of the handler is its own.
            if (Interlocked.CompareExchange(ref handled, 2, 1) != 1)
                return;
            await UnsentMessages.StoreAsync(database, clock, behind, TimeSpan.FromMinutes(1), TimeSpan.FromMinutes(1));
            await Eventually.TrueAsync(() => script.ArrivedFor(behind).Count == 2, Limit, "the sweeper has run");
        };
        await using var host = await OutboxHost.StartAsync(database, clock, script: script);

        await host.SendToConsumerAsync(new WriteNote(id, 1), Guid.CreateVersion7());
        await Eventually.TrueAsync(() => script.ArrivedFor(id).Count > 0, Limit, "it arrives");
        await OutboxScenario.OutboxIsEmptyAsync(database);
        await OutboxScenario.EarlierMessagesArriveAsync(host);
        Assert.Single(script.ArrivedFor(id));
    }

    [Theory]
    [MemberData(nameof(Stores.All), MemberType = typeof(Stores))]
    public async Task Messages_OfADeadProcess_AreSweptOnceByTwoReplicas(Store store)
    {
        await using var database = await TestDatabase.CreateAsync(store, server);
        var clock = new ShiftedClock();
        var (ids, leased) = (Enumerable.Range(0, 50).Select(_ => Guid.CreateVersion7()).ToArray(), Guid.CreateVersion7());
        foreach (var id in ids)
            await UnsentMessages.StoreAsync(database, clock, id, TimeSpan.FromMinutes(1), TimeSpan.FromMinutes(1));
        // Created long ago, but leased just now.
        await UnsentMessages.StoreAsync(database, clock, leased, TimeSpan.FromMinutes(1), TimeSpan.Zero);

        await using var first = await OutboxHost.StartAsync(database, clock, outbox => outbox.QueryMessageLimit = 7);
        await using var second = await OutboxHost.StartAsync(database, clock, outbox => outbox.QueryMessageLimit = 7);
        await Eventually.TrueAsync(() => ids.All(id => first.Script.ArrivedFor(id).Count + second.Script.ArrivedFor(id).Count >= 2), Limit,
            "all are delivered");
        await using var context = database.Open();
        await Eventually.TrueAsync(async () => await context.Set<OutboxState>().CountAsync() == 1, Limit,
            "and removed, but for the leased one");

        Assert.All(ids, id => Assert.Equal([1, 2],
            first.Script.ArrivedFor(id).Concat(second.Script.ArrivedFor(id)).Select(seen => seen.Number)));
        Assert.Empty(first.Script.ArrivedFor(leased).Concat(second.Script.ArrivedFor(leased)));

        clock.Advance(TimeSpan.FromSeconds(11));
        await Eventually.TrueAsync(() =>
        {
            var arrived = first.Script.ArrivedFor(leased).Count + second.Script.ArrivedFor(leased).Count;
            // A sweeper that was busy at that moment begins its pause only now.
            if (arrived == 0)
                clock.Advance(TimeSpan.FromSeconds(0.25));
            return arrived == 2;
        }, Limit, "its lease ends");
    }

    /// <summary>An undeliverable message stays and does not block later ones.</summary>
    [Theory]
    [MemberData(nameof(Stores.All), MemberType = typeof(Stores))]
    public async Task Messages_BehindAnUndeliverableOne_AreDelivered(Store store)
    {
        await using var database = await TestDatabase.CreateAsync(store, server);
        var clock = new ShiftedClock();
        var (poison, good) = (Guid.CreateVersion7(), Guid.CreateVersion7());
        await UnsentMessages.StoreAsync(database, clock, poison, TimeSpan.FromMinutes(2), TimeSpan.FromMinutes(2),
            row => row.DestinationAddress = new Uri("nonsense://nowhere/at-all"));
        await UnsentMessages.StoreAsync(database, clock, good, TimeSpan.FromMinutes(1), TimeSpan.FromMinutes(1));

        await using var host = await OutboxHost.StartAsync(database, clock);
        await Eventually.TrueAsync(() => host.Script.ArrivedFor(good).Count == 2, TimeSpan.FromSeconds(60), "the good one is delivered");
        await using var context = database.Open();
        await Eventually.TrueAsync(async () => await context.Set<OutboxState>().CountAsync() == 1, Limit, "only the poisonous one is left");
    }

    /// <summary>Both replicas query the same rows at the same time.</summary>
    [Theory]
    [MemberData(nameof(Stores.All), MemberType = typeof(Stores))]
    public async Task InboxEntries_ManyOldOnes_AreDeletedByTwoReplicas(Store store)
    {
        const int old = 4_500, young = 60;
        await using var database = await TestDatabase.CreateAsync(store, server);
        var clock = new ShiftedClock();
        await using var context = database.Open();
        context.AddRange(Enumerable.Range(0, old)
            .Select(_ => UnsentMessages.InboxEntry(clock, Guid.CreateVersion7(), TimeSpan.FromHours(1), isDelivered: true)));
        await context.SaveChangesAsync();
        var kept = Enumerable.Range(0, young)
            .Select(_ => UnsentMessages.InboxEntry(clock, Guid.CreateVersion7(), Minute, isDelivered: true)).ToList();
        context.AddRange(kept);
        await context.SaveChangesAsync();

        var log = new LogCounter();
        var hosts = await Task.WhenAll(Enumerable.Range(0, 2)
            .Select(_ => OutboxHost.StartAsync(database, clock, outbox => outbox.DuplicateDetectionWindow = TimeSpan.FromMinutes(5),
            log: log)));
        try
        {
            await Eventually.TrueAsync(async () => await context.Set<InboxState>().CountAsync() <= young, Limit, "all old rows go");
            await SweptTwiceAsync(database, clock, hosts);
            Assert.Equal(kept.Select(row => row.MessageId),
                await context.Set<InboxState>().OrderBy(row => row.Id).Select(row => row.MessageId).ToListAsync());
            Assert.Empty(log.Lines);
        }
        finally
        {
            foreach (var host in hosts)
                await host.DisposeAsync();
        }
    }

    [Theory]
    [MemberData(nameof(Stores.All), MemberType = typeof(Stores))]
    public async Task InboxEntries_WithoutTheCleanup_Stay(Store store)
    {
        await using var database = await TestDatabase.CreateAsync(store, server);
        var clock = new ShiftedClock();
        await using var context = database.Open();
        context.AddRange(Enumerable.Range(0, 10)
            .Select(_ => UnsentMessages.InboxEntry(clock, Guid.CreateVersion7(), TimeSpan.FromDays(30), isDelivered: true)));
        await context.SaveChangesAsync();
        await using var host = await OutboxHost.StartAsync(database, clock, outbox =>
        {
            outbox.DuplicateDetectionWindow = TimeSpan.FromMinutes(5);
            outbox.DisableInboxCleanupService();
        });
        await SweptTwiceAsync(database, clock, host);
        Assert.Equal(10, await context.Set<InboxState>().CountAsync());
    }

    // Each round sweeps before it cleans, so a second sweep proves one clean-up.
    private static async Task SweptTwiceAsync(TestDatabase database, ShiftedClock clock, params OutboxHost[] hosts)
    {
        for (var times = 0; times < 2; times++)
        {
            var id = Guid.CreateVersion7();
            await UnsentMessages.StoreAsync(database, clock, id, Minute, Minute);
            await Eventually.TrueAsync(() => hosts.Sum(host => host.Script.ArrivedFor(id).Count) >= 2, Limit, "it is swept");
        }
    }
}
