using System.Net.Http.Json;
using ConcertSaga.Contracts.Operations;
using ConcertSaga.DataPlatform.Tests.Fixtures;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using Xunit;

namespace ConcertSaga.DataPlatform.Tests.Operations;

public sealed class RelayOverviewEndpointsTests(PostgreSqlServer server)
{
    public static IEnumerable<object[]> Providers => TestDatabase.Providers;

    [Theory, MemberData(nameof(Providers))]
    public async Task Overview_OfSomeDeliveries_CountsThoseThatWait(DatabaseProvider provider)
    {
        await using var relay = await RelayUnderTest.StartAsync(provider, server);
        Assert.Equal(new RelayOverview(0, null, 0, null, null, "Closed", null, null), await ReadAsync(relay));
        await relay.ReceiveAsync(2);
        await relay.SendDueAsync();
        relay.Platform.AnswerWith(400);
        await relay.ReceiveAsync(3);
        await relay.SendDueAsync();
        relay.Clock.Advance(TimeSpan.FromMinutes(1));
        var oldest = relay.Clock.GetUtcNow();
        await relay.ReceiveAsync();
        relay.Clock.Advance(TimeSpan.FromMinutes(1));
        await relay.ReceiveAsync();
        using var paused = await relay.CallAsync(HttpMethod.Post, "/destination/pause", new { reason = "Their release." });
        Assert.Equal(200, (int)paused.StatusCode);

        var overview = await ReadAsync(relay);

        Assert.Equal((2, oldest, 3), (overview.Pending, overview.OldestPendingAt, overview.Dead));
        Assert.Equal((relay.Clock.GetUtcNow(), "Their release."), (overview.PausedAt, overview.PauseReason));
    }

    private static async Task<RelayOverview> ReadAsync(RelayUnderTest relay)
    {
        using var client = relay.Gateway();
        return (await client.GetFromJsonAsync<RelayOverview>("/internal/overview/relay"))!;
    }
}
