using System.Net.Http.Json;
using ConcertSaga.Contracts.Facts;
using ConcertSaga.Contracts.Points;
using ConcertSaga.Points.Tests.Fixtures;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using Xunit;

namespace ConcertSaga.Points.Tests.Endpoints;

public sealed class PointFactEndpointsTests(PostgreSqlServer server)
{
    public static IEnumerable<object[]> Providers => TestDatabase.Providers;

    [Theory, MemberData(nameof(Providers))]
    public async Task Facts_OfAReservation_HaveDecisionsAndEntries(DatabaseProvider provider)
    {
        await using var points = await PointsUnderTest.StartAsync(provider, server);
        await points.ChargeAsync("mina", 500);
        var (paid, other) = (Command(300), Command(100));
        await points.AskAsync(paid with { Amount = 600 });
        await points.AskAsync(paid with { Attempt = 2 });
        await points.AskAsync(other);
        await points.AskAsync(new RefundPoints(paid.ReservationId, 1, "mina"));
        using var operations = points.Service.ClientOf("operations");

        using var answer = await operations.PostAsJsonAsync("/internal/facts/points",
            new FactRequest([paid.ReservationId, Guid.CreateVersion7()]));
        var fact = Assert.Single((await answer.Content.ReadFromJsonAsync<PointFact[]>())!);

        Assert.Equal(paid.ReservationId, fact.ReservationId);
        Assert.Equal([(1, "Refused", 600L, "INSUFFICIENT_POINTS"), (2, "Deducted", 300L, null)],
            fact.Deductions.Select(row => (row.Attempt, row.Status, row.Amount, row.Code)));
        Assert.Equal(300, fact.Refunded);
        Assert.Equal([("Deduction", -300L, 200L), ("Refund", 300L, 400L)],
            fact.Entries.Select(row => (row.Kind, row.Amount, row.BalanceAfter)));
        var keys = await operations.GetFromJsonAsync<FactKeys>("/internal/facts/points");
        Assert.Equal(new[] { paid, other }.Select(command => $"{command.ReservationId}").Order(), keys!.Keys.Order());
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Facts_OfAccounts_SumTheirLedgers(DatabaseProvider provider)
    {
        await using var points = await PointsUnderTest.StartAsync(provider, server);
        foreach (var user in new[] { "mina", "noah", "olga" })
            await points.ChargeAsync(user, 500);
        await points.AskAsync(Command(300));
        using var operations = points.Service.ClientOf("operations");

        var first = (await operations.GetFromJsonAsync<FactKeys>("/internal/facts/accounts?limit=2"))!;
        var rest = (await operations.GetFromJsonAsync<FactKeys>($"/internal/facts/accounts?limit=2&after={first.Next}"))!;
        using var answer = await operations.PostAsJsonAsync("/internal/facts/accounts", new AccountFactRequest(["mina", "noah", "zoe"]));

        Assert.Equal(["mina", "noah"], first.Keys);
        Assert.Equal(["olga"], rest.Keys);
        Assert.Null(rest.Next);
        Assert.Equal([new AccountFact("mina", 200, 2, 200, 2), new AccountFact("noah", 500, 1, 500, 1)],
            (await answer.Content.ReadFromJsonAsync<AccountFact[]>())!.OrderBy(account => account.UserId));
    }

    private static DeductPoints Command(long amount) => new(Guid.CreateVersion7(PointsUnderTest.Start), 1, "mina", amount);
}
