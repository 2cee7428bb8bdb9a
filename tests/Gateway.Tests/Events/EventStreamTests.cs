using ConcertSaga.Gateway.Tests.Hosts;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace ConcertSaga.Gateway.Tests.Events;

public sealed class EventStreamTests
{
    /// <summary>The delay lets the clients of a stopped gateway reconnect at different times.</summary>
    [Fact]
    public async Task Streams_OfAStoppingGateway_EndWithTheTimeToReconnect()
    {
        await using var upstream = await UpstreamStub.StartAsync();
        await using var gateway = await GatewayHost.StartAsync(upstream.Address);
        gateway.Rooms.Apply(QueueTokens.Room(77, 1, 2));
        upstream.Answer = context => Seats.SeatMapFetcherTests.MapAsync(context, 5);
        await using var place = await EventReader.OpenAsync(gateway.SendAsync("GET", "/api/queue/tokens/current/events",
            Tokens.For("mina"), null, ("X-Queue-Token", QueueTokens.Waiting("mina", 12, 77))));
        await using var seats = await EventReader.OpenAsync(
            gateway.SendAsync("GET", "/api/schedules/77/seats/events", Tokens.For("mina")));
        Assert.Equal("position", (await place.NextAsync())?.Name);
        Assert.Equal("snapshot", (await seats.NextAsync())?.Name);

        gateway.Services.GetRequiredService<IHostApplicationLifetime>().StopApplication();

        Assert.Null(await place.NextAsync());
        Assert.Null(await seats.NextAsync());
        Assert.InRange(place.RetryMilliseconds ?? 0, 1_000, 5_000);
        Assert.InRange(seats.RetryMilliseconds ?? 0, 1_000, 5_000);
    }
}
