using ConcertSaga.Contracts.Queue;
using ConcertSaga.Gateway.Tests.Hosts;

namespace ConcertSaga.Gateway.Tests.Queue;

/// <summary>
/// Presents each kind of queue token on each route. A successful request can end its pass. The gateway therefore forwards the repeat, with
/// the refusal of the token. Every other route refuses that token at the gateway.
/// </summary>
public sealed class RepeatTests : IClassFixture<GatewayFixture>
{
    private static readonly string[] Forwarded =
        ["QUEUE_TOKEN_EXPIRED", "QUEUE_TOKEN_REVOKED", "QUEUE_TOKEN_NOT_ACTIVE", "QUEUE_UNAVAILABLE"];

    private static long _sequence;

    private readonly GatewayHost _gateway;
    private readonly UpstreamStub _upstream;

    public RepeatTests(GatewayFixture fixture)
    {
        _gateway = fixture.Gateway;
        _upstream = fixture.Upstream;
        _upstream.Reset();
        _upstream.Answer = UpstreamStub.AcceptAsync;
    }

    /// <summary>Each kind of queue token, with its refusal on routes of each use; null if it opens the route.</summary>
    private static Dictionary<string, (Func<Guid, string> Make, string? Book, string? Pay, string? Any)> TokensByName => new()
    {
        ["none"] = (_ => "", "QUEUE_TOKEN_MISSING", "QUEUE_TOKEN_MISSING", "QUEUE_TOKEN_MISSING"),
        ["altered"] = (id => $"{QueueTokens.Pass("mina", tokenId: id)[..^4]}AAAA", "QUEUE_TOKEN_INVALID", "QUEUE_TOKEN_INVALID",
            "QUEUE_TOKEN_INVALID"),
        ["another's"] = (id => QueueTokens.Pass("tom", tokenId: id), "QUEUE_TOKEN_NOT_YOURS", "QUEUE_TOKEN_NOT_YOURS",
            "QUEUE_TOKEN_NOT_YOURS"),
        ["another's, expired"] = (id => QueueTokens.Pass("tom", tokenId: id, now: Ago(7200)), "QUEUE_TOKEN_NOT_YOURS",
            "QUEUE_TOKEN_NOT_YOURS", "QUEUE_TOKEN_NOT_YOURS"),
        ["another's, waiting"] = (id => QueueTokens.Waiting("tom", 9, tokenId: id), "QUEUE_TOKEN_NOT_YOURS", "QUEUE_TOKEN_NOT_YOURS",
            "QUEUE_TOKEN_NOT_YOURS"),
        ["expired"] = (id => QueueTokens.Pass("mina", tokenId: id, now: Ago(7200)), "QUEUE_TOKEN_EXPIRED", "QUEUE_TOKEN_EXPIRED",
            "QUEUE_TOKEN_EXPIRED"),
        ["expired, waiting"] = (id => QueueTokens.Waiting("mina", 9, tokenId: id, now: Ago(200_000)), "QUEUE_TOKEN_EXPIRED",
            "QUEUE_TOKEN_EXPIRED", "QUEUE_TOKEN_EXPIRED"),
        ["past its booking time"] = (id => QueueTokens.Pass("mina", tokenId: id, now: Ago(630)), "QUEUE_TOKEN_EXPIRED", null, null),
        ["revoked"] = (id => QueueTokens.Pass("mina", tokenId: id), "QUEUE_TOKEN_REVOKED", "QUEUE_TOKEN_REVOKED", "QUEUE_TOKEN_REVOKED"),
        ["revoked, waiting"] = (id => QueueTokens.Waiting("mina", 9, tokenId: id), "QUEUE_TOKEN_REVOKED", "QUEUE_TOKEN_REVOKED",
            "QUEUE_TOKEN_REVOKED"),
        ["waiting"] = (id => QueueTokens.Waiting("mina", 9, tokenId: id), "QUEUE_TOKEN_NOT_ACTIVE", "QUEUE_TOKEN_NOT_ACTIVE", null),
        ["not checkable"] = (id => QueueTokens.Pass("mina", ConcertWithGap, id), "QUEUE_UNAVAILABLE", "QUEUE_UNAVAILABLE", null)
    };

    // Messages of this concert are missing, so the gateway cannot check its passes.
    private const int ConcertWithGap = 4242;

    public static TheoryData<string, string> Cases
    {
        get
        {
            var cases = new TheoryData<string, string>();
            foreach (var route in ShippedRoutes.All.Where(route => route.QueueToken is not null))
            {
                foreach (var token in TokensByName.Keys)
                    cases.Add(route.Name, token);
            }
            return cases;
        }
    }

    [Fact]
    public void Routes_ThatAreRepeatable_CanEndThePass() =>
        Assert.Equal(["pay", "queue-leave", "reserve"],
            ShippedRoutes.All.Where(route => route.IsRepeatable).Select(route => route.Name).Order());

    [Theory, MemberData(nameof(Cases))]
    public async Task Token_ThatOpensNothing_IsForwardedOnRepeatableRoutesOnly(string name, string what)
    {
        var route = ShippedRoutes.All.Single(route => route.Name == name);
        var (make, book, pay, any) = TokensByName[what];
        var code = route.QueueToken switch { "Book" => book, "Pay" => pay, _ => any };
        var tokenId = Guid.CreateVersion7();
        _upstream.ConcertOf = _ => what == "not checkable" ? ConcertWithGap : 1;
        if (what.StartsWith("revoked", StringComparison.Ordinal))
            _gateway.Rooms.Apply(new QueueTokenRevoked(1, 3, tokenId, QueueTokens.Now.AddHours(1)));
        if (what == "not checkable")
        {
            // A snapshot would close the gap.
            _upstream.Snapshot = null;
            OpenGap();
        }
        var queueToken = make(tokenId);

        using var response = await _gateway.SendAsync(route.Methods[0], SchedulePath(route.Path, what), Tokens.For("mina"), null,
            ("X-Queue-Token", queueToken), ("X-Queue-Refusal", "QUEUE_TOKEN_EXPIRED"));

        if (code is not null && !(route.IsRepeatable && Forwarded.Contains(code)))
        {
            Assert.Equal(code, (await Problem.OfAsync(response)).GetProperty("code").GetString());
            Assert.Empty(_upstream.Requests);
        }
        else if (route.AnsweredBy is null)
        {
            Assert.Equal(200, (int)response.StatusCode);
            var seen = Assert.Single(_upstream.Requests);
            Assert.Equal(code is null ? [] : [code], seen.Headers.GetValueOrDefault("X-Queue-Refusal") ?? []);
            string[] named = code is null || name == "queue-leave" ? [tokenId.ToString()] : [];
            Assert.Equal(named, seen.Headers.GetValueOrDefault("X-Queue-Token-Id") ?? []);
            Assert.Equal(named.Length, (seen.Headers.GetValueOrDefault("X-Queue-Concert-Id") ?? []).Length);
        }
    }

    private static DateTimeOffset Ago(int seconds) => QueueTokens.Now.AddSeconds(-seconds);

    // The other concert has its own schedule, because the gateway caches the concert of a schedule.
    private static string SchedulePath(string path, string what) => what != "not checkable" ? path
        : path.Replace("/schedules/1", "/schedules/4242", StringComparison.Ordinal)
            .Replace("/concerts/1", $"/concerts/{ConcertWithGap}", StringComparison.Ordinal);

    // Applies a sequence number without its predecessors.
    private void OpenGap() =>
        _gateway.Rooms.Apply(new QueueTokenRevoked(ConcertWithGap, Interlocked.Add(ref _sequence, 9), Guid.CreateVersion7(),
        QueueTokens.Now.AddHours(1)));
}
