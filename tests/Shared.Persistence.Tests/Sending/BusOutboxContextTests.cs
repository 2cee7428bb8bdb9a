using System.Transactions;
using ConcertSaga.Shared.Persistence.Tests.Hosts;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Servers;
using Microsoft.EntityFrameworkCore;
using Xunit;

namespace ConcertSaga.Shared.Persistence.Tests.Sending;

/// <summary>Messages of a unit of work outside a consumer leave if and only if the unit is committed.</summary>
public sealed class BusOutboxContextTests(PostgreSqlServer server)
{
    [Theory]
    [MemberData(nameof(Stores.All), MemberType = typeof(Stores))]
    public async Task Messages_Saved_LeaveInOrderAndAreRemoved(Store store)
    {
        await using var scenario = await OutboxScenario.StartAsync(store, server);
        await using (var unit = scenario.NewUnit())
        {
            for (var number = 1; number <= 10; number++)
                await unit.PublishAsync(scenario.Message(number));
            Assert.Empty(scenario.Arrived);
            unit.Database.Notes.Add(new Note { About = scenario.Id });
            await unit.SaveAsync();
        }
        await scenario.ArrivesAsync(10);
        Assert.Equal(Enumerable.Range(1, 10), scenario.Arrived);
        await scenario.OutboxIsEmptyAsync();
    }

    [Theory]
    [MemberData(nameof(Stores.All), MemberType = typeof(Stores))]
    public async Task Messages_OfASaveThatFailed_NeverLeave(Store store)
    {
        await using var scenario = await OutboxScenario.StartAsync(store, server);
        var existing = await SaveTallyAsync(scenario);
        await using (var unit = scenario.NewUnit())
        {
            await unit.PublishAsync(scenario.Message(1));
            unit.Database.Tallies.Add(new Tally { CorrelationId = existing });
            await Assert.ThrowsAsync<DbUpdateException>(unit.SaveAsync);
            // Clearing the tracker ends the unit of work; the next message in the scope begins another one.
            unit.Database.ChangeTracker.Clear();
            await unit.PublishAsync(scenario.Message(2));
            await unit.SaveAsync();
        }
        await scenario.ArrivesAsync(1);
        Assert.Equal([2], scenario.Arrived);
        await scenario.OutboxIsEmptyAsync();
        Assert.Equal([2], scenario.Arrived);
    }

    [Theory]
    [MemberData(nameof(Stores.All), MemberType = typeof(Stores))]
    public async Task Messages_OfASaveThatFailedAndWasRepeated_LeaveOnce(Store store)
    {
        await using var scenario = await OutboxScenario.StartAsync(store, server);
        var existing = await SaveTallyAsync(scenario);
        await using (var unit = scenario.NewUnit())
        {
            await unit.PublishAsync(scenario.Message(1));
            var conflicting = unit.Database.Tallies.Add(new Tally { CorrelationId = existing });
            await Assert.ThrowsAsync<DbUpdateException>(unit.SaveAsync);
            conflicting.State = EntityState.Detached;
            await unit.SaveAsync();
        }
        await scenario.ArrivesAsync(1);
        await scenario.OutboxIsEmptyAsync();
        Assert.Single(scenario.Arrived);
    }

    [Theory]
    [MemberData(nameof(Stores.All), MemberType = typeof(Stores))]
    public async Task Messages_OfSeveralSavesInAScope_AllLeave(Store store)
    {
        await using var scenario = await OutboxScenario.StartAsync(store, server);
        await using (var unit = scenario.NewUnit())
        {
            for (var number = 1; number <= 3; number++)
            {
                await unit.PublishAsync(scenario.Message(number));
                await unit.SaveAsync();
            }
            // Never saved.
            await unit.PublishAsync(scenario.Message(4));
        }
        await scenario.ArrivesAsync(3);
        await scenario.OutboxIsEmptyAsync();
        Assert.Equal([1, 2, 3], scenario.Arrived.Order());
    }

    [Theory]
    [MemberData(nameof(Stores.PlainTwice), MemberType = typeof(Stores))]
    public async Task Messages_InATransactionOfTheCaller_LeaveIfItCommits(Store store, bool commits)
    {
        await using var scenario = await OutboxScenario.StartAsync(store, server);
        await using (var unit = scenario.NewUnit())
        {
            await using var transaction = await unit.Database.Database.BeginTransactionAsync();
            await unit.PublishAsync(scenario.Message(1));
            await unit.SaveAsync();
            await unit.PublishAsync(scenario.Message(2));
            await unit.SaveAsync();
            Assert.Empty(scenario.Arrived);
            if (commits)
                await transaction.CommitAsync();
            else
                await transaction.RollbackAsync();
        }
        if (commits)
            await scenario.ArrivesAsync(2);
        await scenario.OutboxIsEmptyAsync();
        Assert.Equal(commits ? [1, 2] : [], scenario.Arrived);
    }

    /// <summary>The transaction ends the unit of work: a later save in the scope neither repeats nor sends its messages.</summary>
    [Theory]
    [MemberData(nameof(Stores.PlainTwice), MemberType = typeof(Stores))]
    public async Task Messages_OfATransactionThatEnded_AreNotThoseOfALaterSave(Store store, bool commits)
    {
        await using var scenario = await OutboxScenario.StartAsync(store, server);
        await using (var unit = scenario.NewUnit())
        {
            await using (var transaction = await unit.Database.Database.BeginTransactionAsync())
            {
                await unit.PublishAsync(scenario.Message(1));
                await unit.SaveAsync();
                if (commits)
                    await transaction.CommitAsync();
                else
                    await transaction.RollbackAsync();
            }
            unit.Database.Notes.Add(new Note { About = scenario.Id });
            await unit.SaveAsync();
            await unit.PublishAsync(scenario.Message(2));
            await unit.SaveAsync();
        }
        await scenario.ArrivesAsync(commits ? 2 : 1);
        await scenario.OutboxIsEmptyAsync();
        await scenario.EarlierMessagesArriveAsync();
        Assert.Equal(commits ? [1, 2] : [2], scenario.Arrived.Order());
    }

    /// <summary>A message sent after the transaction's last save is not stored yet, so it leaves with the next save.</summary>
    [Theory]
    [MemberData(nameof(Stores.Plain), MemberType = typeof(Stores))]
    public async Task Message_SentAfterTheLastSaveOfATransaction_LeavesWithTheNextOne(Store store)
    {
        await using var scenario = await OutboxScenario.StartAsync(store, server);
        await using var unit = scenario.NewUnit();
        await using (var transaction = await unit.Database.Database.BeginTransactionAsync())
        {
            await unit.PublishAsync(scenario.Message(1));
            await unit.SaveAsync();
            await unit.PublishAsync(scenario.Message(2));
            await transaction.CommitAsync();
        }
        await scenario.ArrivesAsync(1);
        await scenario.OutboxIsEmptyAsync();
        await scenario.EarlierMessagesArriveAsync();
        Assert.Equal([1], scenario.Arrived);

        await unit.PublishAsync(scenario.Message(3));
        await unit.SaveAsync();
        await scenario.ArrivesAsync(3);
        await scenario.OutboxIsEmptyAsync();
        Assert.Equal([1, 2, 3], scenario.Arrived);
    }

    [Theory]
    [MemberData(nameof(Stores.Plain), MemberType = typeof(Stores))]
    public async Task Message_SavedAfterASavepointThatWasRolledBackTo_NeverLeaves(Store store)
    {
        var clock = new ShiftedClock();
        await using var scenario = await OutboxScenario.StartAsync(store, server, clock);
        await using (var unit = scenario.NewUnit())
        {
            await using var transaction = await unit.Database.Database.BeginTransactionAsync();
            await unit.PublishAsync(scenario.Message(1));
            await unit.SaveAsync();
            await transaction.CreateSavepointAsync("between");
            await unit.PublishAsync(scenario.Message(2));
            await unit.SaveAsync();
            await transaction.RollbackToSavepointAsync("between");
            await transaction.CommitAsync();
        }
        // Only the tables show which messages remain, so the sweeper delivers them after the lease.
        clock.Advance(TimeSpan.FromSeconds(11));
        await scenario.ArrivesAsync(1);
        await scenario.OutboxIsEmptyAsync();
        await scenario.EarlierMessagesArriveAsync();
        Assert.Equal([1], scenario.Arrived);
    }

    /// <summary>Runs on PostgreSQL only, because SQLite does not support ambient transactions.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Messages_InAnAmbientTransaction_LeaveIfItCompletes(bool completes)
    {
        await using var scenario = await OutboxScenario.StartAsync(Store.PostgreSql, server);
        await using (var unit = scenario.NewUnit())
        {
            using var ambient = new TransactionScope(TransactionScopeAsyncFlowOption.Enabled);
            await unit.PublishAsync(scenario.Message(1));
            await unit.SaveAsync();
            if (completes)
                ambient.Complete();
        }
        if (completes)
            await scenario.ArrivesAsync(1);
        await scenario.OutboxIsEmptyAsync();
        await scenario.EarlierMessagesArriveAsync();
        Assert.Equal(completes ? [1] : [], scenario.Arrived);
    }

    // Saves a row whose key a later save can violate.
    private static async Task<Guid> SaveTallyAsync(OutboxScenario scenario)
    {
        var id = Guid.CreateVersion7();
        await using var unit = scenario.NewUnit();
        unit.Database.Tallies.Add(new Tally { CorrelationId = id });
        await unit.SaveAsync();
        return id;
    }
}
