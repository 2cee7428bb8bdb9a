using ConcertSaga.Shared.Persistence.Tests.Hosts;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Servers;
using MassTransit.EntityFrameworkCoreIntegration;
using Microsoft.EntityFrameworkCore;
using Xunit;

namespace ConcertSaga.Shared.Persistence.Tests.Sagas;

public sealed class SagaTests(PostgreSqlServer server)
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    [Theory]
    [MemberData(nameof(Stores.All), MemberType = typeof(Stores))]
    public async Task Events_AtTheSameMoment_AllTakeEffectOnce(Store store)
    {
        await using var database = await TestDatabase.CreateAsync(store, server);
        var inside = 0;
        var together = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var script = new Script();
        await using var host = await OutboxHost.StartAsync(database, script: script);
        var id = Guid.CreateVersion7();
        await host.SendAsync("tallies", new AddToTally(id, 1), Guid.CreateVersion7());
        await SumIsAsync(database, id, 1);

        // On PostgreSQL both messages load the row before one saves, so one must start over. SQLite runs one transaction at a time.
        script.InSaga = times =>
        {
            if (store.IsSqlite() || times > 3)
                return Task.CompletedTask;
            if (Interlocked.Increment(ref inside) == 2)
                together.SetResult();
            return together.Task.WaitAsync(Limit);
        };
        await Task.WhenAll(host.SendAsync("tallies", new AddToTally(id, 10), Guid.CreateVersion7()),
            host.SendAsync("tallies", new AddToTally(id, 100), Guid.CreateVersion7()));

        await SumIsAsync(database, id, 111);
        if (!store.IsSqlite())
            Assert.True(script.HandledFor(id) >= 4, "one of them was retried");
    }

    [Theory]
    [MemberData(nameof(Stores.All), MemberType = typeof(Stores))]
    public async Task FirstEvents_AtTheSameMoment_MakeOneSaga(Store store)
    {
        await using var database = await TestDatabase.CreateAsync(store, server);
        await using var host = await OutboxHost.StartAsync(database);
        var id = Guid.CreateVersion7();
        await Task.WhenAll(Enumerable.Range(0, 8)
            .Select(power => host.SendAsync("tallies", new AddToTally(id, 1 << power), Guid.CreateVersion7())));
        await SumIsAsync(database, id, 255);
        await using var context = database.Open();
        Assert.Equal(8, await context.Set<InboxState>().CountAsync());
    }

    private static async Task SumIsAsync(TestDatabase database, Guid id, int sum)
    {
        await using var context = database.Open();
        await Eventually.TrueAsync(() => context.Tallies.AsNoTracking().AnyAsync(tally => tally.CorrelationId == id && tally.Sum == sum),
            Limit, $"the sum is {sum}");
    }
}
