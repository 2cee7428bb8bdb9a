using System.Net.Sockets;
using System.Text;
using ConcertSaga.Contracts.Queue;
using ConcertSaga.Contracts.Seats;
using ConcertSaga.Gateway.Events;
using ConcertSaga.Gateway.Seats;
using ConcertSaga.Gateway.Tests.Hosts;
using ConcertSaga.Testing;
using Microsoft.Extensions.DependencyInjection;

namespace ConcertSaga.Gateway.Tests.Seats;

/// <summary>Reads the event stream of a seat map.</summary>
public sealed class SeatStreamHandlerTests : IClassFixture<GatewayFixture>
{
    // Each test uses its own schedule, because the gateway keeps the recent changes of each.
    private static int _schedules = 1000;

    private readonly GatewayHost _gateway;
    private readonly UpstreamStub _upstream;
    private readonly int _scheduleId = Interlocked.Increment(ref _schedules);
    private readonly string _user = $"mina-{Guid.CreateVersion7()}";
    private int _version = 5;

    public SeatStreamHandlerTests(GatewayFixture fixture)
    {
        _gateway = fixture.Gateway;
        _upstream = fixture.Upstream;
        _upstream.Reset();
        _upstream.Answer = context => SeatMapFetcherTests.MapAsync(context, Volatile.Read(ref _version));
    }

    [Fact]
    public async Task Stream_WithoutLastEventId_HasTheMapAndThenItsChanges()
    {
        await using var stream = await WatchAsync();
        Assert.Equal(new Event("snapshot", """{"version":5}""", "5"), await stream.NextAsync());

        Change(6, 7, "Held");
        Change(7, 8, "Sold");

        Assert.Equal(new Event("changed", """{"version":6,"seats":[{"number":7,"status":"Held"}]}""", "6"), await stream.NextAsync());
        Assert.Equal(new Event("changed", """{"version":7,"seats":[{"number":8,"status":"Sold"}]}""", "7"), await stream.NextAsync());
        Assert.Single(_upstream.Requests);
    }

    [Fact]
    public async Task Stream_OfAnUnchangedMap_StartsWithTheMap()
    {
        _version = 0;
        await using var stream = await WatchAsync();

        Assert.Equal(new Event("snapshot", """{"version":0}""", "0"), await stream.NextAsync());
        Change(1, 7, "Held");
        Assert.Equal(("changed", "1"), Named(await stream.NextAsync()));
    }

    [Fact]
    public async Task Client_ReconnectingToAnUnchangedMap_GetsTheFirstChange()
    {
        _version = 0;
        await using var stream = await WatchAsync(("Last-Event-ID", "0"));

        Change(1, 7, "Held");

        Assert.Equal(("changed", "1"), Named(await stream.NextAsync()));
    }

    [Fact]
    public async Task Changes_ArrivingOutOfOrder_AreSentInOrder()
    {
        await using var stream = await WatchAsync();
        await stream.NextAsync();

        Change(7, 8, "Sold");
        Change(6, 7, "Held");

        Assert.Equal("6", (await stream.NextAsync())!.Id);
        Assert.Equal("7", (await stream.NextAsync())!.Id);
    }

    [Fact]
    public async Task Change_Missing_IsReplacedByTheWholeMap()
    {
        await using var stream = await WatchAsync();
        await stream.NextAsync();

        _version = 9;
        Change(9, 8, "Sold");

        Assert.Equal(("snapshot", "9"), Named(await stream.NextAsync()));
        // The map answers for the change that waited.
        var reads = _upstream.Requests.Length;
        var streams = _gateway.Services.GetRequiredService<EventStreamRegistry>();
        for (var tick = 0; tick < 4; tick++)
            await streams.NextTick;
        Assert.Equal(reads, _upstream.Requests.Length);
        Change(10, 1, "Held");
        Assert.Equal(("changed", "10"), Named(await stream.NextAsync()));
    }

    [Fact]
    public async Task Change_AfterTheMapThatReplacesALostOne_IsSentWithIt()
    {
        await using var stream = await WatchAsync();
        await stream.NextAsync();

        _version = 8;
        Change(9, 8, "Sold");

        Assert.Equal(("snapshot", "8"), Named(await stream.NextAsync()));
        Assert.Equal(("changed", "9"), Named(await stream.NextAsync()));
    }

    [Fact]
    public async Task Client_Reconnecting_GetsTheMissedChanges()
    {
        foreach (var version in new[] { 3, 4, 5 })
            Change(version, version, "Held");

        await using var stream = await WatchAsync(("Last-Event-ID", "3"));

        Assert.Equal(("changed", "4"), Named(await stream.NextAsync()));
        Assert.Equal(("changed", "5"), Named(await stream.NextAsync()));
        Change(6, 6, "Sold");
        Assert.Equal(("changed", "6"), Named(await stream.NextAsync()));
    }

    [Theory]
    [InlineData("1")]
    [InlineData("999")]
    [InlineData("nonsense")]
    [InlineData("-1")]
    [InlineData("")]
    public async Task Client_WithAnUnknownLastEvent_GetsTheWholeMap(string lastEventId)
    {
        foreach (var version in new[] { 3, 5 })
            Change(version, version, "Held");

        await using var stream = await WatchAsync(("Last-Event-ID", lastEventId));

        Assert.Equal(("snapshot", "5"), Named(await stream.NextAsync()));
    }

    [Theory]
    [InlineData("+3")]
    [InlineData("3, 3")]
    [InlineData("3,0")]
    [InlineData("3.0")]
    [InlineData("0x3")]
    [InlineData("(3)")]
    [InlineData("99999999999999999999")]
    public async Task Client_WithAMalformedLastEvent_GetsTheWholeMap(string lastEventId)
    {
        foreach (var version in new[] { 3, 4, 5 })
            Change(version, version, "Held");

        await using var stream = await WatchAsync(("Last-Event-ID", lastEventId));

        Assert.Equal(("snapshot", "5"), Named(await stream.NextAsync()));
    }

    [Fact]
    public async Task Pass_RevokedDuringTheStream_EndsItAtTheNextTick()
    {
        var tokenId = Guid.CreateVersion7();
        await using var stream = await WatchAsync(("X-Queue-Token", QueueTokens.Pass(_user, tokenId: tokenId)));
        await stream.NextAsync();
        var watch = System.Diagnostics.Stopwatch.StartNew();

        _gateway.Rooms.Apply(new QueueTokenRevoked(1, 3, tokenId, QueueTokens.Now.AddMinutes(20)));

        Assert.Null(await stream.NextAsync());
        // Ticks are a second apart; a busy machine is late.
        Assert.InRange(watch.Elapsed.TotalSeconds, 0, 5);
    }

    [Theory]
    [InlineData(404, 404)]
    [InlineData(500, 503)]
    public async Task Map_Unavailable_IsRefusedBeforeTheStreamStarts(int upstream, int status)
    {
        _upstream.Answer = context => { context.Response.StatusCode = upstream; return Task.CompletedTask; };

        using var response = await SendAsync();

        Assert.Equal(status, (int)response.StatusCode);
        Assert.Equal("application/problem+json", response.Content.Headers.ContentType?.MediaType);
    }

    [Fact]
    public void Subscriber_ThatDoesNotRead_IsDropped()
    {
        var changes = new SeatChangeFeed();
        var (slow, quick) = (changes.Subscribe(1), changes.Subscribe(1));
        for (var version = 1; version <= 257; version++)
        {
            changes.Apply(new SeatsChanged(1, version, []));
            Assert.True(quick.Reader.TryRead(out _));
        }

        var read = 0;
        while (slow.Reader.TryRead(out _))
            read++;
        Assert.Equal((256, true, false), (read, slow.Reader.Completion.IsCompleted, quick.Reader.Completion.IsCompleted));
    }

    [Fact]
    public async Task Streams_AboveTheLimit_AreRefusedUntilOneEnds()
    {
        await using var gateway = await GatewayHost.StartAsync(_upstream.Address, null, "--Limits:MaxEventStreams=3",
            "--Limits:MaxEventStreamsPerUser=2");
        Task<HttpResponseMessage> Open(string user) =>
            gateway.SendAsync("GET", $"/api/schedules/{_scheduleId}/seats/events", Tokens.For(user));

        var first = await EventReader.OpenAsync(Open("mina"));
        await using var second = await EventReader.OpenAsync(Open("mina"));
        using var third = await Open("mina");
        await Problem.IsAsync(third, 429, "TOO_MANY_REQUESTS");
        await using var other = await EventReader.OpenAsync(Open("tom"));
        using var full = await Open("ann");
        await Problem.IsAsync(full, 503, "UNAVAILABLE");
        Assert.NotNull(full.Headers.RetryAfter);

        await first.DisposeAsync();
        await Eventually.TrueAsync(() => gateway.Services.GetRequiredService<EventStreamRegistry>().Open == 2, TimeSpan.FromSeconds(60),
            "the ended stream is no longer counted");
        await using var again = await EventReader.OpenAsync(Open("mina"));
    }

    [Fact]
    public async Task Client_ThatDoesNotRead_IsDisconnectedAndUsesLittleMemory()
    {
        await using var gateway = await GatewayHost.StartAsync(_upstream.Address, null, "--Limits:MinBytesPerSecond=100000");
        var streams = gateway.Services.GetRequiredService<EventStreamRegistry>();
        var changes = gateway.Services.GetRequiredService<SeatChangeFeed>();
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        using var client = new Socket(SocketType.Stream, ProtocolType.Tcp) { ReceiveBufferSize = 4096 };
        await client.ConnectAsync(gateway.Address.Host, gateway.Address.Port, limit.Token);
        await client.SendAsync(Encoding.ASCII.GetBytes($"GET /api/schedules/{_scheduleId}/seats/events HTTP/1.1\r\nHost: localhost\r\n" +
            $"Authorization: Bearer {Tokens.For(_user)}\r\nX-Queue-Token: {QueueTokens.Pass(_user)}\r\n\r\n"), limit.Token);
        await Eventually.TrueAsync(() => streams.Open == 1, TimeSpan.FromSeconds(60), "the stream is open");
        // 35 MB as text, far more than any buffer holds.
        var applied = new List<WeakReference>();
        for (var i = 0; i < 10_000; i++)
        {
            applied.Add(Apply(changes));
            if (i % 2000 == 0)
                await streams.NextTick.WaitAsync(limit.Token);
        }
        GC.Collect();

        // The unread changes, the recent ones, and a few in progress.
        Assert.InRange(applied.Count(change => change.IsAlive), 1, 256 + 64 + 80);
        await Eventually.TrueAsync(() => streams.Open == 0, TimeSpan.FromSeconds(60), "the stream ends");
        // The server has closed the connection, so sending fails.
        using var clock = new PeriodicTimer(TimeSpan.FromMilliseconds(100));
        await Assert.ThrowsAsync<SocketException>(async () =>
        {
            while (await clock.WaitForNextTickAsync(limit.Token))
                await client.SendAsync(" "u8.ToArray(), limit.Token);
        });
    }

    private WeakReference Apply(SeatChangeFeed changes)
    {
        var change = new SeatsChanged(_scheduleId, Interlocked.Increment(ref _version),
            [.. Enumerable.Range(1, 100).Select(number => new SeatChange(number, "Held"))]);
        changes.Apply(change);
        return new WeakReference(change);
    }

    private static (string?, string?) Named(Event? next) => (next?.Name, next?.Id);

    private void Change(int version, int seat, string status) =>
        _gateway.Services.GetRequiredService<SeatChangeFeed>()
            .Apply(new SeatsChanged(_scheduleId, version, [new SeatChange(seat, status)]));

    private Task<EventReader> WatchAsync(params (string, string)[] headers) => EventReader.OpenAsync(SendAsync(headers));

    private Task<HttpResponseMessage> SendAsync(params (string, string)[] headers) =>
        _gateway.SendAsync("GET", $"/api/schedules/{_scheduleId}/seats/events", Tokens.For(_user), null, headers);
}
