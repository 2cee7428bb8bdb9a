using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using ConcertSaga.Points.Tests.Fixtures;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing.Servers;
using Xunit;

namespace ConcertSaga.Points.Tests;

public sealed class PointsServiceTests(PostgreSqlServer server)
{
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

    private static async Task<string?> CodeAsync(HttpResponseMessage response) =>
        (await response.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("code").GetString();
}
