using ConcertSaga.Contracts.Points;
using ConcertSaga.Contracts.Reservations;
using ConcertSaga.Points.Data;
using ConcertSaga.Points.Tests.Fixtures;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using MassTransit;
using Microsoft.EntityFrameworkCore;
using Xunit;

namespace ConcertSaga.Points.Tests.Consumers;

public sealed class ReservationsDeletedTests(PostgreSqlServer server)
{
    public static IEnumerable<object[]> Providers => TestDatabase.Providers;

    [Theory, MemberData(nameof(Providers))]
    public async Task Reservations_Deleted_LoseTheirDecisionsButNoEntry(DatabaseProvider provider)
    {
        await using var points = await PointsUnderTest.StartAsync(provider, server);
        await points.ChargeAsync("mina", 10_000);
        var deductions = Enumerable.Range(0, 3)
            .Select(_ => new DeductPoints(Guid.CreateVersion7(PointsUnderTest.Start), 1, "mina", 1_000)).ToList();
        foreach (var deduction in deductions)
            Assert.IsType<PointsDeducted>(await points.AskAsync(deduction));
        await points.AskAsync(new RefundPoints(deductions[1].ReservationId, 1, "mina"));

        await points.Service.WithAsync<IBus, bool>(async bus =>
        {
            await bus.Publish(new ReservationsDeleted([deductions[0].ReservationId, deductions[1].ReservationId]));
            return true;
        });

        await Eventually.TrueAsync(() => points.Service.WithAsync<PointsDbContext, bool>(async database =>
            !await database.PointRefunds.AnyAsync()
                && (await database.PointDeductions.SingleOrDefaultAsync())?.ReservationId == deductions[2].ReservationId),
            TimeSpan.FromSeconds(60), "the decisions are deleted");
        Assert.Equal(8_000, await points.BalanceAsync("mina"));
        Assert.Equal(5, await points.Service.WithAsync<PointsDbContext, int>(database => database.LedgerEntries.CountAsync()));
        // A copy of a command that much older still moves nothing.
        points.Clock.Advance(TimeSpan.FromDays(400));
        Assert.IsType<PointDeductionRejected>(await points.AskAsync(deductions[0]));
        await points.AskAsync(new RefundPoints(deductions[0].ReservationId, 1, "mina"));
        Assert.Equal(8_000, await points.BalanceAsync("mina"));
    }
}
