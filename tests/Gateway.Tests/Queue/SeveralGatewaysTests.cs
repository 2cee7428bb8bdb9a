using System.Diagnostics;
using System.Net.Http.Json;
using System.Text.Json;
using ConcertSaga.Contracts.Queue;
using ConcertSaga.Gateway.Tests.Hosts;
using ConcertSaga.Shared.Hosting.Messaging;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Servers;
using MassTransit;
using Microsoft.Extensions.DependencyInjection;

namespace ConcertSaga.Gateway.Tests.Queue;

/// <summary>Runs two gateways on one broker; the test class plays Queue. A test can cut one gateway off from the broker.</summary>
public sealed class SeveralGatewaysTests(RabbitMqServer rabbit) : IAsyncLifetime
{
    private const string Poll = "/api/queue/tokens/current", Book = "/api/reservations",
        Pay = "/api/reservations/0197b1d0-0000-7000-8000-000000000001/payment";

    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    private readonly CancellationTokenSource _end = new();
    private UpstreamStub _upstream = null!;
    private TcpLink _link = null!;
    private GatewayHost _near = null!, _far = null!;
    private IBusControl _queue = null!;
    private Task _heartbeat = Task.CompletedTask;
    private QueueAdvanced _room = QueueTokens.Room();

    public async ValueTask InitializeAsync()
    {
        var broker = await rabbit.CreateVirtualHostAsync("gateways");
        _upstream = await UpstreamStub.StartAsync();
        (_link, var linked) = TcpLink.OpenTo(broker);
        _near = await StartAsync(broker);
        _far = await StartAsync(linked);
        _queue = Bus.Factory.CreateUsingRabbitMq(bus => bus.Host(new Uri(broker)));
        await _queue.StartAsync();
        foreach (var bus in new[] { _near, _far }.Select(gateway => gateway.Services.GetRequiredService<IBusControl>()))
            await bus.WaitForHealthStatus(BusHealthStatus.Healthy, Limit);
        _heartbeat = SendHeartbeatsAsync(_end.Token);
    }

    public async ValueTask DisposeAsync()
    {
        await _end.CancelAsync();
        await _heartbeat;
        // Null if the setup failed before it.
        foreach (var part in new IAsyncDisposable?[] { _near, _far, _link, _upstream })
        {
            if (part is not null)
                await part.DisposeAsync();
        }
        if (_queue is not null)
            await _queue.StopAsync(CancellationToken.None);
        _end.Dispose();
    }

    [Fact]
    public async Task Progress_Published_ReachesEveryGatewayWithinASecond()
    {
        var token = QueueTokens.Waiting("mina", 1000);
        var taken = new List<TimeSpan>();
        for (var serving = 10; serving <= 50; serving += 10)
        {
            var watch = Stopwatch.StartNew();
            await _queue.Publish(Advance(_room.Sequence + 1, serving));
            foreach (var gateway in new[] { _near, _far })
                await Eventually.TrueAsync(async () => await PositionAsync(gateway, token) == 1000 - serving, Limit,
                    $"the position is {1000 - serving}");
            taken.Add(watch.Elapsed);
        }

        IsWithinASecond(taken);
    }

    [Fact]
    public async Task Payment_Confirmed_EndsThePassOnEveryGatewayWithinASecond()
    {
        var taken = new List<TimeSpan>();
        for (var i = 0; i < 5; i++)
        {
            var tokenId = Guid.CreateVersion7();
            var pass = QueueTokens.Pass("mina", tokenId: tokenId);
            foreach (var gateway in new[] { _near, _far })
            {
                Assert.Equal(200, await StatusAsync(gateway, Book, pass));
                Assert.Equal(200, await StatusAsync(gateway, Pay, pass));
            }

            var watch = Stopwatch.StartNew();
            // Queue publishes this when a reservation is confirmed. No snapshot contains it yet.
            await _queue.Publish(new QueueTokenRevoked(1, _room.Sequence + 1, tokenId, QueueTokens.Now.AddMinutes(16)));
            await _queue.Publish(Advance(_room.Sequence + 2, _room.Serving));
            foreach (var gateway in new[] { _near, _far })
            {
                foreach (var path in new[] { Book, Pay })
                    await Eventually.TrueAsync(async () => await StatusAsync(gateway, path, pass) == 410, Limit, $"{path} is closed");
            }
            taken.Add(watch.Elapsed);
            foreach (var gateway in new[] { _near, _far })
            {
                using var again = await SendAsync(gateway, "POST", Book, pass);
                await Problem.IsAsync(again, 410, "QUEUE_TOKEN_REVOKED");
            }
        }
        IsWithinASecond(taken);
    }

    [Fact]
    public async Task Revocation_Lost_IsReadFromTheSnapshotAfterTheGap()
    {
        var tokenId = Guid.CreateVersion7();
        var pass = QueueTokens.Pass("mina", tokenId: tokenId);
        Assert.Equal(200, await StatusAsync(_far, Book, pass));
        var revoked = new QueueTokenRevoked(1, _room.Sequence + 1, tokenId, QueueTokens.Now.AddMinutes(16));
        AddToSnapshot(revoked, _room.Sequence + 2);

        await _queue.Publish(Advance(_room.Sequence + 2, _room.Serving));

        foreach (var gateway in new[] { _near, _far })
            await Eventually.TrueAsync(async () => await StatusAsync(gateway, Book, pass) == 410, Limit, "the pass has ended");
    }

    [Fact]
    public async Task Gateway_CutOffFromTheBroker_UsesSnapshotsAndRefusesPassesWithoutThem()
    {
        var (ended, valid) = (Guid.CreateVersion7(), QueueTokens.Pass("mina"));
        var pass = QueueTokens.Pass("mina", tokenId: ended);
        Assert.Equal(200, await StatusAsync(_far, Book, pass));

        // One gateway loses the broker and reads the revocation from a snapshot.
        _link.Cut();
        var reads = _upstream.SnapshotReads;
        var revoked = new QueueTokenRevoked(1, _room.Sequence + 1, ended, QueueTokens.Now.AddMinutes(16));
        AddToSnapshot(revoked, _room.Sequence + 2);
        await _queue.Publish(revoked);
        await _queue.Publish(Advance(_room.Sequence + 2, _room.Serving));
        await Eventually.TrueAsync(async () => await StatusAsync(_near, Book, pass) == 410, Limit,
            "the pass has ended where messages arrive");
        await Eventually.TrueAsync(async () => await StatusAsync(_far, Book, pass) == 410, Limit,
            "the pass has ended where the snapshot is read");
        Assert.True(_upstream.SnapshotReads > reads);
        Assert.Equal(200, await StatusAsync(_far, Book, valid));

        // Queue is unreachable too. The gateway with the broker continues, and the other one refuses passes.
        _upstream.Snapshot = null;
        await Eventually.TrueAsync(async () => await StatusAsync(_far, Book, valid) == 503, Limit, "old state opens no route");
        using (var closed = await SendAsync(_far, "POST", Pay, valid))
        {
            await Problem.IsAsync(closed, 503, "QUEUE_UNAVAILABLE");
            Assert.NotNull(closed.Headers.RetryAfter);
        }
        // Certain refusals and polls do not depend on the missed messages.
        Assert.Equal(410, await StatusAsync(_far, Book, pass));
        Assert.Equal(403, await StatusAsync(_far, Book, QueueTokens.Pass("tom")));
        Assert.Equal(200, (int)(await SendAsync(_far, "GET", Poll, QueueTokens.Waiting("mina", 1000))).StatusCode);
        Assert.Equal(200, await StatusAsync(_near, Book, valid));

        // The gateway misses a revocation. Its first message afterwards must not make its state count as fresh.
        var missed = new QueueTokenRevoked(1, _room.Sequence + 1, Guid.CreateVersion7(), QueueTokens.Now.AddMinutes(16));
        await _queue.Publish(missed);
        await _queue.Publish(Advance(_room.Sequence + 2, 500));
        await Eventually.TrueAsync(() => _near.Rooms.IsRevoked(missed.TokenId), Limit, "the other gateway has applied it");
        _link.Restore();
        await Eventually.TrueAsync(() => _far.Rooms.Find(1)!.Serving == 500, TimeSpan.FromSeconds(60), "messages arrive again");
        Assert.Equal(503, await StatusAsync(_far, Book, QueueTokens.Pass("mina", tokenId: missed.TokenId)));

        AddToSnapshot(missed, _room.Sequence);
        await Eventually.TrueAsync(async () => await StatusAsync(_far, Book, valid) == 200, Limit, "the snapshot closes the gap");
        Assert.Equal(410, await StatusAsync(_far, Book, QueueTokens.Pass("mina", tokenId: missed.TokenId)));
    }

    private static void IsWithinASecond(List<TimeSpan> taken)
    {
        // The median, because a busy machine can delay a single message.
        taken.Sort();
        Assert.InRange(taken[taken.Count / 2].TotalSeconds, 0, 1);
    }

    private static Task<HttpResponseMessage> SendAsync(GatewayHost gateway, string method, string path, string queueToken) =>
        gateway.SendAsync(method, path, Tokens.For("mina"), null, ("X-Queue-Token", queueToken));

    private static async Task<int> StatusAsync(GatewayHost gateway, string path, string pass)
    {
        using var response = await SendAsync(gateway, "POST", path, pass);
        return (int)response.StatusCode;
    }

    private static async Task<long> PositionAsync(GatewayHost gateway, string token)
    {
        using var response = await SendAsync(gateway, "GET", Poll, token);
        return (await response.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("position").GetInt64();
    }

    private Task<GatewayHost> StartAsync(string broker) => GatewayHost.StartWithAsync(_upstream.Address,
        builder => builder.AddMessaging(bus => bus.AddGatewayListeners()), $"--ConnectionStrings:RabbitMq={broker}");

    private QueueAdvanced Advance(long sequence, long serving) => _room = QueueTokens.Room(sequence: sequence, serving: serving);

    /// <summary>Adds a revocation to the snapshot only.</summary>
    private void AddToSnapshot(QueueTokenRevoked revoked, long sequence) =>
        _upstream.Snapshot = QueueTokens.Snapshot(null, [.. _upstream.Snapshot?.Revocations ?? [], revoked]) with
        {
            Concerts = [_room with { Sequence = sequence, At = QueueTokens.Now }]
        };

    /// <summary>Sends the progress every second, as Queue does.</summary>
    private async Task SendHeartbeatsAsync(CancellationToken cancellationToken)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromSeconds(1));
        try
        {
            while (await timer.WaitForNextTickAsync(cancellationToken))
                await _queue.Publish(_room with { At = QueueTokens.Now }, cancellationToken);
        }
        catch (OperationCanceledException)
        {
            // The test has ended.
        }
    }
}
