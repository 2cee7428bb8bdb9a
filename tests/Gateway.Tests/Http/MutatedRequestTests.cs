using System.Net.Sockets;
using System.Text;
using System.Text.RegularExpressions;
using ConcertSaga.Gateway.Queue;
using ConcertSaga.Gateway.Tests.Hosts;
using ConcertSaga.Testing.Fuzzing;
using Microsoft.Extensions.Logging;

namespace ConcertSaga.Gateway.Tests.Http;

/// <summary>Mutated requests and tokens get a refusal, never a fault of the gateway.</summary>
public sealed partial class MutatedRequestTests(ITestOutputHelper output) : IAsyncLifetime
{
    // A request whose body is incomplete gets no answer.
    private static readonly TimeSpan Wait = TimeSpan.FromMilliseconds(200);

    private readonly LogRecorder _log = new();
    private UpstreamStub _upstream = null!;
    private GatewayHost _gateway = null!;

    public async ValueTask InitializeAsync()
    {
        _upstream = await UpstreamStub.StartAsync();
        _gateway = await GatewayHost.StartWithAsync(_upstream.Address, builder => builder.Logging.AddProvider(_log));
    }

    public async ValueTask DisposeAsync()
    {
        await _gateway.DisposeAsync();
        await _upstream.DisposeAsync();
        _log.Dispose();
    }

    [Fact]
    public async Task Request_Mutated_IsNoFaultOfTheGateway()
    {
        var answered = 0;
        var sent = await Fuzzer.RunAsync(Requests(), async request =>
        {
            var answer = await ExchangeAsync(request);
            answered += answer.Length > 0 ? 1 : 0;
            Assert.DoesNotMatch(Fault(), answer);
            Assert.DoesNotContain(_log.All, line => line.Level >= LogLevel.Error);
        });

        output.WriteLine($"{sent} requests, {answered} answered");
        Assert.True(answered > 0, $"{answered}");
    }

    /// <summary>A signature can be written in one way only, so a token that is still valid says what it said before.</summary>
    [Fact]
    public async Task QueueToken_Mutated_IsRefusedOrUnchanged()
    {
        string[] tokens = [QueueTokens.Pass("mina", tokenId: Guid.CreateVersion7()), QueueTokens.Waiting("mina", 5)];
        var valid = tokens.Select(Claims).ToHashSet();
        Assert.DoesNotContain(null, valid);

        var count = await Fuzzer.RunAsync([.. tokens.Select(Encoding.Latin1.GetBytes)], token =>
        {
            var claims = Claims(Encoding.Latin1.GetString(token));
            Assert.True(claims is null || valid.Contains(claims), claims);
            return Task.CompletedTask;
        });

        output.WriteLine($"{count} tokens");
    }

    private string? Claims(string token) =>
        VerifiedToken.Read(token, _gateway.Rooms, QueueTokens.Now, out _) is { } read
            ? $"{read.Kind} {read.TokenId} {read.ConcertId} {read.UserId} {read.Number} {read.BookUntil:O} {read.ExpiresAt:O}" : null;

    private static List<byte[]> Requests()
    {
        var caller = $"Host: localhost\r\nConnection: close\r\nAuthorization: Bearer {Tokens.For("mina", "ops")}\r\n"
            + $"X-Queue-Token: {QueueTokens.Pass("mina")}\r\n";
        return
        [
            .. new[]
            {
                $"GET /api/points HTTP/1.1\r\n{caller}\r\n",
                $"GET /api/points/history?limit=5&cursor=0199c2f0-5a3e-7c41-9d0b-3f8e6a1b2c4d HTTP/1.1\r\n{caller}\r\n",
                $"GET /api/schedules/1/seats HTTP/1.1\r\n{caller}Accept-Encoding: br;q=1, gzip\r\nIf-None-Match: \"5\"\r\n\r\n",
                $"GET /api/queue/tokens/current HTTP/1.1\r\n{caller}If-None-Match: W/\"5\"\r\n\r\n",
                $"POST /api/reservations HTTP/1.1\r\n{caller}Content-Type: application/json\r\nPrefer: wait=10, respond-async\r\n"
                    + "Idempotency-Key: 0199c2f0-5a3e-7c41-9d0b-3f8e6a1b2c4d\r\nContent-Length: 47\r\n\r\n"
                    + "{\"scheduleId\":1,\"seatNumbers\":[1,2],\"pay\":true }",
                $"POST /api/points/charges HTTP/1.1\r\n{caller}Transfer-Encoding: chunked\r\nContent-Type: application/json\r\n\r\n"
                    + "c\r\n{\"amount\":5}\r\n0\r\n\r\n",
                $"DELETE /api/reservations/0199c2f0-5a3e-7c41-9d0b-3f8e6a1b2c4d HTTP/1.1\r\n{caller}\r\n",
                $"GET /ops/api/reservations?status=Failed,Cancelled&from=2026-12-05T18:30:00Z&limit=10 HTTP/1.1\r\n{caller}\r\n",
                "GET /auth/sign-in?returnUrl=%2Fconcerts%2F1 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                    + "Cookie: concert-language=ko; concert-session=AAAA\r\nAccept-Language: ko-KR,en;q=0.5\r\n\r\n",
                "GET /concerts/1 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAccept: text/html\r\n\r\n",
                "POST /auth/demo HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n"
                    + "Content-Length: 30\r\n\r\n{\"userId\":\"mina\",\"roles\":[]   }"
            }.Select(Encoding.Latin1.GetBytes)
        ];
    }

    private async Task<string> ExchangeAsync(byte[] request)
    {
        using var client = new TcpClient();
        await client.ConnectAsync(_gateway.Address.Host, _gateway.Address.Port);
        var stream = client.GetStream();
        var answer = new MemoryStream();
        using var limit = new CancellationTokenSource(Wait);
        try
        {
            await stream.WriteAsync(request, CancellationToken.None);
            await stream.CopyToAsync(answer, limit.Token);
        }
        catch (Exception exception) when (exception is IOException or OperationCanceledException)
        {
            // The gateway closes the connection, or waits for the rest of the request.
        }
        return Encoding.Latin1.GetString(answer.ToArray());
    }

    [GeneratedRegex(@"^HTTP/1\.1 50[024]", RegexOptions.Multiline)]
    private static partial Regex Fault();
}
