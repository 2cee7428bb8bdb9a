using System.Text;
using System.Text.Json;
using ConcertSaga.Contracts;
using ConcertSaga.Contracts.Payments;
using ConcertSaga.Contracts.Points;
using ConcertSaga.Operations.Tests.Fixtures;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Servers;
using Npgsql;
using RabbitMQ.Client;
using Xunit;
using static ConcertSaga.Operations.Tests.Fixtures.BrokerSystem;

namespace ConcertSaga.Operations.Tests.FailedMessages;

/// <summary>On a real broker, failed messages are stored once and requeued in order, whatever is killed meanwhile.</summary>
public sealed class FailureQueueTests(PostgreSqlServer database, RabbitMqServer broker, ITestOutputHelper output)
{
    private const int Many = 1_000;

    [Fact]
    public async Task Messages_OfTwoQueues_ReturnInOrderAndTakeEffectOnce()
    {
        await using var system = await BrokerSystem.StartAsync(database, broker, Points, Payments, OperationsProgram);
        await system.ChargeAsync(1_000_000);
        await system.StopAsync(Points);
        await system.StopAsync(Payments);
        var sent = await Task.WhenAll(
            FailManyAsync(system, CommandQueues.DeductPoints), FailManyAsync(system, CommandQueues.ConfirmPayment));
        await system.StoredAsync(2 * Many);
        Assert.Equal(sent[0], await StoredIdsAsync(system, CommandQueues.DeductPoints));
        Assert.Equal(sent[1], await StoredIdsAsync(system, CommandQueues.ConfirmPayment));

        var dryRun = await system.CallAsync(HttpMethod.Post, "failed-messages/requeue",
            new { filter = new { exception = FailedMessageSender.Exception }, dryRun = true });
        Assert.Equal(2 * Many, dryRun.GetProperty("matched").GetInt32());
        var act = new { selection = dryRun.GetProperty("selection").GetGuid(), reason = "Repaired." };
        var ended = await system.EndedAsync(await system.CallAsync(HttpMethod.Post, "failed-messages/requeue", act));
        await system.EndedAsync(await system.CallAsync(HttpMethod.Post, "failed-messages/requeue", act));

        Assert.Equal(2 * Many, ended.GetProperty("succeeded").GetInt32());
        foreach (var (queue, ids) in new[] { (CommandQueues.DeductPoints, sent[0]), (CommandQueues.ConfirmPayment, sent[1]) })
        {
            var messages = await system.PeekAsync(queue);
            Assert.Equal(ids, messages.ConvertAll(message => Guid.Parse(message.BasicProperties.MessageId!)));
            Assert.All(messages, CheckRestored);
        }
        await system.StartAsync(Points);
        await system.StartAsync(Payments);
        await EffectsAsync(system, deductions: Many, payments: Many);
        Assert.Equal(2 * Many, await system.CountAsync(OperationsProgram, "SELECT count(*) FROM \"OperatorActions\""));
    }

    /// <summary>MassTransit and Operations declare the queue with the same arguments, whichever is first.</summary>
    [Theory]
    [InlineData(Points, OperationsProgram)]
    [InlineData(OperationsProgram, Points)]
    public async Task Message_WithoutAHandler_IsStoredAndRequeued(string first, string second)
    {
        await using var system = await BrokerSystem.StartAsync(database, broker, first);
        var endpoint = await system.TestBus.GetSendEndpoint(CommandQueues.AddressOf(CommandQueues.DeductPoints));
        if (first == Points)
            await endpoint.Send(new ConfirmPayment(Guid.CreateVersion7(), 1, "mina", 1));
        await system.StartAsync(second);
        if (second == Points)
            await endpoint.Send(new ConfirmPayment(Guid.CreateVersion7(), 1, "mina", 1));
        await system.StoredAsync(1);

        var dryRun = await system.CallAsync(HttpMethod.Post, "failed-messages/requeue",
            new { filter = new { kind = "Skipped", queue = CommandQueues.DeductPoints }, dryRun = true });
        await system.EndedAsync(await system.CallAsync(HttpMethod.Post, "failed-messages/requeue",
            new { selection = dryRun.GetProperty("selection").GetGuid(), reason = "Points is upgraded." }));

        // It is not, so the message comes back as a further failure.
        await system.StoredAsync(2);
    }

    [Fact]
    public async Task Process_KilledBetweenStoreAndAcknowledgement_StoresEachMessageOnce()
    {
        await using var system = await BrokerSystem.StartAsync(database, broker, OperationsProgram);
        List<Guid>[] sent = [];
        var hits = 0;
        for (var round = 0; hits == 0 && round < 10; round++)
        {
            await system.StopAsync(OperationsProgram);
            sent = [.. sent, .. await Task.WhenAll(CommandQueues.All.Select(queue => FailManyAsync(system, queue, 100)))];
            var total = sent.Sum(ids => ids.Count);
            await system.StartAsync(OperationsProgram, waits: false);
            // Freezes the process until a message is in the database and not acknowledged.
            for (var attempt = 0; hits == 0 && attempt < 20; attempt++)
            {
                await Task.Delay(Random.Shared.Next(20, 120), TestContext.Current.CancellationToken);
                await system.SignalAsync(OperationsProgram, "STOP");
                // Acknowledgements that are already on their way arrive.
                await Task.Delay(300, TestContext.Current.CancellationToken);
                var stored = await system.CountAsync(OperationsProgram, "SELECT count(*) FROM \"FailedMessages\"");
                var left = (await broker.ListQueuesAsync(system.Broker))
                    .Where(queue => queue.Key.EndsWith("_error", StringComparison.Ordinal)).Sum(queue => queue.Value);
                output.WriteLine($"{stored} stored, {left} in the queues, of {total}");
                if (stored + left > total)
                    hits++;
                else
                    await system.SignalAsync(OperationsProgram, "CONT");
                if (left == 0)
                    break;
            }
            if (hits > 0)
            {
                await system.KillAsync(OperationsProgram);
                await system.StartAsync(OperationsProgram);
            }
            else
            {
                await system.HealthyAsync(OperationsProgram);
            }
        }

        Assert.True(hits > 0, "No message was stored and not acknowledged.");
        // The broker's tool is slow, so it is asked for unacknowledged messages once all are stored.
        await Eventually.TrueAsync(async () => await system.CountAsync(OperationsProgram, "SELECT count(*) FROM \"FailedMessages\"")
            >= sent.Sum(list => list.Count), Limit, "all are stored");
        await Eventually.TrueAsync(async () => (await broker.ListQueuesAsync(system.Broker)).Values.Sum() == 0, Limit,
            "the queues are empty");
        var ids = await system.QueryAsync<string>(OperationsProgram, "SELECT \"MessageId\" FROM \"FailedMessages\"");
        Assert.Equal(sent.SelectMany(list => list).Select(id => id.ToString()).Order(), ids.Order());
    }

    /// <summary>The broker moves a message from its error queue if it returned too often, also if it was stored each time.</summary>
    [Fact]
    public async Task Message_StoredAndThenDead_IsStoredOnce()
    {
        await using var system = await BrokerSystem.StartAsync(database, broker, OperationsProgram);
        var death = new List<object> { new Dictionary<string, object> { ["queue"] = "points-deduct_error", ["count"] = 1L } };
        await PublishAsync("_error", "first", new() { ["MT-Reason"] = "fault" });
        await system.StoredAsync(1);

        await PublishAsync("_dead", "first", new() { ["MT-Reason"] = "fault", ["x-death"] = death, ["x-first-death-reason"] = "x" });
        await PublishAsync("_dead", "second", new() { ["x-death"] = death });
        await system.StoredAsync(2);

        Assert.Equal(["first Error", "second Dead"], await system.QueryAsync<string>(OperationsProgram,
            "SELECT \"MessageId\" || ' ' || \"Kind\" FROM \"FailedMessages\" ORDER BY 1"));

        Task PublishAsync(string suffix, string messageId, Dictionary<string, object?> headers) => system.WithChannelAsync(async channel =>
            await channel.BasicPublishAsync("", CommandQueues.DeductPoints + suffix, mandatory: true,
                new BasicProperties { MessageId = messageId, Headers = headers }, "{}"u8.ToArray()));
    }

    [Fact]
    public async Task Process_KilledBetweenSendingAndMarking_SendsAgainWithOneEffect()
    {
        await using var system = await BrokerSystem.StartAsync(database, broker, Points, OperationsProgram);
        await system.ChargeAsync(1_000_000);
        await system.StopAsync(Points);
        var ids = await FailManyAsync(system, CommandQueues.DeductPoints, 150);
        await system.StoredAsync(150);
        JsonElement started;
        await using (var connection = await system.OpenAsync(OperationsProgram))
        {
            await using var transaction = await connection.BeginTransactionAsync(TestContext.Current.CancellationToken);
            // The messages of the first batch are sent, but cannot be marked.
            await using var command = new NpgsqlCommand("LOCK TABLE \"OperatorActions\" IN EXCLUSIVE MODE", connection, transaction);
            await command.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
            started = await RequeueAsync(system, [.. Enumerable.Range(1, 150)]);
            // Points is stopped, so every message in its queue is ready.
            await Eventually.TrueAsync(async () => await system.ReadyAsync(CommandQueues.DeductPoints) == 100, Limit,
                "the first batch is sent");
            await system.KillAsync(OperationsProgram);
        }
        Assert.Equal(0, await OfStatusAsync(system, "Requeued"));
        await system.StartAsync(OperationsProgram);

        Assert.Equal(150, (await system.EndedAsync(started)).GetProperty("succeeded").GetInt32());
        Assert.Equal([.. ids[..100], .. ids], await QueuedIdsAsync(system));
        await system.StartAsync(Points);
        await EffectsAsync(system, deductions: 150, payments: 0);
        Assert.Equal(150, await system.CountAsync(OperationsProgram, "SELECT count(*) FROM \"OperatorActions\""));
    }

    // The broker rejects a queue that two processes declare with different arguments, so both orders of the first start must work.
    [Theory]
    [InlineData(OperationsProgram, Points)]
    [InlineData(Points, OperationsProgram)]
    public async Task Messages_OfAService_ComeFromItsErrorAndDeadQueues(string first, string second)
    {
        await using var system = await BrokerSystem.StartAsync(database, broker, first, second);
        var bus = await system.TestBus.GetSendEndpoint(CommandQueues.AddressOf(CommandQueues.DeductPoints));
        await bus.Send(new DeductPoints(Guid.CreateVersion7(), 1, "mina", 0), TestContext.Current.CancellationToken);
        await system.StoredAsync(1);
        await system.StopAsync(Points);
        await bus.Send(FailedMessageSender.Deduction(), TestContext.Current.CancellationToken);
        await system.WithChannelAsync(async channel =>
        {
            // Each return counts as a delivery without a result. The limit of these processes is 2.
            while (await channel.BasicGetAsync(CommandQueues.DeductPoints, autoAck: false) is { } message)
                await channel.BasicNackAsync(message.DeliveryTag, multiple: false, requeue: true);
        });
        await system.StoredAsync(2);

        Assert.Equal(["Error", "Dead"], await system.QueryAsync<string>(OperationsProgram,
            "SELECT \"Kind\" FROM \"FailedMessages\" ORDER BY \"FailedMessageId\""));
        var details = await system.CallAsync(HttpMethod.Get, "failed-messages/1");
        Assert.Equal("System.ArgumentOutOfRangeException",
            details.GetProperty("message").GetProperty("exceptionType").GetString());
        await system.EndedAsync(await RequeueAsync(system, 2));
        CheckRestored(Assert.Single(await system.PeekAsync(CommandQueues.DeductPoints)), "");

        // The first one still cannot be handled, and its further failure is a further row.
        await system.EndedAsync(await RequeueAsync(system, 1));
        await system.StartAsync(Points);
        await system.StoredAsync(3);
        var again = await system.CallAsync(HttpMethod.Get, "failed-messages/3");
        Assert.Equal("1", again.GetProperty("headers").GetProperty("Requeue-Count").GetString());
        Assert.Equal(details.GetProperty("message").GetProperty("messageId").GetString(),
            again.GetProperty("message").GetProperty("messageId").GetString());
    }

    [Fact]
    public async Task Requeue_WithoutTheQueue_FailsAndKeepsTheMessage()
    {
        await using var system = await BrokerSystem.StartAsync(database, broker, OperationsProgram);
        await FailManyAsync(system, CommandQueues.HoldSeats, 2);
        await system.StoredAsync(2);

        var ended = await system.EndedAsync(await RequeueAsync(system, 1, 2));

        Assert.Equal(2, ended.GetProperty("failed").GetInt32());
        Assert.Equal(2, await OfStatusAsync(system, "Waiting"));
    }

    [Fact]
    public async Task Requeue_WhileTheBrokerIsAway_HappensAfterItsReturn()
    {
        await using var system = await BrokerSystem.StartAsync(database, broker, Points, OperationsProgram);
        await system.StopAsync(Points);
        var ids = await FailManyAsync(system, CommandQueues.DeductPoints, 20);
        await system.StoredAsync(20);

        await broker.StopAsync();
        JsonElement started;
        try
        {
            started = await RequeueAsync(system, [.. Enumerable.Range(1, 20)]);
            await Task.Delay(TimeSpan.FromSeconds(5), TestContext.Current.CancellationToken);
            Assert.Equal(0, await OfStatusAsync(system, "Requeued"));
        }
        finally
        {
            await broker.StartAsync();
        }

        Assert.Equal(20, (await system.EndedAsync(started)).GetProperty("succeeded").GetInt32());
        Assert.Equal(ids, (await QueuedIdsAsync(system)).Distinct());
    }

    private static async Task<List<Guid>> FailManyAsync(BrokerSystem system, string queue, int count = Many)
    {
        var ids = new List<Guid>();
        for (var i = 0; i < count; i++)
        {
            ids.Add(queue == CommandQueues.ConfirmPayment
                ? await system.TestBus.FailAsync(queue, new ConfirmPayment(Guid.CreateVersion7(), 1, "mina", 1))
                : await system.TestBus.FailAsync(queue, FailedMessageSender.Deduction()));
        }
        return ids;
    }

    private static Task<JsonElement> RequeueAsync(BrokerSystem system, params int[] ids) =>
        system.CallAsync(HttpMethod.Post, "failed-messages/requeue", new { ids, reason = "Repaired." });

    private static Task<long> OfStatusAsync(BrokerSystem system, string status) =>
        system.CountAsync(OperationsProgram, $"SELECT count(*) FROM \"FailedMessages\" WHERE \"Status\" = '{status}'");

    private static async Task<List<Guid>> QueuedIdsAsync(BrokerSystem system) =>
        (await system.PeekAsync(CommandQueues.DeductPoints)).ConvertAll(message => Guid.Parse(message.BasicProperties.MessageId!));

    private static async Task<List<Guid>> StoredIdsAsync(BrokerSystem system, string queue) =>
        (await system.QueryAsync<string>(OperationsProgram,
            $"SELECT \"MessageId\" FROM \"FailedMessages\" WHERE \"Queue\" = '{queue}' ORDER BY \"FailedMessageId\""))
        .ConvertAll(Guid.Parse);

    private static void CheckRestored(BasicGetResult message) => CheckRestored(message, "one");

    private static void CheckRestored(BasicGetResult message, string tenant)
    {
        var headers = message.BasicProperties.Headers!;
        Assert.DoesNotContain(headers.Keys, key => key.StartsWith("MT-Fault", StringComparison.Ordinal)
            || key.StartsWith("x-death", StringComparison.Ordinal) || key.StartsWith("x-first-death", StringComparison.Ordinal)
            || key == "MT-Reason");
        Assert.Equal(1L, headers["Requeue-Count"]);
        Assert.Equal(tenant, headers.TryGetValue("Tenant", out var value) ? Encoding.UTF8.GetString((byte[])value!) : "");
        Assert.True(message.BasicProperties.Persistent);
        Assert.Equal("application/vnd.masstransit+json", message.BasicProperties.ContentType);
    }

    private static async Task EffectsAsync(BrokerSystem system, int deductions, int payments)
    {
        await Eventually.TrueAsync(async () => await system.CountAsync(Points, "SELECT count(*) FROM \"PointDeductions\"") == deductions
            && await system.CountAsync(Payments, "SELECT count(*) FROM \"Payments\"") == payments, Limit, "the commands have taken effect");
        Assert.Equal(1_000_000 - deductions, await system.CountAsync(Points, "SELECT \"Balance\" FROM \"Accounts\""));
    }
}
