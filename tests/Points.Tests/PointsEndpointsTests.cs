using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using ConcertSaga.Contracts.Points;
using ConcertSaga.Points.Data;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Hosting;
using Xunit;

namespace ConcertSaga.Points.Tests;

public sealed class PointsEndpointsTests(PostgreSqlServer server)
{
    public static IEnumerable<object[]> Providers => TestDatabase.Providers;

    [Theory]
    [InlineData("GET", "/api/points")]
    [InlineData("GET", "/api/points/entries")]
    [InlineData("POST", "/api/points/charges")]
    [InlineData("GET", "/metrics")]
    public async Task AnyRoute_WithoutTheSecret_Is404(string method, string path)
    {
        await using var points = await PointsUnderTest.StartAsync(DatabaseProvider.Sqlite, server);
        using var request = new HttpRequestMessage(new HttpMethod(method), path) { Headers = { { "X-User-Id", "mina" } } };

        Assert.Equal(HttpStatusCode.NotFound, (await points.Service.Stranger.SendAsync(request)).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await points.Service.Stranger.GetAsync("/health/ready")).StatusCode);
    }

    [Fact]
    public async Task AnyRoute_WithoutAUser_Is401()
    {
        await using var points = await PointsUnderTest.StartAsync(DatabaseProvider.Sqlite, server);
        using var client = points.Service.ClientOf("mina");
        client.DefaultRequestHeaders.Remove("X-User-Id");

        using var response = await client.GetAsync("/api/points");

        Assert.Equal((401, "UNAUTHENTICATED"), ((int)response.StatusCode, await CodeAsync(response)));
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task GetBalance_OfWhoNeverHadPoints_IsZero(DatabaseProvider provider)
    {
        await using var points = await PointsUnderTest.StartAsync(provider, server);
        using var client = points.Service.ClientOf("mina");

        Assert.Equal("""{"userId":"mina","balance":0}""", await client.GetStringAsync("/api/points"));
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Charge_RepeatedAtTheSameMoment_ChargesOnce(DatabaseProvider provider)
    {
        await using var points = await PointsUnderTest.StartAsync(provider, server);
        var key = Guid.CreateVersion7();

        var responses = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => points.ChargeAsync("mina", 500, key)));
        await points.ChargeAsync("mina", 100);
        var late = await points.ChargeAsync("mina", 500, key);

        Assert.All(responses, response => Assert.Equal(HttpStatusCode.Created, response.StatusCode));
        Assert.Single(responses, response => !response.Headers.Contains("Idempotent-Replayed"));
        Assert.Equal(["true"], late.Headers.GetValues("Idempotent-Replayed"));
        var bodies = await Task.WhenAll(responses.Append(late).Select(response => response.Content.ReadAsStringAsync()));
        var body = JsonSerializer.Deserialize<JsonElement>(Assert.Single(bodies.Distinct()));
        Assert.Equal((500, 500), (body.GetProperty("amount").GetInt32(), body.GetProperty("balance").GetInt32()));
        Assert.Equal(600, await points.BalanceAsync("mina"));
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Charge_FirstChargesOfOneUserAtTheSameMoment_AllCount(DatabaseProvider provider)
    {
        await using var points = await PointsUnderTest.StartAsync(provider, server);

        var responses = await Task.WhenAll(Enumerable.Range(0, 30).Select(_ => points.ChargeAsync("mina", 10)));

        Assert.All(responses, response => Assert.Equal(HttpStatusCode.Created, response.StatusCode));
        Assert.Equal(300, await points.BalanceAsync("mina"));
    }

    [Fact]
    public async Task Charge_KeyOfAnotherRequest_IsRefused()
    {
        await using var points = await PointsUnderTest.StartAsync(DatabaseProvider.Sqlite, server);
        var key = Guid.CreateVersion7();
        await points.ChargeAsync("mina", 500, key);

        using var other = await points.ChargeAsync("mina", 501, key);
        using var otherUser = await points.ChargeAsync("Mina", 501, key);

        Assert.Equal((422, "IDEMPOTENCY_KEY_REUSED"), ((int)other.StatusCode, await CodeAsync(other)));
        Assert.Equal(HttpStatusCode.Created, otherUser.StatusCode);
        Assert.Equal(500, await points.BalanceAsync("mina"));
    }

    [Theory]
    [InlineData(null, """{"amount":1}""", 400, "IDEMPOTENCY_KEY_MISSING")]
    [InlineData("1", """{"amount":1}""", 400, "IDEMPOTENCY_KEY_INVALID")]
    [InlineData("0199c2f0-5a3e-7c41-9d0b-3f8e6a1b2c4d", """{"amount":0}""", 422, "INVALID_AMOUNT")]
    [InlineData("0199c2f0-5a3e-7c41-9d0b-3f8e6a1b2c4d", """{"amount":-1}""", 422, "INVALID_AMOUNT")]
    [InlineData("0199c2f0-5a3e-7c41-9d0b-3f8e6a1b2c4d", """{"amount":1000001}""", 422, "INVALID_AMOUNT")]
    [InlineData("0199c2f0-5a3e-7c41-9d0b-3f8e6a1b2c4d", "{}", 422, "INVALID_AMOUNT")]
    [InlineData("0199c2f0-5a3e-7c41-9d0b-3f8e6a1b2c4d", """{"amount":"many"}""", 400, "BAD_REQUEST")]
    [InlineData("0199c2f0-5a3e-7c41-9d0b-3f8e6a1b2c4d", """{"amount":1.5}""", 400, "BAD_REQUEST")]
    [InlineData("0199c2f0-5a3e-7c41-9d0b-3f8e6a1b2c4d", "", 400, "BAD_REQUEST")]
    [InlineData("0199c2f0-5a3e-7c41-9d0b-3f8e6a1b2c4d", "null", 400, "BAD_REQUEST")]
    public async Task Charge_WhatCannotBe_IsAProblemWithItsCode(string? key, string body, int status, string code)
    {
        await using var points = await PointsUnderTest.StartAsync(DatabaseProvider.Sqlite, server);
        using var client = points.Service.ClientOf("mina");
        if (key is not null)
            client.DefaultRequestHeaders.Add("Idempotency-Key", key);

        using var response = await client.PostAsync("/api/points/charges", new StringContent(body, Encoding.UTF8, "application/json"));

        var problem = await response.Content.ReadFromJsonAsync<JsonElement>();
        Assert.Equal((status, code), ((int)response.StatusCode, problem.GetProperty("code").GetString()));
        if (status == 422)
            Assert.Single(problem.GetProperty("errors").GetProperty("amount").EnumerateArray());
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Charge_OverTheBalanceLimit_IsRefusedAndItsKeyIsNotKept(DatabaseProvider provider)
    {
        await using var points = await PointsUnderTest.StartAsync(provider, server, ("Points:MaxBalance", "1500"));
        var key = Guid.CreateVersion7();
        await points.ChargeAsync("mina", 1_000);

        using var over = await points.ChargeAsync("mina", 501, key);
        using var within = await points.ChargeAsync("mina", 500, key);

        Assert.Equal((422, "INVALID_AMOUNT"), ((int)over.StatusCode, await CodeAsync(over)));
        Assert.Equal(HttpStatusCode.Created, within.StatusCode);
        Assert.Equal(1_500, await points.BalanceAsync("mina"));
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task ListEntries_PageByPage_NewestFirst(DatabaseProvider provider)
    {
        await using var points = await PointsUnderTest.StartAsync(provider, server);
        await points.ChargeAsync("mina", 1_000);
        await points.ChargeAsync("other", 1);
        var deduct = new DeductPoints(Guid.CreateVersion7(), 1, "mina", 400);
        await points.AskAsync(deduct);
        await points.AskAsync(new RefundPoints(deduct.ReservationId, 1, "mina"));
        using var client = points.Service.ClientOf("mina");

        var first = await client.GetFromJsonAsync<JsonElement>("/api/points/entries?limit=2");
        var second = await client.GetFromJsonAsync<JsonElement>($"/api/points/entries?limit=2&cursor={first.GetProperty("nextCursor").GetString()}");

        Assert.Equal(
            [$"Refund 400 1000 {deduct.ReservationId}", $"Deduction -400 600 {deduct.ReservationId}", "Charge 1000 1000 "],
            new[] { first, second }.SelectMany(page => page.GetProperty("items").EnumerateArray()).Select(entry =>
                $"{entry.GetProperty("kind")} {entry.GetProperty("amount")} {entry.GetProperty("balanceAfter")} {entry.GetProperty("reservationId")}"));
        Assert.Equal(JsonValueKind.Null, second.GetProperty("nextCursor").ValueKind);
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task ChargeKeyCleaner_AfterTheRetention_ForgetsOldKeysOnly(DatabaseProvider provider)
    {
        // The cleaner's own round is a day away, so what is deleted here is deleted by this test.
        await using var points = await PointsUnderTest.StartAsync(
            provider, server, ("Points:CleaningBatch", "2"), ("Points:CleaningInterval", "1.00:00:00"), ("Points:ChargeKeyRetention", "01:00:00"));
        for (var i = 0; i < 5; i++)
            await points.ChargeAsync("mina", 1);
        points.Clock.Advance(TimeSpan.FromMinutes(59));
        var kept = Guid.CreateVersion7();
        await points.ChargeAsync("mina", 1, kept);

        Assert.Equal(0, await CleanAsync(points));
        points.Clock.Advance(TimeSpan.FromMinutes(2));
        Assert.Equal(5, await CleanAsync(points));

        Assert.Equal(kept, (await points.Service.WithAsync<PointsDbContext, ChargeKey>(database => database.ChargeKeys.SingleAsync())).IdempotencyKey);
        Assert.Equal(6, await points.BalanceAsync("mina"));
    }

    private static Task<int> CleanAsync(PointsUnderTest points) => points.Service.WithAsync<IEnumerable<IHostedService>, int>(services =>
        services.OfType<ChargeKeyCleaner>().Single().CleanAsync(CancellationToken.None));

    private static async Task<string?> CodeAsync(HttpResponseMessage response) =>
        (await response.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("code").GetString();
}
