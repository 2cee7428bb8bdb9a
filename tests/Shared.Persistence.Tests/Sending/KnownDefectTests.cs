using System.Collections.Concurrent;
using ConcertSaga.Shared.Persistence.Tests.Hosts;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Servers;
using MassTransit;
using MassTransit.EntityFrameworkCoreIntegration;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace ConcertSaga.Shared.Persistence.Tests.Sending;

/// <summary>Guards against defects known from other outbox implementations.</summary>
public sealed class KnownDefectTests(PostgreSqlServer server)
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    /// <summary>The sweeper sends many messages at a time and marks them with few commits.</summary>
    [Theory]
    [MemberData(nameof(Stores.All), MemberType = typeof(Stores))]
    public async Task Messages_ManyUnsent_AreNotDeliveredOneByOne(Store store)
    {
        const int units = 500;
        await using var database = await TestDatabase.CreateAsync(store, server);
        var clock = new ShiftedClock();
        await StoreUnsentAsync(database, clock, units);
        var (sending, maxSending, commits) = (0, 0, 0);
        var script = new Script
        {
            BeforeSend = async _ =>
            {
                InterlockedMax(ref maxSending, Interlocked.Increment(ref sending));
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
        await OutboxScenario.OutboxIsEmptyAsync(database);

        Assert.Equal(2 * units, script.Arrived.Count);
        Assert.InRange(maxSending, 8, 16);
        Assert.InRange(commits, 1, units / 3);
    }

    /// <summary>Every request gets its answer while other messages fill the same outbox.</summary>
    [Theory]
    [MemberData(nameof(Stores.All), MemberType = typeof(Stores))]
    public async Task Responses_UnderLoad_AllArrive(Store store)
    {
        const int requests = 200;
        await using var database = await TestDatabase.CreateAsync(store, server);
        var script = new Script { AtTheEnd = (context, _) => context.RespondAsync(new TallyChanged(context.CorrelationId ?? default, 1)) };
        await using var host = await OutboxHost.StartAsync(database, script: script);
        var client = host.Bus.CreateRequestClient<WriteNote>(new Uri("queue:scripted"), RequestTimeout.After(s: 60));
        var answers = await Task.WhenAll(Enumerable.Range(0, requests).Select(async _ =>
        {
            var id = Guid.CreateVersion7();
            var answer = await client.GetResponse<TallyChanged>(new WriteNote(id, 2),
                request => request.UseExecute(context => context.CorrelationId = id));
            return (id, answer.Message.Id);
        }));
        await host.Services.GetRequiredService<OutboxBacklog<TestDbContext>>().IdleAsync();
        await OutboxScenario.OutboxIsEmptyAsync(database);

        Assert.All(answers, answer => Assert.Equal(answer.id, answer.Id));
        await using var context = database.Open();
        Assert.Equal((requests, requests), (await context.Notes.CountAsync(),
            await context.Set<InboxState>().CountAsync(row => row.Delivered != null)));
        await Eventually.TrueAsync(() => script.Arrived.Count >= 2 * requests, Limit, "the others arrive too");
    }

    /// <summary>The clean-up keeps an inbox entry while it has unsent messages.</summary>
    [Theory]
    [MemberData(nameof(Stores.All), MemberType = typeof(Stores))]
    public async Task InboxEntry_WithUnsentMessages_OutlivesItsWindow(Store store)
    {
        await using var database = await TestDatabase.CreateAsync(store, server);
        var clock = new ShiftedClock();
        var goOn = false;
        var script = new Script
        {
            BeforeSend = context => NoteWritten.IsIn(context) && !Volatile.Read(ref goOn)
            ? throw new IOException("on purpose") : Task.CompletedTask
        };
        await using var host = await OutboxHost.StartAsync(database, clock,
            outbox => outbox.DuplicateDetectionWindow = TimeSpan.FromMinutes(5), script: script);
        var (stuck, stuckId, done, doneId) = (Guid.CreateVersion7(), Guid.CreateVersion7(), Guid.CreateVersion7(), Guid.CreateVersion7());
        await host.SendToConsumerAsync(new WriteNote(stuck, 2), stuckId);
        await host.SendToConsumerAsync(new WriteNote(done, 0), doneId);
        await using var context = database.Open();
        await Eventually.TrueAsync(async () => await context.Set<InboxState>().CountAsync() == 2, Limit, "both are consumed");
        clock.Advance(TimeSpan.FromHours(1));
        await Eventually.TrueAsync(async () => !await context.Set<InboxState>().AnyAsync(row => row.MessageId == doneId), Limit,
            "the other is cleaned");
        Assert.True(await context.Set<InboxState>().AnyAsync(row => row.MessageId == stuckId));

        Volatile.Write(ref goOn, true);
        clock.Advance(TimeSpan.FromMinutes(1));
        // The sweeper sends them, and so may a retry of the consumer that is still running.
        await Eventually.TrueAsync(() => script.ArrivedFor(stuck).DistinctBy(seen => seen.MessageId).Count() == 2, Limit, "they leave");
        await Eventually.TrueAsync(async () => !await context.Set<InboxState>().AnyAsync(), Limit, "and the row goes");
        await OutboxScenario.OutboxIsEmptyAsync(database);
    }

    /// <summary>A rejected message is retried once per lease, not in a busy loop.</summary>
    [Theory]
    [MemberData(nameof(Stores.All), MemberType = typeof(Stores))]
    public async Task Messages_ThatCannotBeSent_AreTriedOncePerLease(Store store)
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
            await Eventually.TrueAsync(() => tries.Count >= expected, Limit, "each unit is attempted");
            // Enough time for a dozen sweeps.
            await Task.Delay(TimeSpan.FromMilliseconds(600));
            Assert.Equal(expected, tries.Count);
            clock.Advance(TimeSpan.FromSeconds(11));
        }
        Assert.Equal(3, tries.Distinct().Count());
        // One line for all attempts.
        Assert.Equal(1, log.OfTheOutbox);
    }

    /// <summary>A slow broker does not keep other processes from writing.</summary>
    [Theory]
    [MemberData(nameof(Stores.AllTwice), MemberType = typeof(Stores))]
    public async Task Delivery_ToASlowBroker_HoldsNoLocks(Store store, bool inConsumer)
    {
        await using var database = await TestDatabase.CreateAsync(store, server);
        var (sending, goOn) = (new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously),
            new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
        var script = new Script
        {
            BeforeSend = context =>
            {
                if (!NoteWritten.IsIn(context))
                    return Task.CompletedTask;
                sending.TrySetResult();
                return goOn.Task;
            }
        };
        await using var host = await OutboxHost.StartAsync(database, script: script);
        var id = Guid.CreateVersion7();
        if (inConsumer)
            await host.SendToConsumerAsync(new WriteNote(id, 1), Guid.CreateVersion7());
        else
            await SaveAsync(host, id, 1);
        await sending.Task.WaitAsync(Limit);
        await using (var other = database.Open())
        {
            await other.Database.CreateExecutionStrategy().ExecuteAsync(async () =>
            {
                await using var transaction = await other.Database.BeginTransactionAsync();
                await other.Set<InboxState>().ExecuteUpdateAsync(set => set.SetProperty(row => row.ReceiveCount, 7)).WaitAsync(Limit);
                await other.Set<OutboxState>().ExecuteUpdateAsync(set => set.SetProperty(row => row.LastSequenceNumber, 7))
                    .WaitAsync(Limit);
                await other.Set<OutboxMessage>().ExecuteUpdateAsync(set => set.SetProperty(row => row.RequestId, id)).WaitAsync(Limit);
                await transaction.CommitAsync();
            });
        }
        var idle = host.Services.GetRequiredService<OutboxBacklog<TestDbContext>>().IdleAsync();
        Assert.False(idle.IsCompleted);
        Assert.Empty(script.ArrivedFor(id));
        goOn.SetResult();
        await idle.WaitAsync(Limit);
        await OutboxScenario.OutboxIsEmptyAsync(database);
    }

    /// <summary>All endpoints from the consumer's scope send through the outbox.</summary>
    [Theory]
    [MemberData(nameof(Stores.All), MemberType = typeof(Stores))]
    public async Task Endpoints_InjectedIntoAConsumer_DoNotBypassTheOutbox(Store store)
    {
        await using var database = await TestDatabase.CreateAsync(store, server);
        var refused = 0;
        var script = new Script();
        script.InScope = async (services, message, times) =>
        {
            await services.GetRequiredService<IPublishEndpoint>().Publish(new NoteWritten(message.Id, (10 * times) + 1));
            var endpoint = await services.GetRequiredService<ISendEndpointProvider>().GetSendEndpoint(new Uri("queue:receiving"));
            await endpoint.Send(new NoteWritten(message.Id, (10 * times) + 2));
            // No message may leave while the handler can still fail.
            Assert.Empty(script.ArrivedFor(message.Id));
            if (times < 3)
            {
                refused++;
                throw new InvalidOperationException("on purpose");
            }
        };
        await using var host = await OutboxHost.StartAsync(database, script: script);
        var id = Guid.CreateVersion7();
        await host.SendToConsumerAsync(new WriteNote(id, 0), Guid.CreateVersion7());
        await Eventually.TrueAsync(() => script.ArrivedFor(id).Count >= 2, Limit, "the last attempt's arrive");
        await OutboxScenario.OutboxIsEmptyAsync(database);
        Assert.Equal(2, refused);
        Assert.Equal([31, 32], script.ArrivedFor(id).Select(seen => seen.Number));
    }

    /// <summary>The delivery limits do not hold back, split or reorder the messages of one handler.</summary>
    [Theory]
    [MemberData(nameof(Stores.All), MemberType = typeof(Stores))]
    public async Task Messages_BeyondEveryLimit_AllLeaveInOrder(Store store)
    {
        await using var database = await TestDatabase.CreateAsync(store, server);
        await using var host = await OutboxHost.StartAsync(database, configure: outbox =>
        {
            outbox.QueryMessageLimit = 1;
            outbox.UseBusOutbox(bus => bus.MessageDeliveryLimit = 1);
        });
        var (consumed, saved) = (Guid.CreateVersion7(), Guid.CreateVersion7());
        await host.SendToConsumerAsync(new WriteNote(consumed, 300), Guid.CreateVersion7());
        await SaveAsync(host, saved, 300);
        await Eventually.TrueAsync(() => host.Script.Arrived.Count >= 600, Limit, "all arrive");
        await OutboxScenario.OutboxIsEmptyAsync(database);
        Assert.All(new[] { consumed, saved }, id =>
            Assert.Equal(Enumerable.Range(1, 300), host.Script.ArrivedFor(id).Select(seen => seen.Number)));
    }

    /// <summary>Retries are not deliveries.</summary>
    [Theory]
    [MemberData(nameof(Stores.All), MemberType = typeof(Stores))]
    public async Task ReceiveCount_OfARetriedMessage_CountsDeliveries(Store store)
    {
        await using var database = await TestDatabase.CreateAsync(store, server);
        var sends = 0;
        var script = new Script
        {
            AtTheEnd = (_, times) => times < 4 ? throw new InvalidOperationException("on purpose") : Task.CompletedTask,
            BeforeSend = context => NoteWritten.IsIn(context) && Interlocked.Increment(ref sends) < 4 ? throw new IOException("on purpose")
                : Task.CompletedTask
        };
        await using var host = await OutboxHost.StartAsync(database, script: script);
        var (id, messageId) = (Guid.CreateVersion7(), Guid.CreateVersion7());
        await host.SendToConsumerAsync(new WriteNote(id, 1), messageId);
        await using var context = database.Open();
        for (var deliveries = 1; deliveries <= 3; deliveries++)
        {
            await Eventually.TrueAsync(() => context.Set<InboxState>()
                .AnyAsync(row => row.MessageId == messageId && row.Delivered != null && row.ReceiveCount == deliveries), Limit,
                $"{deliveries} are counted");
            await host.SendToConsumerAsync(new WriteNote(id, 1), messageId);
        }
        Assert.Equal(4, script.HandledFor(id));
    }

    private static async Task SaveAsync(OutboxHost host, Guid id, int messages)
    {
        await using var unit = new UnitOfWork(host);
        for (var number = 1; number <= messages; number++)
            await unit.PublishAsync(new NoteWritten(id, number));
        await unit.SaveAsync();
    }

    // Stores messages like a process that ended a minute ago before it sent them.
    private static async Task StoreUnsentAsync(TestDatabase database, ShiftedClock clock, int units)
    {
        await using (var dead = await OutboxHost.StartAsync(database, clock,
            outbox => outbox.UseBusOutbox(bus => bus.DisableDeliveryService())))
        {
            for (var unit = 0; unit < units; unit++)
                await SaveAsync(dead, Guid.CreateVersion7(), 2);
        }
        clock.Advance(TimeSpan.FromMinutes(1));
    }

    private static void InterlockedMax(ref int max, int value)
    {
        for (var known = Volatile.Read(ref max); value > known; known = Volatile.Read(ref max))
        {
            if (Interlocked.CompareExchange(ref max, value, known) == known)
                return;
        }
    }
}
