using System.Net;
using ConcertSaga.Operations.Tests.Fixtures;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing.Servers;
using Xunit;

namespace ConcertSaga.Operations.Tests;

public sealed class OperationsServiceTests(PostgreSqlServer server)
{
    [Theory]
    [InlineData("GET", "/ops/api/failed-messages")]
    [InlineData("POST", "/ops/api/failed-messages/requeue")]
    [InlineData("GET", "/metrics")]
    public async Task AnyRoute_WithoutTheSecret_Is404(string method, string path)
    {
        await using var operations = await OperationsUnderTest.StartAsync(DatabaseProvider.Sqlite, server);
        using var request = new HttpRequestMessage(new HttpMethod(method), path) { Headers = { { "X-User-Roles", "ops" } } };

        Assert.Equal(HttpStatusCode.NotFound, (await operations.Stranger.SendAsync(request)).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await operations.Stranger.GetAsync("/health/ready")).StatusCode);
    }

    [Theory]
    [InlineData("GET", "failed-messages")]
    [InlineData("GET", "failed-messages/groups")]
    [InlineData("GET", "failed-messages/1")]
    [InlineData("GET", "operations/0199c2f0-5a3e-7c41-9d0b-3f8e6a1b2c4d")]
    [InlineData("DELETE", "operations/0199c2f0-5a3e-7c41-9d0b-3f8e6a1b2c4d?reason=x")]
    public async Task AnyRoute_WithoutTheRole_Is403(string method, string route)
    {
        await using var operations = await OperationsUnderTest.StartAsync(DatabaseProvider.Sqlite, server);

        Assert.Equal(403, (await operations.CallAsync(new HttpMethod(method), route, roles: "fan,opsx")).Status);
    }
}
