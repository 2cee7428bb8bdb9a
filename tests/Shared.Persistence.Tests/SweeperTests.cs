using ConcertSaga.Shared.Persistence.Tests.Hosts;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Servers;
using MassTransit.EntityFrameworkCoreIntegration;
using Microsoft.EntityFrameworkCore;
using Xunit;

namespace ConcertSaga.Shared.Persistence.Tests;

/// <summary>More is left behind, and more has grown old, than one look takes.</summary>
public sealed class SweeperTests(PostgreSqlServer server)
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);

    [Theory]
    [InlineData(Store.Sqlite)]
    [InlineData(Store.PostgreSql)]
    public async Task Messages_AmongManyNobodyCanSend_AllLeave(Store store)
    {
        await using var database = await TestDatabase.CreateAsync(store, server);
        var (clock, good, poisonous) = (new ShiftedClock(), new List<Guid>(), 0);
        // More than a look takes, one kind after the other, and some of consumers.
        for (var block = 0; block < 3; block++)
        {
            for (var unit = 0; unit < 8; unit++, poisonous++)
                await LeaveAsync(Guid.CreateVersion7(), unit % 2 == 0, isPoisonous: true);
            for (var unit = 0; unit < 8; unit++)
            {
                good.Add(Guid.CreateVersion7());
                await LeaveAsync(good[^1], unit % 2 == 0, isPoisonous: false);
            }
        }
        await using var host = await OutboxHost.StartAsync(database, clock, outbox => outbox.QueryMessageLimit = 5);
        await Eventually.TrueAsync(() => good.TrueForAll(id => host.Script.ArrivedFor(id).Count >= 2), Limit, "all that can be sent arrives");
        await using var context = database.Open();
        await Eventually.TrueAsync(async () => await context.Set<OutboxMessage>().CountAsync() == 2 * poisonous, Limit, "what nobody can send is left");

        // They are tried again, and do not stand in the way of what is left behind later.
        clock.Advance(Minute);
        good.Add(Guid.CreateVersion7());
        await LeaveAsync(good[^1], ofAConsumer: true, isPoisonous: false);
        await Eventually.TrueAsync(() => host.Script.ArrivedFor(good[^1]).Count >= 2, Limit, "one more arrives");
        await Eventually.TrueAsync(async () => await context.Set<OutboxMessage>().CountAsync() == 2 * poisonous, Limit, "the same are left");
        Assert.All(good, id => Assert.Equal([1, 2], host.Script.ArrivedFor(id).Select(seen => seen.Number)));
        Assert.Equal(2 * good.Count, host.Script.Arrived.Count);

        async Task LeaveAsync(Guid id, bool ofAConsumer, bool isPoisonous)
        {
            await BusOutboxTests.LeaveAsync(database, clock, id, Minute, Minute, row =>
            {
                if (isPoisonous)
                    row.DestinationAddress = new Uri("nonsense://nowhere/at-all");
                if (ofAConsumer)
                    (row.OutboxId, row.InboxMessageId, row.InboxConsumerId) = (null, id, id);
            });
            if (!ofAConsumer)
                return;
            await using var left = database.Open();
            left.Add(Inbox(clock, id, Minute));
            await left.SaveChangesAsync();
            await left.Set<OutboxState>().Where(state => !left.Set<OutboxMessage>().Any(row => row.OutboxId == state.OutboxId)).ExecuteDeleteAsync();
        }
    }

    /// <summary>Both look for the same rows at the same time.</summary>
    [Theory]
    [InlineData(Store.Sqlite)]
    [InlineData(Store.PostgreSql)]
    public async Task InboxRows_OldOnesInGreatNumber_AreCleanedByTwoReplicas(Store store)
    {
        const int old = 4_500, young = 60;
        await using var database = await TestDatabase.CreateAsync(store, server);
        var clock = new ShiftedClock();
        await using var context = database.Open();
        context.AddRange(Enumerable.Range(0, old).Select(_ => Inbox(clock, Guid.CreateVersion7(), TimeSpan.FromHours(1), isDelivered: true)));
        await context.SaveChangesAsync();
        var kept = Enumerable.Range(0, young).Select(_ => Inbox(clock, Guid.CreateVersion7(), Minute, isDelivered: true)).ToList();
        context.AddRange(kept);
        await context.SaveChangesAsync();

        var log = new LogCounter();
        var hosts = await Task.WhenAll(Enumerable.Range(0, 2).Select(_ => OutboxHost.StartAsync(database, clock, outbox => outbox.DuplicateDetectionWindow = TimeSpan.FromMinutes(5), log: log)));
        try
        {
            await Eventually.TrueAsync(async () => await context.Set<InboxState>().CountAsync() <= young, Limit, "all old rows go");
            await LookedTwiceAsync(database, clock, hosts);
            Assert.Equal(kept.Select(row => row.MessageId), await context.Set<InboxState>().OrderBy(row => row.Id).Select(row => row.MessageId).ToListAsync());
            Assert.Empty(log.Lines);
        }
        finally
        {
            foreach (var host in hosts)
                await host.DisposeAsync();
        }
    }

    [Theory]
    [InlineData(Store.Sqlite)]
    [InlineData(Store.PostgreSql)]
    public async Task InboxRows_WithoutTheCleanup_Stay(Store store)
    {
        await using var database = await TestDatabase.CreateAsync(store, server);
        var clock = new ShiftedClock();
        await using var context = database.Open();
        context.AddRange(Enumerable.Range(0, 10).Select(_ => Inbox(clock, Guid.CreateVersion7(), TimeSpan.FromDays(30), isDelivered: true)));
        await context.SaveChangesAsync();
        await using var host = await OutboxHost.StartAsync(database, clock, outbox =>
        {
            outbox.DuplicateDetectionWindow = TimeSpan.FromMinutes(5);
            outbox.DisableInboxCleanupService();
        });
        await LookedTwiceAsync(database, clock, host);
        Assert.Equal(10, await context.Set<InboxState>().CountAsync());
    }

    // What is left behind is swept before anything is cleaned; who has swept a second time has cleaned once.
    private static async Task LookedTwiceAsync(TestDatabase database, ShiftedClock clock, params OutboxHost[] hosts)
    {
        for (var times = 0; times < 2; times++)
        {
            var id = Guid.CreateVersion7();
            await BusOutboxTests.LeaveAsync(database, clock, id, Minute, Minute);
            await Eventually.TrueAsync(() => hosts.Sum(host => host.Script.ArrivedFor(id).Count) >= 2, Limit, "it is swept");
        }
    }

    private static InboxState Inbox(TimeProvider clock, Guid messageId, TimeSpan age, bool isDelivered = false)
    {
        var at = clock.GetUtcNow() - age;
        return new InboxState
        {
            MessageId = messageId,
            ConsumerId = messageId,
            LockId = Guid.CreateVersion7(at),
            Received = at.UtcDateTime,
            ReceiveCount = 1,
            Consumed = at.UtcDateTime,
            Delivered = isDelivered ? at.UtcDateTime : null
        };
    }
}
