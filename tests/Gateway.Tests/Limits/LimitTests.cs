using System.Net;
using System.Net.Sockets;
using System.Text;
using ConcertSaga.Gateway.Limits;
using ConcertSaga.Gateway.Tests.Hosts;
using Microsoft.AspNetCore.Http;

namespace ConcertSaga.Gateway.Tests.Limits;

public sealed class LimitTests : IClassFixture<GatewayFixture>
{
    private readonly GatewayHost _gateway;
    private readonly UpstreamStub _upstream;

    public LimitTests(GatewayFixture fixture)
    {
        _gateway = fixture.Gateway;
        _upstream = fixture.Upstream;
        _upstream.Reset();
    }

    [Theory]
    [InlineData(1024 * 1024, "/api/reservations")]
    [InlineData(16 * 1024 + 1, "/api/reservations")]
    [InlineData(16 * 1024 + 1, "/auth/demo")]
    public async Task Body_TooLarge_Is413(int bytes, string path)
    {
        using var response = await _gateway.SendAsync("POST", path, Tokens.For("mina"), new ByteArrayContent(new byte[bytes]),
            ("Expect", "100-continue"));

        await Problem.IsAsync(response, 413, "PAYLOAD_TOO_LARGE");
        Assert.Empty(_upstream.Requests);
    }

    [Fact]
    public async Task Body_TooLargeInChunks_Is413()
    {
        var chunk = $"1000\r\n{new string('x', 4096)}\r\n";
        var answer = await _gateway.SendRawAsync(
            $"POST /api/reservations HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {Tokens.For("mina")}\r\n" +
            $"X-Queue-Token: {QueueTokens.Pass("mina")}\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}{chunk}{chunk}{chunk}{chunk}");

        Assert.StartsWith("HTTP/1.1 413 ", answer, StringComparison.Ordinal);
        Assert.Contains("\"code\":\"PAYLOAD_TOO_LARGE\"", answer, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Body_AtTheLimit_IsForwarded()
    {
        using var response = await _gateway.SendAsync("POST", "/api/reservations", Tokens.For("mina"),
            new ByteArrayContent(new byte[16 * 1024]));

        Assert.Equal(200, (int)response.StatusCode);
    }

    [Fact]
    public async Task Body_ThatStalls_Is408()
    {
        await using var gateway = await GatewayHost.StartAsync(_upstream.Address, null, "--Limits:MinBytesPerSecond=10000");

        // After one byte and silence, the server waits for its five seconds of grace.
        var answer = await gateway.SendRawAsync(
            $"POST /api/reservations HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {Tokens.For("mina")}\r\n" +
            $"X-Queue-Token: {QueueTokens.Pass("mina")}\r\nContent-Length: 1000\r\n\r\n{{");

        Assert.StartsWith("HTTP/1.1 408 ", answer, StringComparison.Ordinal);
        Assert.Contains("\"code\":\"REQUEST_TIMEOUT\"", answer, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Flood_OfPolls_DoesNotLimitBooking()
    {
        await using var gateway = await GatewayHost.StartAsync(_upstream.Address, null, "--RateLimits:Poll:Burst=20",
            "--RateLimits:Poll:PerSecond=1");
        var token = QueueTokens.Waiting("mina", 100);

        // The same bearer token each time, so that most of the flood takes the quick path.
        var bearer = Tokens.For("mina");

        var flooding = Enumerable.Range(0, 300)
            .Select(_ => gateway.SendAsync("GET", "/api/queue/tokens/current", bearer, null, ("X-Queue-Token", token))).ToArray();
        var booking = await Task.WhenAll(Enumerable.Range(0, 20)
            .Select(_ => gateway.SendAsync("POST", "/api/reservations", bearer, new StringContent("{}"))));
        var flood = await Task.WhenAll(flooding);

        Assert.InRange(flood.Count(response => (int)response.StatusCode == 429), 250, 280);
        Assert.Equal(300, flood.Count(response => (int)response.StatusCode is 200 or 429));
        Assert.All(booking, response => Assert.Equal(200, (int)response.StatusCode));
        Assert.Equal(20, _upstream.Requests.Length);
    }

    [Fact]
    public async Task Body_BelowTheMinimumRate_Is408AlthoughItNeverStops()
    {
        await using var gateway = await GatewayHost.StartAsync(_upstream.Address, null, "--Limits:MinBytesPerSecond=1000");
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        using var client = new TcpClient();
        await client.ConnectAsync(gateway.Address.Host, gateway.Address.Port, limit.Token);
        var stream = client.GetStream();
        await stream.WriteAsync(Encoding.ASCII.GetBytes(
            $"POST /api/reservations HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {Tokens.For("mina")}\r\n" +
            $"X-Queue-Token: {QueueTokens.Pass("mina")}\r\nContent-Length: 10000\r\n\r\n"), limit.Token);
        using var reader = new StreamReader(stream);
        var reading = reader.ReadToEndAsync(limit.Token);
        using var clock = new PeriodicTimer(TimeSpan.FromMilliseconds(100));

        // Ten bytes a second are a hundredth of the minimum rate.
        while (!reading.IsCompleted && await clock.WaitForNextTickAsync(limit.Token))
        {
            try
            {
                await stream.WriteAsync(" "u8.ToArray(), limit.Token);
            }
            catch (IOException)
            {
                break;
            }
        }

        var answer = await reading;
        Assert.StartsWith("HTTP/1.1 408 ", answer, StringComparison.Ordinal);
        Assert.Contains("\"code\":\"REQUEST_TIMEOUT\"", answer, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Content-Length: 2\r\nTransfer-Encoding: chunked")]
    [InlineData("Content-Length: 2\r\nContent-Length: 30")]
    [InlineData("Transfer-Encoding: identity")]
    [InlineData("Transfer-Encoding : chunked")]
    [InlineData("X-User-Id : other")]
    [InlineData("Content-Length: 2\r\n X-User-Id: other")]
    public async Task Request_WithAmbiguousFraming_IsNotForwarded(string headers)
    {
        var answer = await _gateway.SendRawAsync(
            $"POST /api/reservations HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {Tokens.For("mina")}\r\nX-Queue-Token: "
                + $"{QueueTokens.Pass("mina")}\r\n" +
            $"{headers}\r\nConnection: close\r\n\r\n{{}}");

        Assert.StartsWith("HTTP/1.1 400 ", answer, StringComparison.Ordinal);
        Assert.Empty(_upstream.Requests);
    }

    [Fact]
    public async Task Headers_TooLarge_Are431()
    {
        using var response = await _gateway.SendAsync("GET", "/api/concerts", headers: [("X-Much", new string('x', 20_000))]);

        Assert.Equal(431, (int)response.StatusCode);
        Assert.Empty(_upstream.Requests);
    }

    [Fact]
    public async Task Rate_Exceeded_Is429WithRetryAfterForThatUserAndPolicyOnly()
    {
        await using var gateway = await GatewayHost.StartAsync(_upstream.Address, null,
            "--RateLimits:Poll:Burst=2", "--RateLimits:Poll:PerSecond=1", "--RateLimits:Read:Burst=5");
        async Task<HttpResponseMessage> Ask(string path, string user) => await gateway.SendAsync("GET", path, Tokens.For(user));

        using var first = await Ask("/api/schedules/1/seats", "mina");
        using var second = await Ask("/api/schedules/2/seats", "mina");
        // The bucket regains one token a second, so at most one of these requests succeeds.
        var more = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Ask("/api/schedules/1/seats", "mina")));
        using var other = await Ask("/api/schedules/1/seats", "tom");
        using var reading = await Ask("/api/points", "mina");

        Assert.Equal([200, 200, 200, 200], new[] { first, second, other, reading }.Select(response => (int)response.StatusCode));
        var refused = more.Where(response => (int)response.StatusCode == 429).ToArray();
        Assert.InRange(refused.Length, 3, 4);
        foreach (var response in refused)
        {
            await Problem.IsAsync(response, 429, "TOO_MANY_REQUESTS");
            Assert.InRange(response.Headers.RetryAfter!.Delta!.Value.TotalSeconds, 1, 60);
        }
    }

    [Fact]
    public async Task Rate_OfInvalidTokens_IsLimitedByAddress()
    {
        await using var gateway = await GatewayHost.StartAsync(_upstream.Address, null, "--RateLimits:Read:Burst=2",
            "--RateLimits:Read:PerSecond=1");

        var answers = new List<int>();
        for (var i = 0; i < 5; i++)
        {
            // Each token names another user, with an invalid signature.
            using var response = await gateway.SendAsync("GET", "/api/points",
                Tokens.Make(claims => claims["sub"] = $"user-{i}", key: Convert.ToBase64String(new byte[32])));
            answers.Add((int)response.StatusCode);
        }

        Assert.Equal([401, 401], answers[..2]);
        Assert.Contains(429, answers);
    }

    [Theory]
    [InlineData("10.0.0.7", "10.0.0.7", true)]
    [InlineData("10.0.0.7", "10.0.0.8", false)]
    [InlineData("10.0.0.7", "::ffff:10.0.0.7", true)]
    [InlineData("2001:db8::1", "2001:db8::ffff:1", true)]
    [InlineData("2001:db8::1", "2001:db8:0:1::1", false)]
    public void Owner_OfABucket_IsTheAddressOrItsNetwork(string first, string second, bool isSame)
    {
        static string Owner(string address) =>
            RateLimits.Owner(new DefaultHttpContext { Connection = { RemoteIpAddress = IPAddress.Parse(address) } });

        Assert.Equal(isSame, Owner(first) == Owner(second));
    }
}
