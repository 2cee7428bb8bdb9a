using System.Net.Http.Json;
using ConcertSaga.Contracts.Operations;
using ConcertSaga.Contracts.Points;
using ConcertSaga.Points.Data;
using ConcertSaga.Points.Tests.Fixtures;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Shared.Hosting.Operators;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using Microsoft.EntityFrameworkCore;
using Xunit;

namespace ConcertSaga.Points.Tests.Endpoints;

/// <summary>The books after the erasure of a customer.</summary>
public sealed class AccountErasureTests(PostgreSqlServer server)
{
    private const string New = "erased-1";

    public static IEnumerable<object[]> Providers => TestDatabase.Providers;

    /// <summary>The customer comes back under the old id, and the request is repeated. It changes nothing.</summary>
    [Theory, MemberData(nameof(Providers))]
    public async Task Erasure_Repeated_MovesTheAccountOnce(DatabaseProvider provider)
    {
        await using var points = await PointsUnderTest.StartAsync(provider, server);
        await points.ChargeAsync("mina", 500);
        await points.ChargeAsync("noah", 70);
        var (paid, refunded) = (Command(300), Command(100));
        await points.AskAsync(paid);
        await points.AskAsync(refunded);
        await points.AskAsync(new RefundPoints(refunded.ReservationId, 1, "mina"));
        var command = Erasure(paid, refunded);

        Assert.Equal(new CustomerErasure(true, null), await EraseAsync(points, command));
        await points.ChargeAsync("mina", 40);
        Assert.Equal(new CustomerErasure(true, null), await EraseAsync(points, command));

        Assert.Equal((200, 40, 70),
            (await points.BalanceAsync(New), await points.BalanceAsync("mina"), await points.BalanceAsync("noah")));
        var users = await points.Service.WithAsync<PointsDbContext, List<string>>(database => database.PointDeductions
            .Select(row => row.UserId).Concat(database.PointRefunds.Select(row => row.UserId)).Distinct().ToListAsync());
        Assert.Equal([New], users);
        var action = Assert.Single(await points.Service.WithAsync<PointsDbContext, List<OperatorAction>>(
            database => database.OperatorActions.AsNoTracking().ToListAsync()));
        Assert.Equal((command.ActionId, "Erase", $"customers/{New}", "olga", "A request of May 3.", null),
            (action.ActionId, action.Action, action.Target, action.Operator, action.Reason, action.Before));
    }

    /// <summary>The orchestrator erases first, so a refund may arrive under the new id before the account has moved.</summary>
    [Theory, MemberData(nameof(Providers))]
    public async Task Refund_BeforeTheErasure_IsInTheSameLedger(DatabaseProvider provider)
    {
        await using var points = await PointsUnderTest.StartAsync(provider, server);
        await points.ChargeAsync("mina", 500);
        var (first, second) = (Command(300), Command(200));
        await points.AskAsync(first);
        await points.AskAsync(second);
        await points.AskAsync(new RefundPoints(first.ReservationId, 1, New));
        await points.AskAsync(new RefundPoints(second.ReservationId, 1, New));

        await EraseAsync(points, Erasure(first, second));

        Assert.Equal(500, await points.BalanceAsync(New));
        Assert.Equal([New], await points.Service.WithAsync<PointsDbContext, List<string>>(database =>
            database.Accounts.Select(account => account.UserId).ToListAsync()));
    }

    /// <summary>The customer bought once more while the operation was running.</summary>
    [Theory, MemberData(nameof(Providers))]
    public async Task Purchase_DuringTheErasure_MovesWithItsDecision(DatabaseProvider provider)
    {
        await using var points = await PointsUnderTest.StartAsync(provider, server);
        await points.ChargeAsync("mina", 500);
        var late = Command(200);
        await points.AskAsync(late);

        await EraseAsync(points, Erasure());

        Assert.Equal(300, await points.BalanceAsync(New));
        Assert.Equal([New], await points.Service.WithAsync<PointsDbContext, List<string>>(database => database.PointDeductions
            .Where(row => row.ReservationId == late.ReservationId).Select(row => row.UserId).ToListAsync()));
    }

    private static EraseCustomer Erasure(params DeductPoints[] commands) => new(Guid.CreateVersion7(), "olga", "A request of May 3.",
        "mina", New, Array.ConvertAll(commands, command => command.ReservationId), null);

    private static DeductPoints Command(long amount) => new(Guid.CreateVersion7(PointsUnderTest.Start), 1, "mina", amount);

    private static async Task<CustomerErasure> EraseAsync(PointsUnderTest points, EraseCustomer command)
    {
        using var operations = points.Service.ClientOf("operations");
        using var answer = await operations.PostAsJsonAsync("/internal/customers/points/erase", command);
        return (await answer.EnsureSuccessStatusCode().Content.ReadFromJsonAsync<CustomerErasure>())!;
    }
}
