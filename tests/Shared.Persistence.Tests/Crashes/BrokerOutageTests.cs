using System.Diagnostics;
using System.Globalization;
using ConcertSaga.Shared.Persistence.Tests.Hosts;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Servers;
using MassTransit;
using MassTransit.EntityFrameworkCoreIntegration;
using Microsoft.EntityFrameworkCore;
using Xunit;

namespace ConcertSaga.Shared.Persistence.Tests.Crashes;

/// <summary>A broker that is away for a while under load: 8 s, or as many as <c>CONCERT_TEST_OUTAGE</c> says.</summary>
[Trait("Category", "RunOnce")]
public sealed class BrokerOutageTests(PostgreSqlServer server, ITestOutputHelper output)
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(90);

    [Fact]
    public async Task Broker_StoppedUnderLoad_NothingIsLostAndNobodySpins()
    {
        var outage = TimeSpan.FromSeconds(int.Parse(Environment.GetEnvironmentVariable("CONCERT_TEST_OUTAGE") is { Length: > 0 } text ? text : "8", CultureInfo.InvariantCulture));
        await using var rabbit = new RabbitMqServer();
        var broker = await rabbit.ConnectionStringAsync();
        await using var database = await TestDatabase.CreateAsync(Store.PostgreSql, server);
        await using var receiver = await OutboxHost.StartAsync(database, broker: broker, parts: Parts.Receiver);
        var (clock, attempts, log) = (new ShiftedClock(), 0, new LogCounter());
        var script = new Script
        {
            BeforeSend = _ =>
            {
                Interlocked.Increment(ref attempts);
                return Task.CompletedTask;
            }
        };
        await using var host = await OutboxHost.StartAsync(database, clock, broker: broker, script: script, parts: Parts.Worker, log: log);
        await using var other = await Victim.StartAsync(database, broker);

        Guid[] told = [.. Enumerable.Range(0, 200).Select(_ => Guid.CreateVersion7())];
        foreach (var id in told)
            await receiver.TellAsync(new Tell(id, 3), Guid.CreateVersion7());
        // Some of it is handled, some is being sent, and some is in the queue.
        await Eventually.TrueAsync(() => !script.Handled.IsEmpty, Limit, "they are being handled");
        await rabbit.StopAsync();

        var units = new List<Guid>();
        var watch = Stopwatch.StartNew();
        (int Attempts, int Lines, TimeSpan Processor, TimeSpan At) before = default;
        while (watch.Elapsed < outage)
        {
            // What was under way fails in the first moments.
            if (before == default && watch.Elapsed > outage / 4)
                before = (Volatile.Read(ref attempts), log.Lines.Count, other.ProcessorTime, watch.Elapsed);
            units.Add(Guid.CreateVersion7());
            await Victim.SaveUnitAsync(host, units[^1]);
            await Task.Delay(TimeSpan.FromMilliseconds(20));
        }
        var (tried, lines, busy) = (Volatile.Read(ref attempts) - before.Attempts, log.Lines.Count - before.Lines, (other.ProcessorTime - before.Processor) / (watch.Elapsed - before.At));
        output.WriteLine($"{units.Count} units of work; {tried} attempts to send, {lines} warnings, the other process busy {busy:P1}");
        await rabbit.StartAsync();
        await ((IBusControl)host.Bus).WaitForHealthStatus(BusHealthStatus.Healthy, Limit);
        clock.Advance(TimeSpan.FromMinutes(1));

        await using var context = database.Open();
        await Eventually.TrueAsync(async () => await context.Notes.CountAsync() >= told.Length + units.Count, Limit, "all are handled");
        await Eventually.TrueAsync(async () => !await context.Set<OutboxMessage>().AnyAsync() && !await context.Set<OutboxState>().AnyAsync(), Limit, "all is delivered");
        Guid[] all = [.. told, .. units];
        await Eventually.TrueAsync(() => receiver.Script.Arrived.DistinctBy(seen => seen.MessageId).Count() >= 3 * all.Length, Limit, "all arrive");

        var arrived = receiver.Script.Arrived.ToLookup(seen => seen.Id);
        Assert.All(all, id => Assert.Equal([1, 2, 3], arrived[id].DistinctBy(seen => seen.MessageId).Select(seen => seen.Number)));
        Assert.Equal(all.Order(), (await context.Notes.Select(note => note.About).ToListAsync()).Order());
        Assert.InRange(tried, 0, 20);
        Assert.InRange(lines, 0, 100);
        // It is measured on machines that do other things too.
        Assert.InRange(busy, 0, 0.4);
    }
}
