using ConcertSaga.Orchestrator.Reservations;
using ConcertSaga.Orchestrator.Tests.Hosts;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Orchestrator.Tests.Reservations;

/// <summary>Reservations that ended without payment are deleted in time.</summary>
public sealed class UnpaidCleanerTests
{
    [Fact]
    public async Task Cleaner_OldRowsAndSurplus_KeepsPaidUnfinishedAndNewOnes()
    {
        await using var host = await OrchestratorHost.StartAsync("--Reservation:MaxUnpaidKept=3", "--Reservation:CleaningBatch=2");
        var now = host.Clock.GetUtcNow();
        string[] unpaid = [ReservationStates.Rejected, ReservationStates.Expired, ReservationStates.Cancelled];
        string[] states = ReservationStates.All;
        var old = states.Select((state, i) => Row(state, $"old {i}", now.AddDays(-8))).ToList();
        var paid = Row(ReservationStates.Cancelled, "paid", now.AddDays(-8));
        paid.ConfirmedAt = now.AddDays(-8);
        // Its points may have been deducted and refunded.
        var byOperator = Row(ReservationStates.Cancelled, "paying", now.AddDays(-8));
        byOperator.FailureCode = "CANCELLED_BY_OPERATOR";
        var bySchedule = Row(ReservationStates.Cancelled, "paying, too", now.AddDays(-8));
        bySchedule.FailureCode = "SCHEDULE_CANCELLED";
        // Seats refused it, so it moved nothing.
        var refused = Row(ReservationStates.Rejected, "late", now.AddDays(-8));
        refused.FailureCode = "SCHEDULE_CANCELLED";
        var many = Enumerable.Range(0, 8).Select(i => Row(unpaid[i % 3], "many", now.AddMinutes(-i))).ToList();
        await host.DatabaseAsync(database =>
        {
            database.AddRange([.. old, paid, byOperator, bySchedule, refused, .. many]);
            return database.SaveChangesAsync();
        });

        await host.Get<UnpaidCleaner>().RunOnceAsync(CancellationToken.None);

        var left = await host.DatabaseAsync(database => database.Reservations.AsNoTracking().Select(row => row.CorrelationId)
            .ToListAsync());
        Assert.Equal(
            old.Where(row => !unpaid.Contains(row.CurrentState)).Concat([paid, byOperator, bySchedule, .. many.Take(3)])
                .Select(row => row.CorrelationId).Order(),
            left.Order());
        Assert.Equal(left.Count, await host.DatabaseAsync(database => database.Transitions.CountAsync()));
    }

    [Fact]
    public async Task Cleaner_AsTimePasses_DeletesAnOldRow()
    {
        await using var host = await OrchestratorHost.StartAsync();
        var row = Row(ReservationStates.Rejected, "mina", host.Clock.GetUtcNow().AddDays(-8));
        await host.DatabaseAsync(database =>
        {
            database.Add(row);
            return database.SaveChangesAsync();
        });

        await host.AdvanceUntilAsync(
            async () =>
                !await host.DatabaseAsync(database => database.Reservations.AnyAsync(other => other.CorrelationId == row.CorrelationId)),
            "the row is deleted", TimeSpan.FromMinutes(1));
    }

    private static Reservation Row(string state, string userId, DateTimeOffset createdAt)
    {
        var row = Given.In(state);
        row.CorrelationId = Guid.CreateVersion7(createdAt);
        row.UserId = userId;
        row.IdempotencyKey = Guid.CreateVersion7();
        row.CreatedAt = createdAt;
        row.Deadline = null;
        row.UnpaidUserId = null;
        row.Version = 0;
        row.Record("Test", null, state, null, null, createdAt);
        return row;
    }
}
