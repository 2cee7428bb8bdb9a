using ConcertSaga.Shared.Persistence.Tests.Hosts;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Servers;
using MassTransit;
using MassTransit.EntityFrameworkCoreIntegration;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace ConcertSaga.Shared.Persistence.Tests;

/// <summary>Messages of a unit of work outside a consumer leave when, and only when, it is committed.</summary>
public sealed class BusOutboxTests(PostgreSqlServer server)
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    [Theory]
    [InlineData(Store.Sqlite)]
    [InlineData(Store.PostgreSql)]
    public async Task Messages_Saved_LeaveInOrderAndAreRemoved(Store store)
    {
        await using var database = await TestDatabase.CreateAsync(store, server);
        await using var host = await OutboxHost.StartAsync(database);
        var id = Guid.CreateVersion7();
        await using (var unit = new Unit(host))
        {
            for (var number = 1; number <= 10; number++)
                await unit.Publish.Publish(new Told(id, number));
            Assert.Empty(host.Script.ArrivedFor(id));
            unit.Database.Notes.Add(new Note { About = id });
            await unit.Database.SaveChangesAsync();
        }
        await Eventually.TrueAsync(() => host.Script.ArrivedFor(id).Count == 10, Limit, "they arrive");
        Assert.Equal(Enumerable.Range(1, 10), host.Script.ArrivedFor(id).Select(seen => seen.Number));
        await EmptyAsync(database);
    }

    [Theory]
    [InlineData(Store.Sqlite)]
    [InlineData(Store.PostgreSql)]
    public async Task Messages_OfASaveThatFailed_NeverLeave(Store store)
    {
        await using var database = await TestDatabase.CreateAsync(store, server);
        await using var host = await OutboxHost.StartAsync(database);
        var (id, taken) = (Guid.CreateVersion7(), Guid.CreateVersion7());
        await using (var first = new Unit(host))
        {
            first.Database.Tallies.Add(new Tally { CorrelationId = taken });
            await first.Database.SaveChangesAsync();
        }
        await using (var unit = new Unit(host))
        {
            await unit.Publish.Publish(new Told(id, 1));
            unit.Database.Tallies.Add(new Tally { CorrelationId = taken });
            await Assert.ThrowsAsync<DbUpdateException>(() => unit.Database.SaveChangesAsync());
            // Given up; what follows in the same scope is a unit of its own.
            unit.Database.ChangeTracker.Clear();
            await unit.Publish.Publish(new Told(id, 2));
            await unit.Database.SaveChangesAsync();
        }
        await Eventually.TrueAsync(() => host.Script.ArrivedFor(id).Count > 0, Limit, "the second arrives");
        Assert.Equal([2], host.Script.ArrivedFor(id).Select(seen => seen.Number));
        await EmptyAsync(database);
        Assert.Equal([2], host.Script.ArrivedFor(id).Select(seen => seen.Number));
    }

    [Theory]
    [InlineData(Store.Sqlite)]
    [InlineData(Store.PostgreSql)]
    public async Task Messages_OfASaveThatFailedAndWasRepeated_LeaveOnce(Store store)
    {
        await using var database = await TestDatabase.CreateAsync(store, server);
        await using var host = await OutboxHost.StartAsync(database);
        var (id, taken) = (Guid.CreateVersion7(), Guid.CreateVersion7());
        await using (var first = new Unit(host))
        {
            first.Database.Tallies.Add(new Tally { CorrelationId = taken });
            await first.Database.SaveChangesAsync();
        }
        await using (var unit = new Unit(host))
        {
            await unit.Publish.Publish(new Told(id, 1));
            var conflicting = unit.Database.Tallies.Add(new Tally { CorrelationId = taken });
            await Assert.ThrowsAsync<DbUpdateException>(() => unit.Database.SaveChangesAsync());
            conflicting.State = EntityState.Detached;
            await unit.Database.SaveChangesAsync();
        }
        await Eventually.TrueAsync(() => host.Script.ArrivedFor(id).Count > 0, Limit, "it arrives");
        await EmptyAsync(database);
        Assert.Single(host.Script.ArrivedFor(id));
    }

    [Theory]
    [InlineData(Store.Sqlite)]
    [InlineData(Store.PostgreSql)]
    public async Task Messages_OfSeveralSavesInAScope_AllLeave(Store store)
    {
        await using var database = await TestDatabase.CreateAsync(store, server);
        await using var host = await OutboxHost.StartAsync(database);
        var id = Guid.CreateVersion7();
        await using (var unit = new Unit(host))
        {
            for (var number = 1; number <= 3; number++)
            {
                await unit.Publish.Publish(new Told(id, number));
                await unit.Database.SaveChangesAsync();
            }
            // Never saved.
            await unit.Publish.Publish(new Told(id, 4));
        }
        await Eventually.TrueAsync(() => host.Script.ArrivedFor(id).Count == 3, Limit, "they arrive");
        await EmptyAsync(database);
        Assert.Equal([1, 2, 3], host.Script.ArrivedFor(id).Select(seen => seen.Number).Order());
    }

    [Theory]
    [InlineData(Store.Sqlite, true)]
    [InlineData(Store.Sqlite, false)]
    [InlineData(Store.PostgreSql, true)]
    [InlineData(Store.PostgreSql, false)]
    public async Task Messages_InATransactionOfTheCaller_LeaveIfItCommits(Store store, bool commits)
    {
        await using var database = await TestDatabase.CreateAsync(store, server);
        await using var host = await OutboxHost.StartAsync(database);
        var id = Guid.CreateVersion7();
        await using (var unit = new Unit(host))
        {
            await using var transaction = await unit.Database.Database.BeginTransactionAsync();
            await unit.Publish.Publish(new Told(id, 1));
            await unit.Database.SaveChangesAsync();
            await unit.Publish.Publish(new Told(id, 2));
            await unit.Database.SaveChangesAsync();
            Assert.Empty(host.Script.ArrivedFor(id));
            if (commits)
                await transaction.CommitAsync();
            else
                await transaction.RollbackAsync();
        }
        if (commits)
            await Eventually.TrueAsync(() => host.Script.ArrivedFor(id).Count == 2, Limit, "they arrive");
        await EmptyAsync(database);
        Assert.Equal(commits ? [1, 2] : [], host.Script.ArrivedFor(id).Select(seen => seen.Number));
    }

    /// <summary>A unit of work is over with its transaction: a later save in the same scope sends nothing of it, neither again nor at all.</summary>
    [Theory]
    [InlineData(Store.Sqlite, true)]
    [InlineData(Store.Sqlite, false)]
    [InlineData(Store.PostgreSql, true)]
    [InlineData(Store.PostgreSql, false)]
    public async Task Messages_OfATransactionThatEnded_AreNotThoseOfALaterSave(Store store, bool commits)
    {
        await using var database = await TestDatabase.CreateAsync(store, server);
        await using var host = await OutboxHost.StartAsync(database);
        var id = Guid.CreateVersion7();
        await using (var unit = new Unit(host))
        {
            await using (var transaction = await unit.Database.Database.BeginTransactionAsync())
            {
                await unit.Publish.Publish(new Told(id, 1));
                await unit.Database.SaveChangesAsync();
                if (commits)
                    await transaction.CommitAsync();
                else
                    await transaction.RollbackAsync();
            }
            unit.Database.Notes.Add(new Note { About = id });
            await unit.Database.SaveChangesAsync();
            await unit.Publish.Publish(new Told(id, 2));
            await unit.Database.SaveChangesAsync();
        }
        await Eventually.TrueAsync(() => host.Script.ArrivedFor(id).Any(seen => seen.Number == 2), Limit, "the later one arrives");
        await EmptyAsync(database);
        await OthersArriveAsync(host);
        Assert.Equal(commits ? [1, 2] : [2], host.Script.ArrivedFor(id).Select(seen => seen.Number).Order());
    }

    /// <summary>What is sent after the last save in a transaction was saved nowhere: it leaves with the next save, and not before.</summary>
    [Theory]
    [InlineData(Store.Sqlite)]
    [InlineData(Store.PostgreSql)]
    public async Task Message_SentAfterTheLastSaveOfATransaction_LeavesWithTheNextOne(Store store)
    {
        await using var database = await TestDatabase.CreateAsync(store, server);
        await using var host = await OutboxHost.StartAsync(database);
        var id = Guid.CreateVersion7();
        await using var unit = new Unit(host);
        await using (var transaction = await unit.Database.Database.BeginTransactionAsync())
        {
            await unit.Publish.Publish(new Told(id, 1));
            await unit.Database.SaveChangesAsync();
            await unit.Publish.Publish(new Told(id, 2));
            await transaction.CommitAsync();
        }
        await Eventually.TrueAsync(() => host.Script.ArrivedFor(id).Count > 0, Limit, "what was saved arrives");
        await EmptyAsync(database);
        await OthersArriveAsync(host);
        Assert.Equal([1], host.Script.ArrivedFor(id).Select(seen => seen.Number));

        await unit.Publish.Publish(new Told(id, 3));
        await unit.Database.SaveChangesAsync();
        await Eventually.TrueAsync(() => host.Script.ArrivedFor(id).Count == 3, Limit, "the others arrive");
        await EmptyAsync(database);
        Assert.Equal([1, 2, 3], host.Script.ArrivedFor(id).Select(seen => seen.Number));
    }

    [Theory]
    [InlineData(Store.Sqlite)]
    [InlineData(Store.PostgreSql)]
    public async Task Message_SavedAfterASavepointThatWasRolledBackTo_NeverLeaves(Store store)
    {
        await using var database = await TestDatabase.CreateAsync(store, server);
        var clock = new ShiftedClock();
        await using var host = await OutboxHost.StartAsync(database, clock);
        var id = Guid.CreateVersion7();
        await using (var unit = new Unit(host))
        {
            await using var transaction = await unit.Database.Database.BeginTransactionAsync();
            await unit.Publish.Publish(new Told(id, 1));
            await unit.Database.SaveChangesAsync();
            await transaction.CreateSavepointAsync("between");
            await unit.Publish.Publish(new Told(id, 2));
            await unit.Database.SaveChangesAsync();
            await transaction.RollbackToSavepointAsync("between");
            await transaction.CommitAsync();
        }
        // What such a transaction left only its rows can tell.
        clock.Advance(TimeSpan.FromSeconds(11));
        await Eventually.TrueAsync(() => host.Script.ArrivedFor(id).Count > 0, Limit, "the first arrives");
        await EmptyAsync(database);
        await OthersArriveAsync(host);
        Assert.Equal([1], host.Script.ArrivedFor(id).Select(seen => seen.Number));
    }

    /// <summary>SQLite takes no part in an ambient transaction, and says so.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Messages_InAnAmbientTransaction_LeaveIfItCompletes(bool completes)
    {
        await using var database = await TestDatabase.CreateAsync(Store.PostgreSql, server);
        await using var host = await OutboxHost.StartAsync(database);
        var id = Guid.CreateVersion7();
        await using (var unit = new Unit(host))
        {
            using var ambient = new System.Transactions.TransactionScope(System.Transactions.TransactionScopeAsyncFlowOption.Enabled);
            await unit.Publish.Publish(new Told(id, 1));
            await unit.Database.SaveChangesAsync();
            if (completes)
                ambient.Complete();
        }
        if (completes)
            await Eventually.TrueAsync(() => host.Script.ArrivedFor(id).Count > 0, Limit, "it arrives");
        await EmptyAsync(database);
        await OthersArriveAsync(host);
        Assert.Equal(completes ? [1] : [], host.Script.ArrivedFor(id).Select(seen => seen.Number));
    }

    /// <summary>However long a handler takes, its process has the messages of its unit of work for itself while it sends them.</summary>
    [Theory]
    [InlineData(Store.Sqlite)]
    [InlineData(Store.PostgreSql)]
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
            // The first to leave after the handler has ended is what it sent.
            if (Interlocked.CompareExchange(ref handled, 2, 1) != 1)
                return;
            await LeaveAsync(database, clock, behind, TimeSpan.FromMinutes(1), TimeSpan.FromMinutes(1));
            await Eventually.TrueAsync(() => script.ArrivedFor(behind).Count == 2, Limit, "the sweeper has looked");
        };
        await using var host = await OutboxHost.StartAsync(database, clock, script: script);

        await host.TellAsync(new Tell(id, 1), Guid.CreateVersion7());
        await Eventually.TrueAsync(() => script.ArrivedFor(id).Count > 0, Limit, "it arrives");
        await EmptyAsync(database);
        await OthersArriveAsync(host);
        Assert.Single(script.ArrivedFor(id));
    }

    [Theory]
    [InlineData(Store.Sqlite)]
    [InlineData(Store.PostgreSql)]
    public async Task Messages_OfADeadProcess_AreSweptOnceByTwoReplicas(Store store)
    {
        await using var database = await TestDatabase.CreateAsync(store, server);
        var clock = new ShiftedClock();
        var (ids, leased) = (Enumerable.Range(0, 50).Select(_ => Guid.CreateVersion7()).ToArray(), Guid.CreateVersion7());
        foreach (var id in ids)
            await LeaveAsync(database, clock, id, TimeSpan.FromMinutes(1), TimeSpan.FromMinutes(1));
        // Created long ago, but taken by somebody a moment ago.
        await LeaveAsync(database, clock, leased, TimeSpan.FromMinutes(1), TimeSpan.Zero);

        await using var one = await OutboxHost.StartAsync(database, clock, outbox => outbox.QueryMessageLimit = 7);
        await using var two = await OutboxHost.StartAsync(database, clock, outbox => outbox.QueryMessageLimit = 7);
        await Eventually.TrueAsync(() => ids.All(id => one.Script.ArrivedFor(id).Count + two.Script.ArrivedFor(id).Count >= 2), Limit, "all are delivered");
        await using var context = database.Open();
        await Eventually.TrueAsync(async () => await context.Set<OutboxState>().CountAsync() == 1, Limit, "and removed, but for the leased one");

        Assert.All(ids, id => Assert.Equal([1, 2], one.Script.ArrivedFor(id).Concat(two.Script.ArrivedFor(id)).Select(seen => seen.Number)));
        Assert.Empty(one.Script.ArrivedFor(leased).Concat(two.Script.ArrivedFor(leased)));

        clock.Advance(TimeSpan.FromSeconds(11));
        await Eventually.TrueAsync(() => one.Script.ArrivedFor(leased).Count + two.Script.ArrivedFor(leased).Count == 2, Limit, "its lease ends");
    }

    /// <summary>A message nobody can send stays, and does not stand in the way of those behind it.</summary>
    [Theory]
    [InlineData(Store.Sqlite)]
    [InlineData(Store.PostgreSql)]
    public async Task Messages_BehindAPoisonousOne_AreDelivered(Store store)
    {
        await using var database = await TestDatabase.CreateAsync(store, server);
        var clock = new ShiftedClock();
        var (poison, good) = (Guid.CreateVersion7(), Guid.CreateVersion7());
        await LeaveAsync(database, clock, poison, TimeSpan.FromMinutes(2), TimeSpan.FromMinutes(2), row => row.DestinationAddress = new Uri("nonsense://nowhere/at-all"));
        await LeaveAsync(database, clock, good, TimeSpan.FromMinutes(1), TimeSpan.FromMinutes(1));

        await using var host = await OutboxHost.StartAsync(database, clock);
        await Eventually.TrueAsync(() => host.Script.ArrivedFor(good).Count == 2, TimeSpan.FromSeconds(20), "the good one is delivered");
        await using var context = database.Open();
        await Eventually.TrueAsync(async () => await context.Set<OutboxState>().CountAsync() == 1, Limit, "only the poisonous one is left");
    }

    [Theory]
    [InlineData(Store.Sqlite)]
    [InlineData(Store.PostgreSql)]
    public async Task Messages_Expired_AreNotSentAndRemoved(Store store)
    {
        await using var database = await TestDatabase.CreateAsync(store, server);
        var clock = new ShiftedClock();
        var (expired, alive) = (Guid.CreateVersion7(), Guid.CreateVersion7());
        await LeaveAsync(database, clock, expired, TimeSpan.FromMinutes(1), TimeSpan.FromMinutes(1), row => row.ExpirationTime = clock.GetUtcNow().UtcDateTime.AddSeconds(-1));
        await LeaveAsync(database, clock, alive, TimeSpan.FromMinutes(1), TimeSpan.FromMinutes(1), row => row.ExpirationTime = clock.GetUtcNow().UtcDateTime.AddMinutes(5));

        await using var host = await OutboxHost.StartAsync(database, clock);
        await Eventually.TrueAsync(() => host.Script.ArrivedFor(alive).Count == 2, Limit, "the other is delivered");
        await EmptyAsync(database);
        Assert.Empty(host.Script.ArrivedFor(expired));
    }

    [Theory]
    [InlineData(Store.Sqlite)]
    [InlineData(Store.PostgreSql)]
    public async Task Messages_ForLater_LeaveWhenTheirTimeHasCome(Store store)
    {
        await using var database = await TestDatabase.CreateAsync(store, server);
        var clock = new ShiftedClock();
        await using var host = await OutboxHost.StartAsync(database, clock);
        var id = Guid.CreateVersion7();
        await using (var unit = new Unit(host))
        {
            await unit.Publish.Publish(new Told(id, 1), send => send.Delay = TimeSpan.FromMinutes(5));
            await unit.Publish.Publish(new Told(id, 2));
            await unit.Database.SaveChangesAsync();
        }
        await Eventually.TrueAsync(() => host.Script.ArrivedFor(id).Count == 1, Limit, "the other does not wait");
        await using var context = database.Open();
        await Eventually.TrueAsync(async () => await context.Set<OutboxMessage>().CountAsync() == 1, Limit, "only the delayed one is left");
        clock.Advance(TimeSpan.FromMinutes(4));
        // What was left behind behind it is found, so the delivery loop has looked since.
        var behind = Guid.CreateVersion7();
        await LeaveAsync(database, clock, behind, TimeSpan.FromMinutes(1), TimeSpan.FromMinutes(1));
        await Eventually.TrueAsync(() => host.Script.ArrivedFor(behind).Count == 2, Limit, "the loop has looked");
        Assert.Equal([2], host.Script.ArrivedFor(id).Select(seen => seen.Number));

        clock.Advance(TimeSpan.FromMinutes(1));
        await Eventually.TrueAsync(() => host.Script.ArrivedFor(id).Count == 2, Limit, "it leaves");
        await EmptyAsync(database);
        Assert.Equal([2, 1], host.Script.ArrivedFor(id).Select(seen => seen.Number));
    }

    /// <summary>The transport in memory forgets, so what was delivered a short while ago goes out again with the next process.</summary>
    [Theory]
    [InlineData(Store.Sqlite)]
    [InlineData(Store.PostgreSql)]
    public async Task Messages_Kept_AreSentAgainAtTheNextStartAndCleanedLater(Store store)
    {
        await using var database = await TestDatabase.CreateAsync(store, server);
        var clock = new ShiftedClock();
        var (published, told, messageId) = (Guid.CreateVersion7(), Guid.CreateVersion7(), Guid.CreateVersion7());
        IReadOnlyList<Guid?> before;
        await using (var first = await OutboxHost.StartAsync(database, clock, Keep))
        {
            await using (var unit = new Unit(first))
            {
                await unit.Publish.Publish(new Told(published, 1));
                await unit.Database.SaveChangesAsync();
            }
            await first.TellAsync(new Tell(told, 1), messageId);
            await Eventually.TrueAsync(() => first.Script.ArrivedFor(published).Count == 1 && first.Script.ArrivedFor(told).Count == 1, Limit, "they arrive");
            before = [first.Script.ArrivedFor(published)[0].MessageId, first.Script.ArrivedFor(told)[0].MessageId];
        }

        await using var second = await OutboxHost.StartAsync(database, clock, Keep);
        await Eventually.TrueAsync(() => second.Script.ArrivedFor(published).Count == 1 && second.Script.ArrivedFor(told).Count == 1, Limit, "they arrive again");
        Assert.Equal(before, [second.Script.ArrivedFor(published)[0].MessageId, second.Script.ArrivedFor(told)[0].MessageId]);

        clock.Advance(TimeSpan.FromMinutes(3));
        await EmptyAsync(database);
        await using var context = database.Open();
        Assert.True(await context.Set<InboxState>().AnyAsync(row => row.MessageId == messageId), "the inbox remembers longer");

        static void Keep(IEntityFrameworkOutboxConfigurator outbox)
        {
            outbox.DeliveredRetention = TimeSpan.FromMinutes(2);
            outbox.DuplicateDetectionWindow = TimeSpan.FromMinutes(30);
        }
    }

    /// <summary>More than one pass removes, and older than the inbox remembers: nothing may be left that no pass finds again.</summary>
    [Theory]
    [InlineData(Store.Sqlite)]
    [InlineData(Store.PostgreSql)]
    public async Task Messages_KeptInGreatNumber_AreAllCleaned(Store store)
    {
        await using var database = await TestDatabase.CreateAsync(store, server);
        var old = TimeProvider.System.GetUtcNow() - TimeSpan.FromHours(1);
        var messageId = Guid.CreateVersion7(old);
        await using var context = database.Open();
        context.Add(new InboxState { MessageId = messageId, ConsumerId = messageId, LockId = messageId, Received = old.UtcDateTime, Consumed = old.UtcDateTime, Delivered = old.UtcDateTime });
        context.AddRange(Enumerable.Range(0, 2_500).Select(_ => new OutboxMessage
        {
            InboxMessageId = messageId,
            InboxConsumerId = messageId,
            MessageId = Guid.CreateVersion7(old),
            SentTime = old.UtcDateTime,
            ContentType = "application/vnd.masstransit+json",
            MessageType = MessageUrn.ForTypeString<Told>(),
            Body = "{}"
        }));
        await context.SaveChangesAsync();

        await using var host = await OutboxHost.StartAsync(database, configure: outbox => outbox.DeliveredRetention = TimeSpan.FromMinutes(2));
        await EmptyAsync(database);
        await Eventually.TrueAsync(async () => !await context.Set<InboxState>().AnyAsync(), Limit, "its row goes last");
    }

    /// <summary>Two messages of a process that ended before it sent them.</summary>
    internal static async Task LeaveAsync(
        TestDatabase database, TimeProvider clock, Guid id, TimeSpan age, TimeSpan lockAge, Action<OutboxMessage>? change = null)
    {
        var now = clock.GetUtcNow();
        var outboxId = Guid.CreateVersion7(now - age);
        await using var context = database.Open();
        context.Add(new OutboxState { OutboxId = outboxId, LockId = Guid.CreateVersion7(now - lockAge), Created = (now - age).UtcDateTime });
        for (var number = 1; number <= 2; number++)
        {
            var row = new OutboxMessage
            {
                OutboxId = outboxId,
                MessageId = Guid.CreateVersion7(now),
                SentTime = (now - age).UtcDateTime,
                ContentType = "application/vnd.masstransit+json",
                MessageType = MessageUrn.ForTypeString<Told>(),
                DestinationAddress = new Uri("loopback://localhost/receiving"),
                Body = $$$"""{"messageType":["{{{MessageUrn.ForTypeString<Told>()}}}"],"message":{"id":"{{{id}}}","number":{{{number}}}}}"""
            };
            change?.Invoke(row);
            context.Add(row);
        }
        await context.SaveChangesAsync();
    }

    // What left before has arrived when this has.
    private static async Task OthersArriveAsync(OutboxHost host)
    {
        var id = Guid.CreateVersion7();
        await host.SendAsync("receiving", new Told(id, 1), Guid.CreateVersion7());
        await Eventually.TrueAsync(() => host.Script.ArrivedFor(id).Count == 1, Limit, "a message that needs no outbox arrives");
    }

    private static async Task EmptyAsync(TestDatabase database)
    {
        await using var context = database.Open();
        await Eventually.TrueAsync(async () => !await context.Set<OutboxMessage>().AnyAsync() && !await context.Set<OutboxState>().AnyAsync(), Limit, "the outbox is empty");
    }
}

/// <summary>A unit of work outside a consumer, such as an HTTP request.</summary>
internal sealed class Unit : IAsyncDisposable
{
    private readonly AsyncServiceScope _scope;

    public Unit(OutboxHost host) => _scope = host.Services.CreateAsyncScope();

    public TestDbContext Database => _scope.ServiceProvider.GetRequiredService<TestDbContext>();

    public IPublishEndpoint Publish => _scope.ServiceProvider.GetRequiredService<IPublishEndpoint>();

    public ValueTask DisposeAsync() => _scope.DisposeAsync();
}
