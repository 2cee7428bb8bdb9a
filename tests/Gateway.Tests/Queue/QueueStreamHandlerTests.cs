using System.Diagnostics;
using System.Text.Json;
using ConcertSaga.Contracts.Queue;
using ConcertSaga.Gateway.Tests.Hosts;
using ConcertSaga.Testing;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace ConcertSaga.Gateway.Tests.Queue;

/// <summary>Reads the event stream of a queue entry.</summary>
public sealed class QueueStreamHandlerTests : IClassFixture<GatewayFixture>
{
    private const string Path = "/api/queue/tokens/current/events";

    // Each test uses its own concert, because the gateway keeps the progress of each.
    private static int _concerts = 1000;

    private readonly GatewayHost _gateway;
    private readonly UpstreamStub _upstream;
    private readonly int _concertId = Interlocked.Increment(ref _concerts);
    private long _sequence;

    public QueueStreamHandlerTests(GatewayFixture fixture)
    {
        _gateway = fixture.Gateway;
        _upstream = fixture.Upstream;
        _upstream.Reset();
        Advance(2);
    }

    [Fact]
    public async Task Stream_FromWaitingToPayment_SendsEachChange()
    {
        var tokenId = Guid.CreateVersion7();
        var pass = QueueTokens.Pass("mina", _concertId, tokenId);
        _upstream.Answer = context =>
            context.Response.WriteAsJsonAsync(QueueTokenView.Active(pass, tokenId, _concertId, QueueTokens.Now.AddMinutes(10),
            QueueAdmission.Open));
        await using var stream = await OpenAsync(QueueTokens.Waiting("mina", 12, _concertId, tokenId));

        await IsAsync(stream, "position", "Waiting", 10);
        Advance(7);
        await IsAsync(stream, "position", "Waiting", 5);
        Assert.Empty(_upstream.Requests);
        Advance(12);
        var active = await IsAsync(stream, "active", "Active", 0);
        Assert.Equal(pass, active.GetProperty("token").GetString());
        var claim = Assert.Single(_upstream.Requests);
        Assert.Equal(("/queue/api/queue/tokens/current", "mina", tokenId.ToString(), $"{_concertId}"),
            (claim.Target, claim.Headers["X-User-Id"].Single(),
            claim.Headers["X-Queue-Token-Id"].Single(), claim.Headers["X-Queue-Concert-Id"].Single()));

        var watch = Stopwatch.StartNew();
        _gateway.Rooms.Apply(new QueueTokenRevoked(_concertId, ++_sequence, tokenId, QueueTokens.Now.AddMinutes(20)));
        await IsAsync(stream, "completed", "Completed", 0);
        // Ticks are a second apart; a busy machine is late.
        Assert.InRange(watch.Elapsed.TotalSeconds, 0, 5);
        Assert.Null(await stream.NextAsync());
    }

    [Theory]
    [InlineData(false, true, "left", "Left")]
    [InlineData(false, false, "completed", "Completed")]
    [InlineData(true, true, "left", "Left")]
    [InlineData(true, false, "completed", "Completed")]
    public async Task Token_ThatEnds_SendsTheKindOfEnd(bool isPass, bool left, string name, string status)
    {
        var tokenId = Guid.CreateVersion7();
        await using var stream = await OpenAsync(isPass ? QueueTokens.Pass("mina", _concertId, tokenId)
            : QueueTokens.Waiting("mina", 12, _concertId, tokenId));
        await stream.NextAsync();

        _gateway.Rooms.Apply(new QueueTokenRevoked(_concertId, ++_sequence, tokenId, QueueTokens.Now.AddMinutes(20), left));

        await IsAsync(stream, name, status, 0);
        Assert.Null(await stream.NextAsync());
    }

    [Fact]
    public async Task Offer_OfACustomerWhoLeft_EndsAsLeftAlthoughQueueAnswersFirst()
    {
        var tokenId = Guid.CreateVersion7();
        _upstream.Answer = context =>
        {
            // The gateway applies the revocation before it reads the answer of Queue.
            _gateway.Rooms.Apply(new QueueTokenRevoked(_concertId, ++_sequence, tokenId, QueueTokens.Now.AddMinutes(20), Left: true));
            context.Response.StatusCode = 410;
            return context.Response.WriteAsJsonAsync(new { code = "QUEUE_TOKEN_REVOKED" }, (JsonSerializerOptions?)null,
                "application/problem+json");
        };
        await using var stream = await OpenAsync(QueueTokens.Waiting("mina", 1, _concertId, tokenId));

        await IsAsync(stream, "left", "Left", 0);
        Assert.Null(await stream.NextAsync());
    }

    [Theory]
    [InlineData(410, "QUEUE_TOKEN_EXPIRED", "expired", "Expired")]
    [InlineData(410, "QUEUE_TOKEN_REVOKED", "completed", "Completed")]
    // The entry was erased.
    [InlineData(401, "QUEUE_TOKEN_INVALID", "completed", "Completed")]
    public async Task Offer_RefusedByQueue_EndsTheStream(int answer, string code, string name, string status)
    {
        _upstream.Answer = context =>
        {
            context.Response.StatusCode = answer;
            return context.Response.WriteAsJsonAsync(new { code }, (JsonSerializerOptions?)null, "application/problem+json");
        };
        await using var stream = await OpenAsync(QueueTokens.Waiting("mina", 1, _concertId));

        await IsAsync(stream, name, status, 0);
        Assert.Null(await stream.NextAsync());
    }

    [Fact]
    public async Task Claim_FailingInQueue_IsRetried()
    {
        var pass = QueueTokens.Pass("mina", _concertId);
        _upstream.Answer = context => { context.Response.StatusCode = 503; return Task.CompletedTask; };
        await using var stream = await OpenAsync(QueueTokens.Waiting("mina", 1, _concertId));
        await Eventually.TrueAsync(() => _upstream.Requests.Length > 0, TimeSpan.FromSeconds(60), "the gateway claims the pass");

        _upstream.Answer = context =>
            context.Response.WriteAsJsonAsync(QueueTokenView.Active(pass, Guid.CreateVersion7(), _concertId, QueueTokens.Now.AddMinutes(10),
            QueueAdmission.Open));

        await IsAsync(stream, "active", "Active", 0);
    }

    [Fact]
    public async Task Pass_ThatExpires_EndsTheStream()
    {
        // Expires in two seconds, including the clock tolerance.
        await using var stream = await OpenAsync(QueueTokens.Pass("mina", _concertId, now: QueueTokens.Now.AddSeconds(-608)));

        await IsAsync(stream, "active", "Active", 0);
        await IsAsync(stream, "expired", "Expired", 0);
        Assert.Null(await stream.NextAsync());
    }

    [Fact]
    public async Task Token_Refused_IsAProblemInsteadOfAStream()
    {
        using var foreign = await _gateway.SendAsync("GET", Path, Tokens.For("mina"), null,
            ("X-Queue-Token", QueueTokens.Waiting("tom", 9, _concertId)));
        await Problem.IsAsync(foreign, 403, "QUEUE_TOKEN_NOT_YOURS");
        using var over = await _gateway.SendAsync("GET", Path, Tokens.For("mina"), null,
            ("X-Queue-Token", QueueTokens.Pass("mina", _concertId, now: QueueTokens.Now.AddSeconds(-700))));
        await Problem.IsAsync(over, 410, "QUEUE_TOKEN_EXPIRED");
    }

    [Fact]
    public async Task Stream_LongerThanTheRequestTimeout_Continues()
    {
        await using var gateway = await GatewayHost.StartAsync(_upstream.Address, null, "--Limits:RequestTimeout=00:00:01");
        gateway.Rooms.Apply(QueueTokens.Room(_concertId, 1, 2));
        await using var stream = await EventReader.OpenAsync(
            gateway.SendAsync("GET", Path, Tokens.For("mina"), null, ("X-Queue-Token", QueueTokens.Waiting("mina", 12, _concertId))));
        await stream.NextAsync();

        // A request to a silent service times out, which proves that the timeout has passed.
        _upstream.Answer = context => Task.Delay(Timeout.Infinite, context.RequestAborted);
        using var cut = await gateway.SendAsync("GET", "/api/points", Tokens.For("mina"));
        Assert.Equal(503, (int)cut.StatusCode);
        gateway.Rooms.Apply(QueueTokens.Room(_concertId, 2, 5));

        await IsAsync(stream, "position", "Waiting", 7);
    }

    [Fact]
    public async Task Tokens_InTheAddress_OpenStreamsAndAreNeverLogged()
    {
        var (access, queue) = (Tokens.For("mina"), QueueTokens.Waiting("mina", 1, _concertId));
        var logged = new List<string>();
        var traced = new List<string>();
        using var listener = new ActivityListener
        {
            ShouldListenTo = _ => true,
            Sample = (ref _) => ActivitySamplingResult.AllDataAndRecorded
        };
        listener.ActivityStopped = activity =>
            { lock (traced) traced.AddRange(activity.TagObjects.Select(tag => $"{tag.Key}={tag.Value}")); };
        ActivitySource.AddActivityListener(listener);
        await using var gateway = await GatewayHost.StartWithAsync(_upstream.Address,
            builder => builder.Logging.AddProvider(new TextLogger(logged)), "--Logging:LogLevel:Default=Trace",
            "--Logging:LogLevel:Microsoft.AspNetCore.Hosting=Trace");
        gateway.Rooms.Apply(QueueTokens.Room(_concertId, 1, 2));
        var pass = QueueTokens.Pass("mina", _concertId);
        _upstream.Answer = context =>
            context.Response.WriteAsJsonAsync(QueueTokenView.Active(pass, Guid.CreateVersion7(), _concertId, QueueTokens.Now.AddMinutes(10),
            QueueAdmission.Open));

        await using (var stream = await EventReader.OpenAsync(
            gateway.Client.GetAsync($"{Path}?access_token={access}&queue_token={queue}&x=1", HttpCompletionOption.ResponseHeadersRead)))
            await IsAsync(stream, "active", "Active", 0);
        using var elsewhere = await gateway.Client.GetAsync($"/api/points?access_token={access}");
        await Problem.IsAsync(elsewhere, 401, "UNAUTHENTICATED");
        using var bad = await gateway.Client.GetAsync($"{Path}?access_token=bad&queue_token={queue}");
        await Problem.IsAsync(bad, 401, "UNAUTHENTICATED");

        var secrets = new[] { queue, access };
        Assert.All(_upstream.Requests, seen => Assert.DoesNotContain("token=", seen.Target, StringComparison.Ordinal));
        lock (traced)
            Assert.DoesNotContain(traced, line => secrets.Any(secret => line.Contains(secret, StringComparison.Ordinal)));
        lock (logged)
        {
            Assert.NotEmpty(logged);
            Assert.DoesNotContain(logged.Where(line => !line.Contains("/api/points", StringComparison.Ordinal)),
                line => secrets.Any(secret => line.Contains(secret, StringComparison.Ordinal)));
        }
    }

    private void Advance(long serving) => _gateway.Rooms.Apply(QueueTokens.Room(_concertId, ++_sequence, serving));

    private Task<EventReader> OpenAsync(string token) =>
        EventReader.OpenAsync(_gateway.SendAsync("GET", Path, Tokens.For("mina"), null, ("X-Queue-Token", token)));

    private static async Task<JsonElement> IsAsync(EventReader stream, string name, string status, long position)
    {
        var next = await stream.NextAsync();
        Assert.Equal(name, next?.Name);
        var view = JsonDocument.Parse(next!.Data).RootElement;
        Assert.Equal((status, position), (view.GetProperty("status").GetString(), view.GetProperty("position").GetInt64()));
        return view;
    }

    private sealed class TextLogger(List<string> lines) : ILoggerProvider, ILogger
    {
        public ILogger CreateLogger(string categoryName) => this;

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception,
            Func<TState, Exception?, string> formatter)
        {
            lock (lines)
                lines.Add(formatter(state, exception));
        }

        public void Dispose()
        {
        }
    }
}
