using System.Net;
using ConcertSaga.Contracts.Points;
using ConcertSaga.Points.Data;
using ConcertSaga.Points.Tests.Fixtures;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using Microsoft.EntityFrameworkCore;
using Xunit;

namespace ConcertSaga.Points.Tests.Consumers;

public sealed class PointCommandsTests(PostgreSqlServer server)
{
    private const string User = "mina";

    public static IEnumerable<object[]> Providers => TestDatabase.Providers;

    [Theory, MemberData(nameof(Providers))]
    public async Task DeductPoints_Copies_DeductOnce(DatabaseProvider provider)
    {
        await using var points = await PointsUnderTest.StartAsync(provider, server);
        await points.ChargeAsync(User, 1_000);
        var command = Deduct(300);

        var replies = await Task.WhenAll(Enumerable.Range(0, 10).Select(_ => points.AskAsync(command)));

        Assert.All(replies, reply => Assert.Equal(new PointsDeducted(command.ReservationId, 1, 700), reply));
        Assert.Equal(700, await points.BalanceAsync(User));
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task DeductPoints_TooFew_IsRefusedForThisAttemptAndNotTheNext(DatabaseProvider provider)
    {
        await using var points = await PointsUnderTest.StartAsync(provider, server);
        var command = Deduct(300);

        Assert.Equal(new PointDeductionRejected(command.ReservationId, 1, "INSUFFICIENT_POINTS"), await points.AskAsync(command));
        await points.ChargeAsync(User, 1_000);

        Assert.Equal(new PointDeductionRejected(command.ReservationId, 1, "INSUFFICIENT_POINTS"), await points.AskAsync(command));
        Assert.Equal(new PointsDeducted(command.ReservationId, 2, 700), await points.AskAsync(command with { Attempt = 2 }));
        Assert.Equal(new PointsDeducted(command.ReservationId, 3, 700), await points.AskAsync(command with { Attempt = 3 }));
        Assert.Equal(700, await points.BalanceAsync(User));
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task DeductPoints_SeveralAttemptsAtTheSameMoment_DeductOnce(DatabaseProvider provider)
    {
        await using var points = await PointsUnderTest.StartAsync(provider, server);
        await points.ChargeAsync(User, 1_000);
        var command = Deduct(300);

        var replies = await Task.WhenAll(Enumerable.Range(0, 12).Select(i => points.AskAsync(command with { Attempt = i % 4 + 1 })));

        Assert.All(replies, reply => Assert.Equal(700, Assert.IsType<PointsDeducted>(reply).Balance));
        Assert.Equal(700, await points.BalanceAsync(User));
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task RefundPoints_Copies_RefundOnceAndRefuseLaterDeductions(DatabaseProvider provider)
    {
        await using var points = await PointsUnderTest.StartAsync(provider, server);
        await points.ChargeAsync(User, 1_000);
        var command = Deduct(300);
        await points.AskAsync(command);

        var replies = await Task.WhenAll(Enumerable.Range(0, 10)
            .Select(_ => points.AskAsync(new RefundPoints(command.ReservationId, 1, User))));

        Assert.All(replies, reply => Assert.Equal(new PointsRefunded(command.ReservationId, 1), reply));
        Assert.Equal(1_000, await points.BalanceAsync(User));
        Assert.Equal(new PointDeductionRejected(command.ReservationId, 2, "DEDUCTION_REFUNDED"),
            await points.AskAsync(command with { Attempt = 2 }));
        Assert.Equal(1_000, await points.BalanceAsync(User));
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task RefundPoints_BeforeTheDeduction_RefusesIt(DatabaseProvider provider)
    {
        await using var points = await PointsUnderTest.StartAsync(provider, server);
        var command = Deduct(300);

        Assert.Equal(new PointsRefunded(command.ReservationId, 1), await points.AskAsync(new RefundPoints(command.ReservationId, 1, User)));
        await points.ChargeAsync(User, 1_000);

        Assert.Equal(new PointDeductionRejected(command.ReservationId, 1, "DEDUCTION_REFUNDED"), await points.AskAsync(command));
        Assert.Equal(1_000, await points.BalanceAsync(User));
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task RefundPoints_RacingTheDeduction_LeavesNothingDeducted(DatabaseProvider provider)
    {
        await using var points = await PointsUnderTest.StartAsync(provider, server);
        await points.ChargeAsync(User, 1_000);

        await Task.WhenAll(Enumerable.Range(0, 30).SelectMany(i =>
        {
            var command = Deduct(10);
            var refund = new RefundPoints(command.ReservationId, 1, User);
            return i % 2 == 0
                ? new[] { points.AskAsync(command), points.AskAsync(refund), points.AskAsync(command) }
                : [points.AskAsync(refund), points.AskAsync(command), points.AskAsync(refund)];
        }));

        Assert.Equal(1_000, await points.BalanceAsync(User));
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task ChargesAndDeductions_AtTheSameMoment_AllCountOnce(DatabaseProvider provider)
    {
        await using var points = await PointsUnderTest.StartAsync(provider, server);

        var charging = Task.WhenAll(Enumerable.Range(0, 40).Select(_ => points.ChargeAsync(User, 100)));
        var deducting = Task.WhenAll(Enumerable.Range(0, 60).Select(_ => points.AskAsync(Deduct(100))));
        var charges = await charging;
        var deductions = await deducting;

        Assert.All(charges, charge => Assert.Equal(HttpStatusCode.Created, charge.StatusCode));
        Assert.Equal(4_000 - 100 * deductions.OfType<PointsDeducted>().Count(), await points.BalanceAsync(User));
    }

    /// <summary>Commands share a transaction, and one of them is not valid.</summary>
    [Theory, MemberData(nameof(Providers))]
    public async Task DeductPoints_BesideACommandThatAlwaysFails_AreAllHandled(DatabaseProvider provider)
    {
        await using var points = await PointsUnderTest.StartAsync(provider, server);
        await points.ChargeAsync(User, 1_000);

        var failing = points.AskAsync(Deduct(0));
        var replies = await Task.WhenAll(Enumerable.Range(0, 10).Select(_ => points.AskAsync(Deduct(100))));

        Assert.All(replies, reply => Assert.IsType<PointsDeducted>(reply));
        Assert.False(failing.IsCompleted);
        Assert.Equal(0, await points.BalanceAsync(User));
    }

    [Fact]
    public async Task DeductPoints_InjectedFault_IsRefusedPermanently()
    {
        await using var points = await PointsUnderTest.StartAsync(
            DatabaseProvider.Sqlite, server, ("Faults:Enabled", "true"), ("Faults:DeductPoints:RejectRate", "1"));
        await points.ChargeAsync(User, 1_000);
        var command = Deduct(300);

        Assert.Equal(new PointDeductionRejected(command.ReservationId, 1, "INSUFFICIENT_POINTS"), await points.AskAsync(command));
        Assert.Equal(1_000, await points.BalanceAsync(User));
    }

    /// <summary>The cleaner and the age of a reservation together refuse every copy of a refused command, forever.</summary>
    [Theory, MemberData(nameof(Providers))]
    public async Task DeductPoints_CopyOfADeletedRefusal_DeductsNothing(DatabaseProvider provider)
    {
        await using var points = await PointsUnderTest.StartAsync(provider, server, ("Points:CleaningInterval", "1.00:00:00"),
            ("Points:CleaningBatch", "1"));
        var refused = new DeductPoints(Guid.CreateVersion7(points.Clock.GetUtcNow()), 1, User, 300);
        var paid = refused with { ReservationId = Guid.CreateVersion7(points.Clock.GetUtcNow()) };
        await points.AskAsync(refused);
        await points.AskAsync(refused with { Attempt = 2 });
        await points.ChargeAsync(User, 1_000);
        await points.AskAsync(paid);

        for (var day = 0; day < 9; day++)
        {
            Assert.IsType<PointDeductionRejected>(await points.AskAsync(refused));
            Assert.IsType<PointsDeducted>(await points.AskAsync(paid));
            points.Clock.Advance(TimeSpan.FromDays(1));
            await points.CleanAsync();
        }

        Assert.Equal(700, await points.BalanceAsync(User));
        var kept = await points.Service.WithAsync<PointsDbContext, PointDeduction>(database => database.PointDeductions.SingleAsync());
        Assert.Equal(paid.ReservationId, kept.ReservationId);
        Assert.Equal("DEDUCTION_REFUNDED", Assert.IsType<PointDeductionRejected>(await points.AskAsync(refused with { Attempt = 3 })).Code);
    }

    // The id contains the time of the test's clock.
    private static DeductPoints Deduct(long amount) => new(Guid.CreateVersion7(PointsUnderTest.Start), 1, User, amount);
}
