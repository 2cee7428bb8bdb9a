using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using ConcertSaga.Points.Data;
using ConcertSaga.Points.Tests.Fixtures;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;
using Xunit;

namespace ConcertSaga.Points.Tests.Endpoints;

public sealed class ChargeEndpointsTests(PostgreSqlServer server)
{
    public static IEnumerable<object[]> Providers => TestDatabase.Providers;

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
    public async Task Charge_InvalidRequest_IsAProblemWithItsCode(string? key, string body, int status, string code)
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
    public async Task Charge_RepeatedAfterTheLimitWasLowered_GetsTheFirstResponse(DatabaseProvider provider)
    {
        await using var points = await PointsUnderTest.StartAsync(provider, server);
        var key = Guid.CreateVersion7();
        (await points.ChargeAsync("mina", 1_000, key)).EnsureSuccessStatusCode();
        await points.Service.WithAsync<IOptions<PointsOptions>, long>(options => Task.FromResult(options.Value.MaxCharge = 500));

        var repeat = await points.ChargeAsync("mina", 1_000, key);

        Assert.Equal((HttpStatusCode.Created, "true"), (repeat.StatusCode, repeat.Headers.GetValues("Idempotent-Replayed").Single()));
        Assert.Equal("IDEMPOTENCY_KEY_REUSED", await CodeAsync(await points.ChargeAsync("mina", 2_000, key)));
        Assert.Equal("INVALID_AMOUNT", await CodeAsync(await points.ChargeAsync("mina", 1_000)));
        Assert.Equal("INVALID_AMOUNT", await CodeAsync(await points.ChargeAsync("paul", 0)));
        Assert.Equal(1_000, await points.BalanceAsync("mina"));
        Assert.Equal(1, await points.Service.WithAsync<PointsDbContext, int>(database => database.Accounts.CountAsync()));
    }

    private static async Task<string?> CodeAsync(HttpResponseMessage response) =>
        (await response.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("code").GetString();
}
