using System.Net.Http.Json;
using ConcertSaga.Contracts.Operations;
using ConcertSaga.Contracts.Queue;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using Xunit;
using static ConcertSaga.Queue.Tests.Fixtures.QueueUnderTest;

namespace ConcertSaga.Queue.Tests.Admission;

public sealed class WaitingRoomOverviewTests(PostgreSqlServer server)
{
    public static IEnumerable<object[]> Providers => TestDatabase.Providers;

    [Theory, MemberData(nameof(Providers))]
    public async Task Overview_OfRooms_HasThoseWhoseSaleGoesOn(DatabaseProvider provider)
    {
        await using var queue = await StartAsync(provider, server);
        await queue.AddConcertAsync(3, closesIn: TimeSpan.FromSeconds(1));
        await queue.AddConcertAsync(2);
        var tokens = new List<QueueTokenView>();
        for (var i = 0; i < 5; i++)
            tokens.Add(await queue.EnterAsync($"user-{i}"));
        await queue.TickAsync();
        await queue.ClaimAsync("user-0", tokens[0]);
        await queue.PauseAsync();
        queue.Clock.Advance(TimeSpan.FromSeconds(2));

        using var client = queue[0].ClientOf("operations");
        var overview = await client.GetFromJsonAsync<WaitingRoomOverview>("/internal/overview/waiting-rooms");

        Assert.Equal([1, 2], overview!.Rooms.Select(room => room.ConcertId));
        var room = overview.Rooms[0];
        Assert.Equal(("Paused", 3L, 1L, 1L), (room.Admission, room.Waiting, room.Offered, room.Active));
        Assert.NotNull(room.Reason);
        Assert.Equal(0L, overview.Rooms[1].Waiting);
    }
}
