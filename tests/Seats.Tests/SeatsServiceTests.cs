using System.Net;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing.Servers;
using Xunit;
using static ConcertSaga.Seats.Tests.Fixtures.SeatsUnderTest;

namespace ConcertSaga.Seats.Tests;

public sealed class SeatsServiceTests(PostgreSqlServer server)
{
    [Theory]
    [InlineData("/api/concerts")]
    [InlineData("/api/concerts/1/schedules")]
    [InlineData("/api/schedules/1/seats")]
    [InlineData("/internal/schedules/1")]
    [InlineData("/metrics")]
    [InlineData("/nowhere")]
    public async Task AnyRoute_WithoutTheSecret_Is404(string path)
    {
        await using var seats = await StartAsync(DatabaseProvider.Sqlite, server);
        await seats.AddScheduleAsync();

        Assert.Equal(HttpStatusCode.NotFound, (await seats.Service.Stranger.GetAsync(path)).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await seats.Service.Stranger.GetAsync("/health/ready")).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await seats.Service.Stranger.GetAsync("/health/live")).StatusCode);
    }
}
