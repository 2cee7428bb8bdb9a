using ConcertSaga.Shared.Persistence.Tests.Hosts;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Servers;
using MassTransit;
using MassTransit.EntityFrameworkCoreIntegration;
using Microsoft.EntityFrameworkCore;
using Xunit;

namespace ConcertSaga.Shared.Persistence.Tests.Crashes;

/// <summary>The database server is killed and restarted under load.</summary>
public sealed class DatabaseOutageTests(RabbitMqServer rabbit, ITestOutputHelper output)
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(90);

    [Fact]
    public async Task Database_RestartedUnderLoad_LosesAndRepeatsNothing()
    {
        await using var server = new PostgreSqlServer();
        await using var database = await TestDatabase.CreateAsync(Store.PostgreSql, server);
        var broker = await rabbit.CreateVirtualHostAsync("database");
        await using var receiver = await OutboxHost.StartAsync(database, broker: broker, parts: Parts.Receiver);
        var (clock, log) = (new ShiftedClock(), new LogCounter());
        await using var host = await OutboxHost.StartAsync(database, clock, broker: broker, parts: Parts.Worker, log: log,
            endpoint: (context, queue) =>
        {
            queue.UseMessageRetry(retry => retry.Interval(200, TimeSpan.FromMilliseconds(300)));
            queue.UseEntityFrameworkOutbox<TestDbContext>(context);
        });

        var (told, units, refused) = (new List<Guid>(), new List<Guid>(), 0);
        await LoadAsync(() => told.Count < 50);
        await server.KillAsync();
        var starting = Task.Run(async () =>
        {
            // Long enough for several attempts to fail.
            await Task.Delay(TimeSpan.FromSeconds(2));
            await server.StartAsync();
        });
        await LoadAsync(() => !starting.IsCompleted);
        await starting;
        var more = told.Count + 20;
        await LoadAsync(() => told.Count < more);
        output.WriteLine(
            $"{told.Count} messages, {units.Count} units of work of which {refused} failed; warnings: {log.OfTheOutbox} of the outbox, "
                + $"{log.Lines.Count} in all");
        Assert.InRange(refused, 1, units.Count - 20);

        await using var context = database.Open();
        await Eventually.TrueAsync(async () => await context.Set<InboxState>().CountAsync() == told.Count, Limit, "all are handled");
        clock.Advance(TimeSpan.FromMinutes(1));
        await Eventually.TrueAsync(async () => !await context.Set<OutboxMessage>().AnyAsync()
            && !await context.Set<OutboxState>().AnyAsync(), Limit, "all is delivered");
        // A failed save may have been committed; only the rows tell.
        var done = await context.Notes.Select(note => note.About).ToListAsync();
        await Eventually.TrueAsync(() => receiver.Script.Arrived.DistinctBy(seen => seen.MessageId).Count() >= 3 * done.Count, Limit,
            "all arrive");

        Assert.Equal(done.Count, done.Distinct().Count());
        Assert.Empty(told.Except(done));
        Assert.InRange(done.Count, told.Count + units.Count - refused, told.Count + units.Count);
        var arrived = receiver.Script.Arrived.ToLookup(seen => seen.Id);
        Assert.Equal(done.Order(), arrived.Select(unit => unit.Key).Order());
        Assert.All(done, id => Assert.Equal([1, 2, 3], arrived[id].DistinctBy(seen => seen.MessageId).Select(seen => seen.Number)));
        Assert.InRange(log.OfTheOutbox, 0, 60);

        async Task LoadAsync(Func<bool> isUnfinished)
        {
            while (isUnfinished())
            {
                told.Add(Guid.CreateVersion7());
                await receiver.SendToConsumerAsync(new WriteNote(told[^1], 3), Guid.CreateVersion7());
                units.Add(Guid.CreateVersion7());
                try
                {
                    await Victim.SaveUnitAsync(host, units[^1]);
                }
                catch (Exception exception) when (exception is Npgsql.NpgsqlException or DbUpdateException or InvalidOperationException)
                {
                    refused++;
                }
                await Task.Delay(TimeSpan.FromMilliseconds(10));
            }
        }
    }
}
