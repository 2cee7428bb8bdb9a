using System.Security.Cryptography;
using System.Text.Json.Nodes;
using ConcertSaga.Gateway.Queue;
using ConcertSaga.Gateway.Tests.Hosts;

namespace ConcertSaga.Gateway.Tests.Queue;

/// <summary>Presents queue tokens that are wrong in every possible way, and checks status, code and metrics.</summary>
public sealed class QueueTokenCheckTests : IClassFixture<GatewayFixture>
{
    private const string Reservation = "/api/reservations/0197b1d0-0000-7000-8000-000000000001/payment";

    private readonly GatewayHost _gateway;
    private readonly UpstreamStub _upstream;

    public QueueTokenCheckTests(GatewayFixture fixture)
    {
        _gateway = fixture.Gateway;
        _upstream = fixture.Upstream;
        _upstream.Reset();
    }

    public static TheoryData<string, string> MarkedRoutes => new()
    {
        { "GET", "/api/concerts/1/schedules" },
        { "GET", "/api/schedules/1/seats" },
        { "GET", "/api/schedules/1/seats/events" }
    };

    /// <summary>The name of an invalid token, its reason in the metrics, and the token.</summary>
    public static TheoryData<string, string, string> InvalidTokens
    {
        get
        {
            var now = QueueTokens.Now.ToUnixTimeSeconds();
            var valid = QueueTokens.Pass("mina");
            var parts = valid.Split('.');
            var publicKey = QueueTokens.PassKey.ExportSubjectPublicKeyInfo();
            using var other = ECDsa.Create(ECCurve.NamedCurves.nistP256);
            byte[] SignOther(byte[] content) => other.SignData(content, HashAlgorithmName.SHA256);
            return new()
            {
                { "nonsense", "malformed", "nonsense" },
                { "two parts", "malformed", $"{parts[0]}.{parts[1]}" },
                { "four parts", "malformed", $"{valid}.x" },
                { "empty parts", "malformed", ".." },
                { "header is no JSON", "malformed", $"AAAA.{parts[1]}.{parts[2]}" },
                { "with a space", "malformed", $"{parts[0]} .{parts[1]}.{parts[2]}" },
                { "with padding", "malformed", $"{valid}==" },
                { "oversized", "oversized", $"{valid}{new string('A', 2048)}" },
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
                { "HS256 with the public key as secret", "algorithm",
                    QueueTokens.Pass("mina", header: header => header["alg"] = "HS256",
                    sign: content => HMACSHA256.HashData(publicKey, content)) },
                { "pass signed with the waiting key", "algorithm",
                    QueueTokens.Pass("mina", header: header => { header["alg"] = "ES256"; header["kid"] = QueueTokens.WaitingKid; },
                    sign: content => HMACSHA256.HashData(QueueTokens.WaitingKey, content)) },
                { "pass under the waiting key's name", "type",
                    QueueTokens.Pass("mina", header: header => { header["alg"] = "HS256"; header["kid"] = QueueTokens.WaitingKid; },
                    sign: content => HMACSHA256.HashData(QueueTokens.WaitingKey, content)) },
                { "waiting claims in a pass's type", "audience",
                    QueueTokens.Waiting("mina", 1, header: header =>
                    { header["alg"] = "ES256"; header["kid"] = QueueTokens.PassKid; header["typ"] = "pass+jwt"; },
                    sign: QueueTokens.SignPass) },
                { "typ of a bearer token", "type", QueueTokens.Pass("mina", header: header => header["typ"] = "JWT") },
                { "typ of the other kind", "type", QueueTokens.Pass("mina", header: header => header["typ"] = "waiting+jwt") },
                { "crit", "malformed", QueueTokens.Pass("mina", header: header => header["crit"] = new JsonArray("b64")) },
                { "other audience", "audience", QueueTokens.Pass("mina", change: claims => claims["aud"] = "concertsaga:waiting") },
                { "audiences in a list", "claims", QueueTokens.Pass("mina",
                    change: claims => claims["aud"] = new JsonArray("concertsaga:pass")) },
                { "other issuer", "issuer", QueueTokens.Pass("mina", change: claims => claims["iss"] = "another") },
                { "not yet valid", "not_yet_valid", QueueTokens.Pass("mina", change: claims => claims["nbf"] = now + 60) },
                { "issued in the future", "not_yet_valid", QueueTokens.Pass("mina", change: claims => claims["iat"] = now + 60) },
                { "no end", "claims", QueueTokens.Pass("mina", change: claims => claims.Remove("exp")) },
                { "end as text", "claims", QueueTokens.Pass("mina", change: claims => claims["exp"] = "tomorrow") },
                { "end out of range", "claims", QueueTokens.Pass("mina", change: claims => claims["exp"] = long.MaxValue) },
                { "no booking time", "claims", QueueTokens.Pass("mina", change: claims => claims.Remove("bookUntil")) },
                { "no user", "claims", QueueTokens.Pass("mina", change: claims => claims.Remove("sub")) },
                { "user is a list", "claims", QueueTokens.Pass("mina", change: claims => claims["sub"] = new JsonArray("mina")) },
                { "no concert", "claims", QueueTokens.Pass("mina", change: claims => claims.Remove("concert")) },
                { "no id", "claims", QueueTokens.Pass("mina", change: claims => claims.Remove("jti")) },
                { "bearer token", "unknown_key", Tokens.Make(claims => claims["sub"] = "mina",
                    """{"alg":"HS256","typ":"JWT","kid":"x"}""") }
            };
        }
    }

    // Not enumerated at discovery, because each process creates its own keys.
    [Theory, MemberData(nameof(InvalidTokens), DisableDiscoveryEnumeration = true)]
    public async Task Token_Invalid_Is401WithoutAChallenge(string what, string reason, string token)
    {
        using var refusals = new RefusalRecorder();

        using var response = await SendAsync("POST", "/api/reservations", token);

        await Problem.IsAsync(response, 401, "QUEUE_TOKEN_INVALID");
        Assert.Empty(response.Headers.WwwAuthenticate);
        Assert.True(_upstream.Requests.Length == 0, what);
        Assert.Contains(("QUEUE_TOKEN_INVALID", reason), refusals.Seen);
    }

    [Theory, MemberData(nameof(MarkedRoutes))]
    public async Task Token_Missing_Is400OnEveryMarkedRoute(string method, string path)
    {
        using var response = await SendAsync(method, path, "");

        await Problem.IsAsync(response, 400, "QUEUE_TOKEN_MISSING");
        Assert.Empty(_upstream.Requests);
    }

    [Theory, MemberData(nameof(MarkedRoutes))]
    public async Task Token_ThatWaits_Is403OnEveryMarkedRoute(string method, string path)
    {
        using var response = await SendAsync(method, path, QueueTokens.Waiting("mina", 1));

        await Problem.IsAsync(response, 403, "QUEUE_TOKEN_NOT_ACTIVE");
        Assert.Empty(_upstream.Requests);
    }

    [Theory, MemberData(nameof(MarkedRoutes))]
    public async Task Token_OfAnotherUser_Is403OnEveryMarkedRoute(string method, string path)
    {
        using var response = await SendAsync(method, path, QueueTokens.Pass("tom"));

        await Problem.IsAsync(response, 403, "QUEUE_TOKEN_NOT_YOURS");
        Assert.Empty(_upstream.Requests);
    }

    [Theory, MemberData(nameof(MarkedRoutes))]
    public async Task Token_Expired_Is410OnEveryMarkedRoute(string method, string path)
    {
        using var response = await SendAsync(method, path, QueueTokens.Pass("mina", now: QueueTokens.Now.AddHours(-1)));

        await Problem.IsAsync(response, 410, "QUEUE_TOKEN_EXPIRED");
        Assert.Empty(_upstream.Requests);
    }

    [Theory]
    [InlineData("GET", "/api/concerts/1/schedules", 410)]
    [InlineData("POST", Reservation, 200)]
    public async Task Pass_AfterItsBookingTime_OpensPaymentOnly(string method, string path, int status)
    {
        using var response = await SendAsync(method, path, QueueTokens.Pass("mina", now: QueueTokens.Now.AddSeconds(-615)));

        Assert.Equal(status, (int)response.StatusCode);
    }

    [Theory]
    [InlineData(-600, 200)]
    [InlineData(-612, 410)]
    public async Task Token_JustExpired_IsValidWithinTheClockTolerance(int issued, int status)
    {
        using var response = await SendAsync("GET", "/api/concerts/1/schedules",
            QueueTokens.Pass("mina", now: QueueTokens.Now.AddSeconds(issued)));

        Assert.Equal(status, (int)response.StatusCode);
    }

    public static TheoryData<bool, string, int, bool> Starts
    {
        get
        {
            var starts = new TheoryData<bool, string, int, bool>();
            foreach (var isPass in new[] { false, true })
            {
                foreach (var claim in new[] { "nbf", "iat" })
                {
                    foreach (var (ahead, isValid) in new[] { (0, true), (6, true), (10, true), (11, false), (3600, false) })
                        starts.Add(isPass, claim, ahead, isValid);
                }
            }
            return starts;
        }
    }

    /// <summary>The gateway accepts a new token while the clock of Queue is up to ten seconds ahead.</summary>
    [Theory, MemberData(nameof(Starts))]
    public void Token_FromTheFuture_IsValidWithinTheClockTolerance(bool isPass, string claim, int ahead, bool isValid)
    {
        var now = QueueTokens.Now;
        void Change(JsonObject claims) => claims[claim] = now.ToUnixTimeSeconds() + ahead;

        var token = VerifiedToken.Read(isPass ? QueueTokens.Pass("mina", change: Change, now: now)
            : QueueTokens.Waiting("mina", 3, change: Change, now: now),
            _gateway.Rooms, now, out var wrong);

        Assert.Equal((isValid, isValid ? null : "not_yet_valid"), (token is not null, wrong));
    }

    [Theory]
    [InlineData("/api/concerts/1/schedules")]
    [InlineData("/api/schedules/1/seats")]
    [InlineData("/api/schedules/1/seats/events")]
    public async Task Token_OfAnotherConcert_Is403(string path)
    {
        using var response = await SendAsync("GET", path, QueueTokens.Pass("mina", 2));

        await Problem.IsAsync(response, 403, "QUEUE_TOKEN_WRONG_CONCERT");
        Assert.Empty(_upstream.Requests);
    }

    [Fact]
    public async Task Schedule_UnknownToTheGateway_IsCheckedBySeats()
    {
        _upstream.ConcertOf = _ => null;
        _upstream.Answer = context => { context.Response.StatusCode = 404; return Task.CompletedTask; };

        using var response = await SendAsync("GET", "/api/schedules/777/seats", QueueTokens.Pass("mina", 2));

        Assert.Equal(404, (int)response.StatusCode);
        Assert.Equal("2", Assert.Single(_upstream.Requests).Headers["X-Queue-Concert-Id"].Single());
    }

    [Fact]
    public async Task Token_Valid_IsNamedToTheService()
    {
        var tokenId = Guid.CreateVersion7();

        using var response = await _gateway.SendAsync("POST", "/api/reservations", Tokens.For("mina"), null,
            ("X-Queue-Token", QueueTokens.Pass("mina", tokenId: tokenId)), ("X-Queue-Token-Id", Guid.CreateVersion7().ToString()),
                ("X-Queue-Concert-Id", "9"));

        Assert.Equal(200, (int)response.StatusCode);
        var seen = Assert.Single(_upstream.Requests);
        Assert.Equal(tokenId.ToString(), Assert.Single(seen.Headers["X-Queue-Token-Id"]));
        Assert.Equal("1", Assert.Single(seen.Headers["X-Queue-Concert-Id"]));
        Assert.False(seen.Headers.ContainsKey("X-Queue-Token"));
    }

    [Fact]
    public async Task Token_SentTwice_IsInvalid()
    {
        var token = QueueTokens.Pass("mina");

        using var response = await _gateway.SendAsync("POST", "/api/reservations", Tokens.For("mina"), null, ("X-Queue-Token", token),
            ("X-Queue-Token", token));

        await Problem.IsAsync(response, 401, "QUEUE_TOKEN_INVALID");
    }

    [Fact]
    public async Task Token_RevokedAfterUse_Is410AtOnce()
    {
        var (tokenId, user) = (Guid.CreateVersion7(), "mina");
        var token = QueueTokens.Pass(user, tokenId: tokenId);
        using var before = await SendAsync("POST", "/api/reservations", token);
        Assert.Equal(200, (int)before.StatusCode);

        _gateway.Rooms.Apply(new Contracts.Queue.QueueTokenRevoked(1, 3, tokenId, QueueTokens.Now.AddMinutes(16)));

        foreach (var path in new[] { "/api/concerts/1/schedules", "/api/schedules/1/seats", "/api/queue/tokens/current" })
        {
            using var after = await SendAsync("GET", path, token);
            await Problem.IsAsync(after, 410, "QUEUE_TOKEN_REVOKED");
        }
    }

    [Theory]
    [InlineData("GET", "/api/points")]
    [InlineData("GET", "/api/reservations")]
    [InlineData("GET", "/api/concerts")]
    [InlineData("POST", "/api/queue/tokens")]
    public async Task Route_Unmarked_NeedsNoToken(string method, string path)
    {
        using var response = await SendAsync(method, path, "");

        Assert.Equal(200, (int)response.StatusCode);
    }

    [Theory]
    [InlineData("GET", "/ops/api/waiting-rooms/1", "queue")]
    [InlineData("PATCH", "/ops/api/waiting-rooms/1", "queue")]
    [InlineData("GET", "/ops/api/deliveries", "dataplatform")]
    [InlineData("GET", "/ops/api/reservations", "orchestrator")]
    [InlineData("GET", "/ops/api/reservations?format=csv&limit=1", "orchestrator")]
    [InlineData("POST", "/ops/api/reservations/0197b1d0-0000-7000-8000-000000000001/cancel", "orchestrator")]
    [InlineData("GET", "/ops/api/reservations/0197b1d0-0000-7000-8000-000000000001", "operations")]
    [InlineData("POST", "/ops/api/customers/erase", "operations")]
    [InlineData("POST", "/ops/api/customers/mina/erase", "operations")]
    [InlineData("GET", "/ops/api/actions?operator=olga", "operations")]
    [InlineData("GET", "/ops/api/invariants", "operations")]
    [InlineData("POST", "/ops/api/invariants/DeadlinesKept/check", "operations")]
    [InlineData("GET", "/ops/api/deliveries?status=Dead", "dataplatform")]
    [InlineData("POST", "/ops/api/deliveries/send-again", "operations")]
    [InlineData("POST", "/ops/api/reservations/retry", "operations")]
    [InlineData("POST", "/ops/api/reservations/cancel", "operations")]
    [InlineData("GET", "/ops/api/overview", "operations")]
    [InlineData("POST", "/ops/api/deliveries/destination/resume", "dataplatform")]
    [InlineData("PATCH", "/ops/api/schedules/7", "seats")]
    [InlineData("POST", "/ops/api/schedules/7/cancel", "operations")]
    [InlineData("GET", "/ops/api/failed-messages", "operations")]
    [InlineData("POST", "/ops/api/failed-messages/requeue", "operations")]
    [InlineData("GET", "/ops/api/operations?limit=1", "operations")]
    [InlineData("DELETE", "/ops/api/operations/0199c2f0-5a3e-7c41-9d0b-3f8e6a1b2c4d", "operations")]
    public async Task OperatorRoute_WithoutTheRole_IsRefused(string method, string path, string service)
    {
        using var response = await _gateway.SendAsync(method, path, Tokens.For("mina", "fan"));
        await Problem.IsAsync(response, 403, "FORBIDDEN");
        using var anonymous = await _gateway.SendAsync(method, path);
        await Problem.IsAsync(anonymous, 401, "UNAUTHENTICATED");
        Assert.Empty(_upstream.Requests);

        using var operators = await _gateway.SendAsync(method, path, Tokens.For("olga", "ops"));
        Assert.Equal(200, (int)operators.StatusCode);
        Assert.Equal($"/{service}{path}", Assert.Single(_upstream.Requests).Target);
    }

    private Task<HttpResponseMessage> SendAsync(string method, string path, string queueToken) =>
        _gateway.SendAsync(method, path, Tokens.For("mina"), null, ("X-Queue-Token", queueToken));
}
