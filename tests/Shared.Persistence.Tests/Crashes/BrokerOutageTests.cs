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

/// <summary>The broker is down under load, for 8 s or the number of seconds in <c>CONCERT_TEST_OUTAGE</c>.</summary>
public sealed class BrokerOutageTests(PostgreSqlServer server, ITestOutputHelper output)
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(90);

    [Fact]
    public async Task Broker_StoppedUnderLoad_LosesNothingAndCausesNoBusyLoop()
    {
        var outage = Outage();
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
            await receiver.SendToConsumerAsync(new WriteNote(id, 3), Guid.CreateVersion7());
        // Now some messages are handled, some are being sent, and some are still in the queue.
        await Eventually.TrueAsync(() => !script.Handled.IsEmpty, Limit, "they are being handled");
        await rabbit.StopAsync();

        var units = new List<Guid>();
        var watch = Stopwatch.StartNew();
        (int Attempts, int Lines) before = default;
        var seconds = new List<double>();
        (TimeSpan Processor, TimeSpan At) second = (other.ProcessorTime, watch.Elapsed);
        while (watch.Elapsed < outage)
        {
            // Sends in progress fail at the start of the outage, so the measurement begins later.
            if (before == default && watch.Elapsed > outage / 4)
                before = (Volatile.Read(ref attempts), log.Lines.Count);
            if (watch.Elapsed - second.At >= TimeSpan.FromSeconds(1))
            {
                var now = (other.ProcessorTime, watch.Elapsed);
                seconds.Add((now.ProcessorTime - second.Processor) / (now.Elapsed - second.At));
                second = now;
            }
            units.Add(Guid.CreateVersion7());
            await Victim.SaveUnitAsync(host, units[^1]);
            await Task.Delay(TimeSpan.FromMilliseconds(20));
        }
        var (tried, lines) = (Volatile.Read(ref attempts) - before.Attempts, log.Lines.Count - before.Lines);
        output.WriteLine($"{units.Count} units of work; {tried} attempts to send, {lines} warnings, the other process busy "
            + string.Join(", ", seconds.Select(busy => busy.ToString("P0", CultureInfo.InvariantCulture))));
        await rabbit.StartAsync();
        await ((IBusControl)host.Bus).WaitForHealthStatus(BusHealthStatus.Healthy, Limit);
        clock.Advance(TimeSpan.FromMinutes(1));

        await using var context = database.Open();
        await Eventually.TrueAsync(async () => await context.Notes.CountAsync() >= told.Length + units.Count, Limit, "all are handled");
        await Eventually.TrueAsync(async () => !await context.Set<OutboxMessage>().AnyAsync()
            && !await context.Set<OutboxState>().AnyAsync(), Limit, "all is delivered");
        Guid[] all = [.. told, .. units];
        await Eventually.TrueAsync(() => receiver.Script.Arrived.DistinctBy(seen => seen.MessageId).Count() >= 3 * all.Length, Limit,
            "all arrive");

        var arrived = receiver.Script.Arrived.ToLookup(seen => seen.Id);
        Assert.All(all, id => Assert.Equal([1, 2, 3], arrived[id].DistinctBy(seen => seen.MessageId).Select(seen => seen.Number)));
        Assert.Equal(all.Order(), (await context.Notes.Select(note => note.About).ToListAsync()).Order());
        Assert.InRange(tried, 0, 20);
        Assert.InRange(lines, 0, 100);
        // A busy loop fills every second. Compiling and reconnecting fill some, so the quietest second decides.
        Assert.InRange(seconds.Min(), 0, 0.25);
    }

    private static TimeSpan Outage() => TimeSpan.FromSeconds(int.Parse(
        Environment.GetEnvironmentVariable("CONCERT_TEST_OUTAGE") is { Length: > 0 } text ? text : "8", CultureInfo.InvariantCulture));
}
