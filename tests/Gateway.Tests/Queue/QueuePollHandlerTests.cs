using System.Net.Http.Json;
using System.Text.Json;
using ConcertSaga.Contracts.Queue;
using ConcertSaga.Gateway.Tests.Hosts;
using ConcertSaga.Shared.Hosting.Messaging;
using ConcertSaga.Testing;
using MassTransit;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;

namespace ConcertSaga.Gateway.Tests.Queue;

public sealed class QueuePollHandlerTests : IAsyncLifetime
{
    private const string Path = "/api/queue/tokens/current";

    private readonly FakeTimeProvider _time = new(QueueTokens.Now);
    private UpstreamStub _upstream = null!;
    private GatewayHost _gateway = null!;

    public async ValueTask InitializeAsync()
    {
        _upstream = await UpstreamStub.StartAsync();
        _gateway = await GatewayHost.StartWithAsync(_upstream.Address, builder => builder.Services.AddSingleton<TimeProvider>(_time));
    }

    public async ValueTask DisposeAsync()
    {
        await _gateway.DisposeAsync();
        await _upstream.DisposeAsync();
    }

    [Fact]
    public async Task Poll_WithAWaitingToken_IsAnsweredByTheGateway()
    {
        var tokenId = Guid.CreateVersion7();
        var token = QueueTokens.Waiting("mina", 42, tokenId: tokenId);

        using var response = await PollAsync(token);

        Assert.Equal((200, "application/json"), ((int)response.StatusCode, response.Content.Headers.ContentType?.MediaType));
        Assert.Equal("no-store", response.Headers.CacheControl?.ToString());
        Assert.Empty(_upstream.Requests);
        var view = await response.Content.ReadFromJsonAsync<JsonElement>();
        Assert.Equal(["token", "tokenId", "concertId", "status", "position", "peopleAhead", "estimatedWaitSeconds", "pollAfterSeconds",
            "expiresAt", "admission", "soldOut"],
            view.EnumerateObject().Select(member => member.Name));
        Assert.Equal((token, tokenId, 1, "Waiting", 40L, 39L, "Open"),
            (view.GetProperty("token").GetString(), view.GetProperty("tokenId").GetGuid(),
            view.GetProperty("concertId").GetInt32(), view.GetProperty("status").GetString(), view.GetProperty("position").GetInt64(),
            view.GetProperty("peopleAhead").GetInt64(), view.GetProperty("admission").GetString()));
        Assert.Equal((15, 27), (view.GetProperty("estimatedWaitSeconds").GetProperty("low").GetInt32(),
            view.GetProperty("estimatedWaitSeconds").GetProperty("high").GetInt32()));
    }

    [Fact]
    public async Task Poll_AtTheCustomersTurn_IsForwardedToQueue()
    {
        var tokenId = Guid.CreateVersion7();

        using var response = await PollAsync(QueueTokens.Waiting("mina", 2, tokenId: tokenId));

        Assert.Equal(200, (int)response.StatusCode);
        var seen = Assert.Single(_upstream.Requests);
        Assert.Equal(("GET", "/queue/api/queue/tokens/current", "mina", tokenId.ToString(), "1"),
            (seen.Method, seen.Target, seen.Headers["X-User-Id"].Single(),
            seen.Headers["X-Queue-Token-Id"].Single(), seen.Headers["X-Queue-Concert-Id"].Single()));
    }

    [Fact]
    public async Task Poll_OfAnUnknownConcert_IsForwardedToQueue()
    {
        using var response = await PollAsync(QueueTokens.Waiting("mina", 2_000, concertId: 7));

        Assert.Equal("7", Assert.Single(_upstream.Requests).Headers["X-Queue-Concert-Id"].Single());
    }

    [Fact]
    public async Task Poll_WithAPass_IsAnsweredByTheGateway()
    {
        var token = QueueTokens.Pass("mina");

        using var response = await PollAsync(token);

        var view = await response.Content.ReadFromJsonAsync<JsonElement>();
        Assert.Equal(("Active", 0L, token), (view.GetProperty("status").GetString(), view.GetProperty("position").GetInt64(),
            view.GetProperty("token").GetString()));
        Assert.Empty(_upstream.Requests);
    }

    [Fact]
    public async Task Poll_WithoutAValidToken_IsRefused()
    {
        using var missing = await PollAsync("");
        await Problem.IsAsync(missing, 400, "QUEUE_TOKEN_MISSING");
        using var bad = await PollAsync("bad");
        await Problem.IsAsync(bad, 401, "QUEUE_TOKEN_INVALID");
        using var foreign = await PollAsync(QueueTokens.Waiting("tom", 42));
        await Problem.IsAsync(foreign, 403, "QUEUE_TOKEN_NOT_YOURS");
        using var over = await PollAsync(QueueTokens.Waiting("mina", 42, now: QueueTokens.Now.AddDays(-2)));
        await Problem.IsAsync(over, 410, "QUEUE_TOKEN_EXPIRED");
        using var booked = await PollAsync(QueueTokens.Pass("mina", now: QueueTokens.Now.AddSeconds(-700)));
        await Problem.IsAsync(booked, 410, "QUEUE_TOKEN_EXPIRED");
        using var anonymous = await _gateway.SendAsync("GET", Path, headers: [("X-Queue-Token", QueueTokens.Waiting("mina", 42))]);
        await Problem.IsAsync(anonymous, 401, "UNAUTHENTICATED");
    }

    [Fact]
    public async Task Leaving_WithEitherKindOfToken_IsForwardedToQueue()
    {
        foreach (var token in new[] { QueueTokens.Waiting("mina", 42), QueueTokens.Pass("mina") })
        {
            _upstream.Reset();
            using var response = await _gateway.SendAsync("DELETE", Path, Tokens.For("mina"), null, ("X-Queue-Token", token));

            Assert.Equal(200, (int)response.StatusCode);
            var seen = Assert.Single(_upstream.Requests);
            Assert.Equal(("DELETE", "1"), (seen.Method, seen.Headers["X-Queue-Concert-Id"].Single()));
        }
    }

    [Fact]
    public async Task Silence_OfThreeSeconds_ReadsASnapshot()
    {
        var before = _upstream.SnapshotReads;
        _upstream.Snapshot = QueueTokens.Snapshot(
            _time.GetUtcNow()) with
        { Concerts = [QueueTokens.Room(sequence: 30, serving: 30, at: _time.GetUtcNow())] };

        await AdvanceUntilAsync(() => _upstream.SnapshotReads > before && _gateway.Rooms.Find(1)!.Serving == 30, TimeSpan.FromSeconds(3.5));

        using var response = await PollAsync(QueueTokens.Waiting("mina", 42));
        Assert.Equal(12, (await response.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("position").GetInt64());
    }

    [Fact]
    public async Task BusAndQueue_Unreachable_RefusePassesAfterFiveSecondsUntilTheyRecover()
    {
        _upstream.Snapshot = null;
        _time.Advance(TimeSpan.FromSeconds(4.9));
        using var still = await BookAsync();
        Assert.Equal(200, (int)still.StatusCode);

        _time.Advance(TimeSpan.FromSeconds(0.2));
        using var closed = await BookAsync();
        await Problem.IsAsync(closed, 503, "QUEUE_UNAVAILABLE");
        Assert.NotNull(closed.Headers.RetryAfter);
        using var pass = await PollAsync(QueueTokens.Pass("mina"));
        await Problem.IsAsync(pass, 503, "QUEUE_UNAVAILABLE");
        // A position only decreases, so old state suffices.
        using var place = await PollAsync(QueueTokens.Waiting("mina", 42));
        Assert.Equal(200, (int)place.StatusCode);
        using var points = await _gateway.SendAsync("GET", "/api/points", Tokens.For("mina"));
        Assert.Equal(200, (int)points.StatusCode);
        using var ready = await _gateway.SendAsync("GET", "/health/ready");
        Assert.Equal(200, (int)ready.StatusCode);
        Assert.Contains("\"queue\":\"Degraded\"", await ready.Content.ReadAsStringAsync(), StringComparison.Ordinal);

        var revoked = Guid.CreateVersion7();
        _upstream.Snapshot = QueueTokens.Snapshot(_time.GetUtcNow(), new QueueTokenRevoked(1, 2, revoked, QueueTokens.Now.AddMinutes(20)));
        await AdvanceUntilAsync(() => _gateway.Rooms.IsFresh, TimeSpan.FromSeconds(3));
        using var open = await BookAsync();
        Assert.Equal(200, (int)open.StatusCode);
        using var ended = await _gateway.SendAsync("POST", "/api/reservations", Tokens.For("mina"), null,
            ("X-Queue-Token", QueueTokens.Pass("mina", tokenId: revoked)));
        await Problem.IsAsync(ended, 410, "QUEUE_TOKEN_REVOKED");
    }

    [Fact]
    public async Task Start_WithoutQueue_RefusesPassesUntilTheFirstSnapshot()
    {
        _upstream.Snapshot = null;
        await using var gateway = await GatewayHost.StartAsync(_upstream.Address);

        foreach (var token in new[] { QueueTokens.Pass("mina"), QueueTokens.Waiting("mina", 42), "nonsense" })
        {
            using var response = await gateway.SendAsync("POST", "/api/reservations", Tokens.For("mina"), null, ("X-Queue-Token", token));
            await Problem.IsAsync(response, 503, "QUEUE_UNAVAILABLE");
        }
        _upstream.Snapshot = QueueTokens.Snapshot();
        await Eventually.TrueAsync(() => gateway.Rooms.IsFresh, TimeSpan.FromSeconds(60), "the snapshot is read");
        using var open = await gateway.SendAsync("POST", "/api/reservations", Tokens.For("mina"));
        Assert.Equal(200, (int)open.StatusCode);
    }

    [Fact]
    public async Task Key_Unknown_ReadsASnapshotAtMostOnceASecond()
    {
        using var key = System.Security.Cryptography.ECDsa.Create(System.Security.Cryptography.ECCurve.NamedCurves.nistP256);
        var token = QueueTokens.Pass("mina", header: header => header["kid"] = "p2",
            sign: content => key.SignData(content, System.Security.Cryptography.HashAlgorithmName.SHA256));
        var snapshot = QueueTokens.Snapshot(_time.GetUtcNow());
        _upstream.Snapshot =
            snapshot with
            {
                Keys = [.. snapshot.Keys,
            new("p2", QueueTokenKind.Pass, Convert.ToBase64String(key.ExportSubjectPublicKeyInfo()), _time.GetUtcNow().AddHours(1))]
            };
        _time.Advance(TimeSpan.FromSeconds(1.5));
        var before = _upstream.SnapshotReads;

        using var known = await BookAsync(token);
        Assert.Equal(200, (int)known.StatusCode);
        Assert.Equal(before + 1, _upstream.SnapshotReads);
        for (var i = 0; i < 5; i++)
        {
            using var unknown = await BookAsync(QueueTokens.Pass("mina", header: header => header["kid"] = "p3"));
            await Problem.IsAsync(unknown, 401, "QUEUE_TOKEN_INVALID");
        }
        Assert.Equal(before + 1, _upstream.SnapshotReads);
        // A withdrawn key invalidates its tokens, even cached ones.
        _upstream.Snapshot = snapshot;
        await AdvanceUntilAsync(() => _gateway.Rooms.FindKey("p2") is null, TimeSpan.FromSeconds(32));
        using var withdrawn = await BookAsync(token);
        await Problem.IsAsync(withdrawn, 401, "QUEUE_TOKEN_INVALID");
    }

    [Fact]
    public async Task Bus_OfTheGateway_DeliversProgressAndRevocations()
    {
        await using var gateway = await GatewayHost.StartWithAsync(_upstream.Address,
            builder => builder.AddMessaging(bus => bus.AddGatewayListeners()),
            "--Messaging:Transport=InMemory");
        var bus = gateway.Services.GetRequiredService<IBusControl>();
        await bus.WaitForHealthStatus(BusHealthStatus.Healthy, TimeSpan.FromSeconds(60));
        var tokenId = Guid.CreateVersion7();

        await bus.Publish(QueueTokens.Room(sequence: 3, serving: 12));
        await bus.Publish(new QueueTokenRevoked(1, 4, tokenId, QueueTokens.Now.AddMinutes(10)));

        await Eventually.TrueAsync(() => gateway.Rooms.Find(1)!.Serving == 12
            && gateway.Rooms.IsRevoked(tokenId), TimeSpan.FromSeconds(60), "both messages are applied");
    }

    private Task<HttpResponseMessage> PollAsync(string token) =>
        _gateway.SendAsync("GET", Path, Tokens.For("mina"), null, ("X-Queue-Token", token));

    private Task<HttpResponseMessage> BookAsync(string? token = null) =>
        _gateway.SendAsync("POST", "/api/reservations", Tokens.For("mina"), new StringContent("{}"),
            ("X-Queue-Token", token ?? QueueTokens.Pass("mina")));

    // Advances the fake time in small steps, so that the gateway's timers can react.
    private async Task AdvanceUntilAsync(Func<bool> condition, TimeSpan maxTime)
    {
        var end = _time.GetUtcNow() + maxTime;
        await Eventually.TrueAsync(() =>
        {
            if (!condition() && _time.GetUtcNow() < end)
                _time.Advance(TimeSpan.FromMilliseconds(100));
            return condition();
        }, TimeSpan.FromSeconds(60), $"it holds within {maxTime.TotalSeconds} s of the gateway's time");
    }
}
