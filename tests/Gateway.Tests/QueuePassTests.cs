using System.Diagnostics.Metrics;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using ConcertSaga.Gateway.Tests.Hosts;

namespace ConcertSaga.Gateway.Tests;

/// <summary>Nobody slips through: every way a queue token can be wrong, with its status and code.</summary>
public sealed class QueuePassTests : IClassFixture<GatewayFixture>
{
    private const string Reservation = "/api/reservations/0197b1d0-0000-7000-8000-000000000001/payment";

    private readonly GatewayHost _gateway;
    private readonly Upstream _upstream;

    public QueuePassTests(GatewayFixture fixture)
    {
        (_gateway, _upstream) = (fixture.Gateway, fixture.Upstream);
        _upstream.Forget();
    }

    public static TheoryData<string, string> MarkedRoutes => new()
    {
        { "GET", "/api/concerts/1/schedules" },
        { "GET", "/api/schedules/1/seats" },
        { "GET", "/api/schedules/1/seats/events" },
        { "POST", "/api/reservations" },
        { "POST", Reservation }
    };

    /// <summary>The name of a bad token, what the metrics say of it, and the token.</summary>
    public static TheoryData<string, string, string> InvalidTokens
    {
        get
        {
            var now = QueueTokens.Now.ToUnixTimeSeconds();
            var good = QueueTokens.Pass("mina");
            var parts = good.Split('.');
            var publicKey = QueueTokens.PassKey.ExportSubjectPublicKeyInfo();
            using var other = ECDsa.Create(ECCurve.NamedCurves.nistP256);
            byte[] SignOther(byte[] content) => other.SignData(content, HashAlgorithmName.SHA256);
            return new()
            {
                { "nonsense", "malformed", "nonsense" },
                { "two parts", "malformed", $"{parts[0]}.{parts[1]}" },
                { "four parts", "malformed", $"{good}.x" },
                { "empty parts", "malformed", ".." },
                { "header is no JSON", "malformed", $"AAAA.{parts[1]}.{parts[2]}" },
                { "with a space", "malformed", $"{parts[0]} .{parts[1]}.{parts[2]}" },
                { "with padding", "malformed", $"{good}==" },
                { "oversized", "oversized", $"{good}{new string('A', 2048)}" },
                { "altered claims", "signature", $"{parts[0]}.{QueueTokens.Pass("mina", 2).Split('.')[1]}.{parts[2]}" },
                { "altered signature", "signature", $"{parts[0]}.{parts[1]}.{QueueTokens.Pass("mina").Split('.')[2]}" },
                { "no signature", "signature", $"{parts[0]}.{parts[1]}." },
                { "signature of zeros", "signature", QueueTokens.Pass("mina", sign: _ => new byte[64]) },
                { "other key", "signature", QueueTokens.Pass("mina", sign: SignOther) },
                { "unknown key", "unknown_key", QueueTokens.Pass("mina", header: header => header["kid"] = "p9", sign: SignOther) },
                { "no key named", "malformed", QueueTokens.Pass("mina", header: header => header.Remove("kid")) },
                { "alg none", "algorithm", QueueTokens.Pass("mina", header: header => header["alg"] = "none", sign: _ => []) },
                { "alg NONE", "algorithm", QueueTokens.Pass("mina", header: header => header["alg"] = "NONE") },
                { "alg ES384", "algorithm", QueueTokens.Pass("mina", header: header => header["alg"] = "ES384") },
                { "HS256 with the public key as secret", "algorithm", QueueTokens.Pass("mina", header: header => header["alg"] = "HS256", sign: content => HMACSHA256.HashData(publicKey, content)) },
                { "pass signed with the waiting key", "algorithm", QueueTokens.Pass("mina", header: header => { header["alg"] = "ES256"; header["kid"] = QueueTokens.WaitingKid; }, sign: content => HMACSHA256.HashData(QueueTokens.WaitingKey, content)) },
                { "pass under the waiting key's name", "type", QueueTokens.Pass("mina", header: header => { header["alg"] = "HS256"; header["kid"] = QueueTokens.WaitingKid; }, sign: content => HMACSHA256.HashData(QueueTokens.WaitingKey, content)) },
                { "waiting claims in a pass's type", "audience", QueueTokens.Waiting("mina", 1, header: header => { header["alg"] = "ES256"; header["kid"] = QueueTokens.PassKid; header["typ"] = "pass+jwt"; }, sign: QueueTokens.SignPass) },
                { "typ of a bearer token", "type", QueueTokens.Pass("mina", header: header => header["typ"] = "JWT") },
                { "typ of the other kind", "type", QueueTokens.Pass("mina", header: header => header["typ"] = "waiting+jwt") },
                { "crit", "malformed", QueueTokens.Pass("mina", header: header => header["crit"] = new JsonArray("b64")) },
                { "other audience", "audience", QueueTokens.Pass("mina", change: claims => claims["aud"] = "concertsaga:waiting") },
                { "audiences in a list", "claims", QueueTokens.Pass("mina", change: claims => claims["aud"] = new JsonArray("concertsaga:pass")) },
                { "other issuer", "issuer", QueueTokens.Pass("mina", change: claims => claims["iss"] = "somebody") },
                { "not yet valid", "not_yet_valid", QueueTokens.Pass("mina", change: claims => claims["nbf"] = now + 60) },
                { "issued in the future", "not_yet_valid", QueueTokens.Pass("mina", change: claims => claims["iat"] = now + 60) },
                { "no end", "claims", QueueTokens.Pass("mina", change: claims => claims.Remove("exp")) },
                { "end is a text", "claims", QueueTokens.Pass("mina", change: claims => claims["exp"] = "tomorrow") },
                { "end beyond the calendar", "claims", QueueTokens.Pass("mina", change: claims => claims["exp"] = long.MaxValue) },
                { "no booking time", "claims", QueueTokens.Pass("mina", change: claims => claims.Remove("bookUntil")) },
                { "no user", "claims", QueueTokens.Pass("mina", change: claims => claims.Remove("sub")) },
                { "user is a list", "claims", QueueTokens.Pass("mina", change: claims => claims["sub"] = new JsonArray("mina")) },
                { "no concert", "claims", QueueTokens.Pass("mina", change: claims => claims.Remove("concert")) },
                { "no id", "claims", QueueTokens.Pass("mina", change: claims => claims.Remove("jti")) },
                { "bearer token", "unknown_key", Tokens.Make(claims => claims["sub"] = "mina", """{"alg":"HS256","typ":"JWT","kid":"x"}""") }
            };
        }
    }

    // Made by the process that runs the tests: the keys are its own.
    [Theory, MemberData(nameof(InvalidTokens), DisableDiscoveryEnumeration = true)]
    public async Task Token_Invalid_Is401WithoutAChallengeAndReachesNothing(string what, string reason, string token)
    {
        using var refusals = new Refusals();

        using var response = await SendAsync("POST", "/api/reservations", token);

        await Problem.IsAsync(response, 401, "QUEUE_TOKEN_INVALID");
        Assert.Empty(response.Headers.WwwAuthenticate);
        Assert.True(_upstream.Seen.Length == 0, what);
        Assert.Contains(("QUEUE_TOKEN_INVALID", reason), refusals.Seen);
    }

    [Theory, MemberData(nameof(MarkedRoutes))]
    public async Task Token_Missing_Is400OnEveryMarkedRoute(string method, string path)
    {
        using var response = await SendAsync(method, path, "");

        await Problem.IsAsync(response, 400, "QUEUE_TOKEN_MISSING");
        Assert.Empty(_upstream.Seen);
    }

    [Theory, MemberData(nameof(MarkedRoutes))]
    public async Task Token_StillWaiting_Is403OnEveryMarkedRoute(string method, string path)
    {
        using var response = await SendAsync(method, path, QueueTokens.Waiting("mina", 1));

        await Problem.IsAsync(response, 403, "QUEUE_TOKEN_NOT_ACTIVE");
        Assert.Empty(_upstream.Seen);
    }

    [Theory, MemberData(nameof(MarkedRoutes))]
    public async Task Token_OfAnotherUser_Is403OnEveryMarkedRoute(string method, string path)
    {
        using var response = await SendAsync(method, path, QueueTokens.Pass("tom"));

        await Problem.IsAsync(response, 403, "QUEUE_TOKEN_NOT_YOURS");
        Assert.Empty(_upstream.Seen);
    }

    [Theory, MemberData(nameof(MarkedRoutes))]
    public async Task Token_Expired_Is410OnEveryMarkedRoute(string method, string path)
    {
        using var response = await SendAsync(method, path, QueueTokens.Pass("mina", now: QueueTokens.Now.AddHours(-1)));

        await Problem.IsAsync(response, 410, "QUEUE_TOKEN_EXPIRED");
        Assert.Empty(_upstream.Seen);
    }

    [Theory]
    [InlineData("POST", "/api/reservations", 410)]
    [InlineData("POST", Reservation, 200)]
    public async Task Token_AfterItsBookingTime_OpensPaymentOnly(string method, string path, int status)
    {
        using var response = await SendAsync(method, path, QueueTokens.Pass("mina", now: QueueTokens.Now.AddSeconds(-610)));

        Assert.Equal(status, (int)response.StatusCode);
    }

    [Theory]
    [InlineData(-600, 200)]
    [InlineData(-607, 410)]
    public async Task Token_JustOver_IsToleratedForTheClocksOfTwoProcesses(int issued, int status)
    {
        using var response = await SendAsync("POST", "/api/reservations", QueueTokens.Pass("mina", now: QueueTokens.Now.AddSeconds(issued)));

        Assert.Equal(status, (int)response.StatusCode);
    }

    [Theory]
    [InlineData("/api/concerts/1/schedules")]
    [InlineData("/api/schedules/1/seats")]
    [InlineData("/api/schedules/1/seats/events")]
    public async Task Token_OfAnotherConcert_Is403AndReachesNothing(string path)
    {
        using var response = await SendAsync("GET", path, QueueTokens.Pass("mina", 2));

        await Problem.IsAsync(response, 403, "QUEUE_TOKEN_WRONG_CONCERT");
        Assert.Empty(_upstream.Seen);
    }

    [Fact]
    public async Task Date_SeatsDoesNotExplain_IsLeftToSeats()
    {
        _upstream.ConcertOf = _ => null;
        _upstream.Answer = context => { context.Response.StatusCode = 404; return Task.CompletedTask; };

        using var response = await SendAsync("GET", "/api/schedules/777/seats", QueueTokens.Pass("mina", 2));

        Assert.Equal(404, (int)response.StatusCode);
        Assert.Equal("2", Assert.Single(_upstream.Seen).Headers["X-Queue-Concert-Id"].Single());
    }

    [Fact]
    public async Task Token_Good_NamesItselfToTheService()
    {
        var tokenId = Guid.CreateVersion7();

        using var response = await _gateway.SendAsync("POST", "/api/reservations", Tokens.For("mina"), null,
            ("X-Queue-Token", QueueTokens.Pass("mina", tokenId: tokenId)), ("X-Queue-Token-Id", Guid.CreateVersion7().ToString()), ("X-Queue-Concert-Id", "9"));

        Assert.Equal(200, (int)response.StatusCode);
        var seen = Assert.Single(_upstream.Seen);
        Assert.Equal(tokenId.ToString(), Assert.Single(seen.Headers["X-Queue-Token-Id"]));
        Assert.Equal("1", Assert.Single(seen.Headers["X-Queue-Concert-Id"]));
        Assert.False(seen.Headers.ContainsKey("X-Queue-Token"));
    }

    [Fact]
    public async Task Token_SentTwice_IsInvalid()
    {
        var token = QueueTokens.Pass("mina");

        using var response = await _gateway.SendAsync("POST", "/api/reservations", Tokens.For("mina"), null, ("X-Queue-Token", token), ("X-Queue-Token", token));

        await Problem.IsAsync(response, 401, "QUEUE_TOKEN_INVALID");
    }

    [Fact]
    public async Task Token_RevokedAfterItWasUsed_Is410AtOnce()
    {
        var (tokenId, user) = (Guid.CreateVersion7(), "mina");
        var token = QueueTokens.Pass(user, tokenId: tokenId);
        using var before = await SendAsync("POST", "/api/reservations", token);
        Assert.Equal(200, (int)before.StatusCode);

        _gateway.Room.Apply(new Contracts.Queue.QueueTokenRevoked(1, 3, tokenId, QueueTokens.Now.AddMinutes(16)));

        foreach (var (method, path) in new[] { ("POST", "/api/reservations"), ("POST", Reservation), ("GET", "/api/queue/tokens/current"), ("DELETE", "/api/queue/tokens/current") })
        {
            using var after = await SendAsync(method, path, token);
            await Problem.IsAsync(after, 410, "QUEUE_TOKEN_REVOKED");
        }
    }

    [Theory]
    [InlineData("GET", "/api/points")]
    [InlineData("GET", "/api/reservations")]
    [InlineData("GET", "/api/concerts")]
    [InlineData("POST", "/api/queue/tokens")]
    public async Task Route_NotMarked_NeedsNoToken(string method, string path)
    {
        using var response = await SendAsync(method, path, "");

        Assert.Equal(200, (int)response.StatusCode);
    }

    [Theory]
    [InlineData("GET", "/ops/api/queue/concerts/1", "queue")]
    [InlineData("PUT", "/ops/api/queue/concerts/1", "queue")]
    [InlineData("GET", "/ops/api/deliveries", "dataplatform")]
    [InlineData("GET", "/ops/api/deliveries?status=Dead", "dataplatform")]
    [InlineData("POST", "/ops/api/deliveries/send-again", "dataplatform")]
    [InlineData("POST", "/ops/api/deliveries/destination/resume", "dataplatform")]
    public async Task Operators_WithoutTheRole_AreRefused(string method, string path, string service)
    {
        using var response = await _gateway.SendAsync(method, path, Tokens.For("mina", "fan"));
        await Problem.IsAsync(response, 403, "FORBIDDEN");
        using var nobody = await _gateway.SendAsync(method, path);
        await Problem.IsAsync(nobody, 401, "UNAUTHENTICATED");
        Assert.Empty(_upstream.Seen);

        using var operators = await _gateway.SendAsync(method, path, Tokens.For("olga", "ops"));
        Assert.Equal(200, (int)operators.StatusCode);
        Assert.Equal($"/{service}{path}", Assert.Single(_upstream.Seen).Target);
    }

    private Task<HttpResponseMessage> SendAsync(string method, string path, string queueToken) =>
        _gateway.SendAsync(method, path, Tokens.For("mina"), null, ("X-Queue-Token", queueToken));

    /// <summary>What the refusal counter counted.</summary>
    private sealed class Refusals : IDisposable
    {
        private readonly MeterListener _listener = new();

        public Refusals()
        {
            _listener.InstrumentPublished = (instrument, listener) =>
            {
                if (instrument.Name == "concertsaga.gateway.refusals")
                    listener.EnableMeasurementEvents(instrument);
            };
            _listener.SetMeasurementEventCallback<long>((_, _, tags, _) =>
            {
                var values = tags.ToArray().ToDictionary(tag => tag.Key, tag => tag.Value as string);
                lock (Seen)
                    Seen.Add((values["code"], values["reason"]));
            });
            _listener.Start();
        }

        public List<(string?, string?)> Seen { get; } = [];

        public void Dispose() => _listener.Dispose();
    }
}
