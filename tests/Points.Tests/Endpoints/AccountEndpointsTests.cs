using System.Net.Http.Json;
using System.Text.Json;
using ConcertSaga.Contracts.Points;
using ConcertSaga.Points.Tests.Fixtures;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using Xunit;

namespace ConcertSaga.Points.Tests.Endpoints;

public sealed class AccountEndpointsTests(PostgreSqlServer server)
{
    public static IEnumerable<object[]> Providers => TestDatabase.Providers;

    [Theory, MemberData(nameof(Providers))]
    public async Task GetBalance_WithoutAnAccount_IsZero(DatabaseProvider provider)
    {
        await using var points = await PointsUnderTest.StartAsync(provider, server);
        using var client = points.Service.ClientOf("mina");

        Assert.Equal("""{"userId":"mina","balance":0}""", await client.GetStringAsync("/api/points"));
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task ListEntries_PageByPage_NewestFirst(DatabaseProvider provider)
    {
        await using var points = await PointsUnderTest.StartAsync(provider, server);
        await points.ChargeAsync("mina", 1_000);
        await points.ChargeAsync("other", 1);
        var deduct = new DeductPoints(Guid.CreateVersion7(PointsUnderTest.Start), 1, "mina", 400);
        await points.AskAsync(deduct);
        await points.AskAsync(new RefundPoints(deduct.ReservationId, 1, "mina"));
        using var client = points.Service.ClientOf("mina");

        var first = await client.GetFromJsonAsync<JsonElement>("/api/points/entries?limit=2");
        var nextCursor = first.GetProperty("nextCursor").GetString();
        var second = await client.GetFromJsonAsync<JsonElement>($"/api/points/entries?limit=2&cursor={nextCursor}");

        Assert.Equal(
            [$"Refund 400 1000 {deduct.ReservationId}", $"Deduction -400 600 {deduct.ReservationId}", "Charge 1000 1000 "],
            new[] { first, second }.SelectMany(page => page.GetProperty("items").EnumerateArray()).Select(entry =>
                $"{entry.GetProperty("kind")} {entry.GetProperty("amount")} {entry.GetProperty("balanceAfter")} "
                    + $"{entry.GetProperty("reservationId")}"));
        Assert.Equal(JsonValueKind.Null, second.GetProperty("nextCursor").ValueKind);
    }
}
