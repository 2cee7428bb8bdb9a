using System.Net;
using ConcertSaga.Contracts.Points;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using Xunit;

namespace ConcertSaga.Points.Tests;

public sealed class PointCommandsTests(PostgreSqlServer server)
{
    private const string User = "mina";

    public static IEnumerable<object[]> Providers => TestDatabase.Providers;

    [Theory, MemberData(nameof(Providers))]
    public async Task DeductPoints_Copies_TakeOnce(DatabaseProvider provider)
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
    public async Task DeductPoints_SeveralAttemptsAtTheSameMoment_TakeOnce(DatabaseProvider provider)
    {
        await using var points = await PointsUnderTest.StartAsync(provider, server);
        await points.ChargeAsync(User, 1_000);
        var command = Deduct(300);

        var replies = await Task.WhenAll(Enumerable.Range(0, 12).Select(i => points.AskAsync(command with { Attempt = i % 4 + 1 })));

        Assert.All(replies, reply => Assert.Equal(700, Assert.IsType<PointsDeducted>(reply).Balance));
        Assert.Equal(700, await points.BalanceAsync(User));
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task RefundPoints_Copies_GiveBackOnceAndCloseTheStep(DatabaseProvider provider)
    {
        await using var points = await PointsUnderTest.StartAsync(provider, server);
        await points.ChargeAsync(User, 1_000);
        var command = Deduct(300);
        await points.AskAsync(command);

        var replies = await Task.WhenAll(Enumerable.Range(0, 10).Select(_ => points.AskAsync(new RefundPoints(command.ReservationId, 1, User))));

        Assert.All(replies, reply => Assert.Equal(new PointsRefunded(command.ReservationId, 1), reply));
        Assert.Equal(1_000, await points.BalanceAsync(User));
        Assert.Equal(new PointDeductionRejected(command.ReservationId, 2, "DEDUCTION_REFUNDED"), await points.AskAsync(command with { Attempt = 2 }));
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
    public async Task RefundPoints_RacingTheDeduction_LeavesNothingTaken(DatabaseProvider provider)
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
    public async Task ChargesAndDeductions_AtTheSameMoment_LoseAndDoubleNothing(DatabaseProvider provider)
    {
        await using var points = await PointsUnderTest.StartAsync(provider, server);

        var charging = Task.WhenAll(Enumerable.Range(0, 40).Select(_ => points.ChargeAsync(User, 100)));
        var deducting = Task.WhenAll(Enumerable.Range(0, 60).Select(_ => points.AskAsync(Deduct(100))));
        var charges = await charging;
        var deductions = await deducting;

        Assert.All(charges, charge => Assert.Equal(HttpStatusCode.Created, charge.StatusCode));
        Assert.Equal(4_000 - 100 * deductions.OfType<PointsDeducted>().Count(), await points.BalanceAsync(User));
    }

    [Fact]
    public async Task DeductPoints_FaultAskedFor_IsRefusedForGood()
    {
        await using var points = await PointsUnderTest.StartAsync(
            DatabaseProvider.Sqlite, server, ("Faults:Enabled", "true"), ("Faults:DeductPoints:RejectRate", "1"));
        await points.ChargeAsync(User, 1_000);
        var command = Deduct(300);

        Assert.Equal(new PointDeductionRejected(command.ReservationId, 1, "INSUFFICIENT_POINTS"), await points.AskAsync(command));
        Assert.Equal(1_000, await points.BalanceAsync(User));
    }

    private static DeductPoints Deduct(long amount) => new(Guid.CreateVersion7(), 1, User, amount);
}
