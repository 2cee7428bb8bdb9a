using System.Collections.Concurrent;
using ConcertSaga.Shared.Persistence.Tests.Hosts;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Servers;
using MassTransit;
using MassTransit.EntityFrameworkCoreIntegration;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace ConcertSaga.Shared.Persistence.Tests;

/// <summary>What outboxes of this kind are known to get wrong, as far as no other test here says so already.</summary>
public sealed class ComplaintTests(PostgreSqlServer server)
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    /// <summary>Many left behind are sent many at a time, and marked with few commits.</summary>
    [Theory]
    [InlineData(Store.Sqlite)]
    [InlineData(Store.PostgreSql)]
    public async Task Messages_ManyLeftBehind_AreNotDeliveredOneByOne(Store store)
    {
        const int units = 500;
        await using var database = await TestDatabase.CreateAsync(store, server);
        var clock = new ShiftedClock();
        await LeaveAsync(database, clock, units);
        var (sending, most, commits) = (0, 0, 0);
        var script = new Script
        {
            BeforeSend = async _ =>
            {
                InterlockedMax(ref most, Interlocked.Increment(ref sending));
                await Task.Delay(TimeSpan.FromMilliseconds(10));
                Interlocked.Decrement(ref sending);
            },
            BeforeCommit = _ =>
            {
                Interlocked.Increment(ref commits);
                return Task.CompletedTask;
            }
        };
        await using var host = await OutboxHost.StartAsync(database, clock, script: script);
        await Eventually.TrueAsync(() => script.Arrived.Count >= 2 * units, Limit, "all arrive");
        await EmptyAsync(database);

        Assert.Equal(2 * units, script.Arrived.Count);
        Assert.InRange(most, 8, 16);
        Assert.InRange(commits, 1, units / 3);
    }

    /// <summary>Every request is answered while messages of other kinds crowd the same outbox.</summary>
    [Theory]
    [InlineData(Store.Sqlite)]
    [InlineData(Store.PostgreSql)]
    public async Task Responses_UnderLoad_AllArrive(Store store)
    {
        const int requests = 200;
        await using var database = await TestDatabase.CreateAsync(store, server);
        var script = new Script { AtTheEnd = (context, _) => context.RespondAsync(new Counted(context.CorrelationId ?? default, 1)) };
        await using var host = await OutboxHost.StartAsync(database, script: script);
        var client = host.Bus.CreateRequestClient<Tell>(new Uri("queue:scripted"), RequestTimeout.After(s: 60));
        var asked = await Task.WhenAll(Enumerable.Range(0, requests).Select(async _ =>
        {
            var id = Guid.CreateVersion7();
            var answer = await client.GetResponse<Counted>(new Tell(id, 2), request => request.UseExecute(context => context.CorrelationId = id));
            return (id, answer.Message.Id);
        }));
        await host.Services.GetRequiredService<OutboxBacklog<TestDbContext>>().IdleAsync();
        await EmptyAsync(database);

        Assert.All(asked, one => Assert.Equal(one.id, one.Id));
        await using var context = database.Open();
        Assert.Equal((requests, requests), (await context.Notes.CountAsync(), await context.Set<InboxState>().CountAsync(row => row.Delivered != null)));
        await Eventually.TrueAsync(() => script.Arrived.Count >= 2 * requests, Limit, "the others arrive too");
    }

    /// <summary>No clean-up takes away the row without which a message's rows are orphans.</summary>
    [Theory]
    [InlineData(Store.Sqlite)]
    [InlineData(Store.PostgreSql)]
    public async Task InboxRow_WithMessagesLeft_OutlivesItsWindow(Store store)
    {
        await using var database = await TestDatabase.CreateAsync(store, server);
        var clock = new ShiftedClock();
        var goOn = false;
        var script = new Script { BeforeSend = context => InboxTests.IsTold(context) && !Volatile.Read(ref goOn) ? throw new IOException("on purpose") : Task.CompletedTask };
        await using var host = await OutboxHost.StartAsync(database, clock, outbox => outbox.DuplicateDetectionWindow = TimeSpan.FromMinutes(5), script: script);
        var (stuck, stuckId, done, doneId) = (Guid.CreateVersion7(), Guid.CreateVersion7(), Guid.CreateVersion7(), Guid.CreateVersion7());
        await host.TellAsync(new Tell(stuck, 2), stuckId);
        await host.TellAsync(new Tell(done, 0), doneId);
        await using var context = database.Open();
        await Eventually.TrueAsync(async () => await context.Set<InboxState>().CountAsync() == 2, Limit, "both are consumed");
        clock.Advance(TimeSpan.FromHours(1));
        await Eventually.TrueAsync(async () => !await context.Set<InboxState>().AnyAsync(row => row.MessageId == doneId), Limit, "the other is cleaned");
        Assert.True(await context.Set<InboxState>().AnyAsync(row => row.MessageId == stuckId));

        Volatile.Write(ref goOn, true);
        clock.Advance(TimeSpan.FromMinutes(1));
        // Sent by the sweeper and, if it has not been given up, by the consumer's retry.
        await Eventually.TrueAsync(() => script.ArrivedFor(stuck).DistinctBy(seen => seen.MessageId).Count() == 2, Limit, "they leave");
        await Eventually.TrueAsync(async () => !await context.Set<InboxState>().AnyAsync(), Limit, "and the row goes");
        await EmptyAsync(database);
    }

    /// <summary>The broker answers and refuses: each message is tried once a lease, and not in a loop.</summary>
    [Theory]
    [InlineData(Store.Sqlite)]
    [InlineData(Store.PostgreSql)]
    public async Task Messages_ThatCannotBeSent_AreTriedOnceALease(Store store)
    {
        await using var database = await TestDatabase.CreateAsync(store, server);
        var (clock, log, tries) = (new ShiftedClock(), new LogCounter(), new ConcurrentQueue<Guid?>());
        var script = new Script
        {
            BeforeSend = context =>
            {
                tries.Enqueue(context.MessageId);
                throw new IOException("on purpose");
            }
        };
        await using var host = await OutboxHost.StartAsync(database, clock, script: script, log: log);
        for (var unit = 0; unit < 3; unit++)
            await SaveAsync(host, Guid.CreateVersion7(), 2);
        for (var lease = 1; lease <= 3; lease++)
        {
            var expected = 3 * lease;
            await Eventually.TrueAsync(() => tries.Count >= expected, Limit, "each unit is tried");
            // A dozen looks of the loop.
            await Task.Delay(TimeSpan.FromMilliseconds(600));
            Assert.Equal(expected, tries.Count);
            clock.Advance(TimeSpan.FromSeconds(11));
        }
        Assert.Equal(3, tries.Distinct().Count());
        Assert.InRange(log.OfTheOutbox, 3, 12);
    }

    /// <summary>While the broker takes its time, others write.</summary>
    [Theory]
    [InlineData(Store.Sqlite, true)]
    [InlineData(Store.Sqlite, false)]
    [InlineData(Store.PostgreSql, true)]
    [InlineData(Store.PostgreSql, false)]
    public async Task Delivery_ThatTakesItsTime_LocksNothing(Store store, bool inConsumer)
    {
        await using var database = await TestDatabase.CreateAsync(store, server);
        var (sending, goOn) = (new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously), new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
        var script = new Script
        {
            BeforeSend = context =>
            {
                if (!InboxTests.IsTold(context))
                    return Task.CompletedTask;
                sending.TrySetResult();
                return goOn.Task;
            }
        };
        await using var host = await OutboxHost.StartAsync(database, script: script);
        var id = Guid.CreateVersion7();
        if (inConsumer)
            await host.TellAsync(new Tell(id, 1), Guid.CreateVersion7());
        else
            await SaveAsync(host, id, 1);
        await sending.Task.WaitAsync(Limit);
        await using (var other = database.Open())
        {
            await using var transaction = await other.Database.BeginTransactionAsync();
            await other.Set<InboxState>().ExecuteUpdateAsync(set => set.SetProperty(row => row.ReceiveCount, 7)).WaitAsync(Limit);
            await other.Set<OutboxState>().ExecuteUpdateAsync(set => set.SetProperty(row => row.LastSequenceNumber, 7)).WaitAsync(Limit);
            await other.Set<OutboxMessage>().ExecuteUpdateAsync(set => set.SetProperty(row => row.RequestId, id)).WaitAsync(Limit);
            await transaction.CommitAsync();
        }
        var idle = host.Services.GetRequiredService<OutboxBacklog<TestDbContext>>().IdleAsync();
        Assert.False(idle.IsCompleted);
        Assert.Empty(script.ArrivedFor(id));
        goOn.SetResult();
        await idle.WaitAsync(Limit);
        await EmptyAsync(database);
    }

    /// <summary>Whoever publishes or sends in the consumer's scope, by whatever way, does it through the outbox.</summary>
    [Theory]
    [InlineData(Store.Sqlite)]
    [InlineData(Store.PostgreSql)]
    public async Task Endpoints_InjectedIntoAConsumer_DoNotBypassTheOutbox(Store store)
    {
        await using var database = await TestDatabase.CreateAsync(store, server);
        var refused = 0;
        var script = new Script();
        script.InScope = async (services, message, times) =>
        {
            await services.GetRequiredService<IPublishEndpoint>().Publish(new Told(message.Id, (10 * times) + 1));
            var endpoint = await services.GetRequiredService<ISendEndpointProvider>().GetSendEndpoint(new Uri("queue:receiving"));
            await endpoint.Send(new Told(message.Id, (10 * times) + 2));
            // Nothing has left while the handler can still fail.
            Assert.Empty(script.ArrivedFor(message.Id));
            if (times < 3)
            {
                refused++;
                throw new InvalidOperationException("on purpose");
            }
        };
        await using var host = await OutboxHost.StartAsync(database, script: script);
        var id = Guid.CreateVersion7();
        await host.TellAsync(new Tell(id, 0), Guid.CreateVersion7());
        await Eventually.TrueAsync(() => script.ArrivedFor(id).Count >= 2, Limit, "the last attempt's arrive");
        await EmptyAsync(database);
        Assert.Equal(2, refused);
        Assert.Equal([31, 32], script.ArrivedFor(id).Select(seen => seen.Number));
    }

    /// <summary>No limit of how many are delivered at a time holds back, splits or reorders what one handler sent.</summary>
    [Theory]
    [InlineData(Store.Sqlite)]
    [InlineData(Store.PostgreSql)]
    public async Task Messages_BeyondEveryLimit_AllLeaveInOrder(Store store)
    {
        await using var database = await TestDatabase.CreateAsync(store, server);
        await using var host = await OutboxHost.StartAsync(database, configure: outbox =>
        {
            outbox.QueryMessageLimit = 1;
            outbox.UseBusOutbox(bus => bus.MessageDeliveryLimit = 1);
        });
        var (consumed, saved) = (Guid.CreateVersion7(), Guid.CreateVersion7());
        await host.TellAsync(new Tell(consumed, 300), Guid.CreateVersion7());
        await SaveAsync(host, saved, 300);
        await Eventually.TrueAsync(() => host.Script.Arrived.Count >= 600, Limit, "all arrive");
        await EmptyAsync(database);
        Assert.All(new[] { consumed, saved }, id => Assert.Equal(Enumerable.Range(1, 300), host.Script.ArrivedFor(id).Select(seen => seen.Number)));
    }

    /// <summary>Retries are not deliveries.</summary>
    [Theory]
    [InlineData(Store.Sqlite)]
    [InlineData(Store.PostgreSql)]
    public async Task ReceiveCount_OfARetriedMessage_CountsDeliveries(Store store)
    {
        await using var database = await TestDatabase.CreateAsync(store, server);
        var sends = 0;
        var script = new Script
        {
            AtTheEnd = (_, times) => times < 4 ? throw new InvalidOperationException("on purpose") : Task.CompletedTask,
            BeforeSend = context => InboxTests.IsTold(context) && Interlocked.Increment(ref sends) < 4 ? throw new IOException("on purpose") : Task.CompletedTask
        };
        await using var host = await OutboxHost.StartAsync(database, script: script);
        var (id, messageId) = (Guid.CreateVersion7(), Guid.CreateVersion7());
        await host.TellAsync(new Tell(id, 1), messageId);
        await using var context = database.Open();
        for (var deliveries = 1; deliveries <= 3; deliveries++)
        {
            await Eventually.TrueAsync(() => context.Set<InboxState>().AnyAsync(row => row.MessageId == messageId && row.Delivered != null && row.ReceiveCount == deliveries), Limit, $"{deliveries} are counted");
            await host.TellAsync(new Tell(id, 1), messageId);
        }
        Assert.Equal(4, script.HandledFor(id));
    }

    private static async Task SaveAsync(OutboxHost host, Guid id, int messages)
    {
        await using var unit = new Unit(host);
        for (var number = 1; number <= messages; number++)
            await unit.Publish.Publish(new Told(id, number));
        await unit.Database.SaveChangesAsync();
    }

    // As by a process that ended a minute ago before it sent anything.
    private static async Task LeaveAsync(TestDatabase database, ShiftedClock clock, int units)
    {
        await using (var dead = await OutboxHost.StartAsync(database, clock, outbox => outbox.UseBusOutbox(bus => bus.DisableDeliveryService())))
        {
            for (var unit = 0; unit < units; unit++)
                await SaveAsync(dead, Guid.CreateVersion7(), 2);
        }
        clock.Advance(TimeSpan.FromMinutes(1));
    }

    private static async Task EmptyAsync(TestDatabase database)
    {
        await using var context = database.Open();
        await Eventually.TrueAsync(async () => !await context.Set<OutboxMessage>().AnyAsync() && !await context.Set<OutboxState>().AnyAsync(), Limit, "the outbox is empty");
    }

    private static void InterlockedMax(ref int most, int value)
    {
        for (var seen = Volatile.Read(ref most); value > seen; seen = Volatile.Read(ref most))
        {
            if (Interlocked.CompareExchange(ref most, value, seen) == seen)
                return;
        }
    }
}
