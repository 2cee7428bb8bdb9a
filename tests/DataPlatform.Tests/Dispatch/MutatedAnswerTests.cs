using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.RegularExpressions;
using ConcertSaga.DataPlatform.Data;
using ConcertSaga.DataPlatform.Dispatch;
using ConcertSaga.DataPlatform.Tests.Fixtures;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing.Fuzzing;
using ConcertSaga.Testing.Servers;
using Xunit;

namespace ConcertSaga.DataPlatform.Tests.Dispatch;

/// <summary>Whatever bytes the destination answers, the relay understands them as one verdict.</summary>
public sealed partial class MutatedAnswerTests(PostgreSqlServer server, ITestOutputHelper output) : IDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);

    public void Dispose() => _listener.Dispose();

    [Fact]
    public async Task Answer_Mutated_IsDeliveredOnlyWithItsStatus()
    {
        _listener.Start();
        await using var relay = await RelayUnderTest.StartAsync(DatabaseProvider.Sqlite, server, settings:
            [("DataPlatform:Destination", $"http://{_listener.LocalEndpoint}/hook"), ("DataPlatform:Timeout", "00:00:30")]);

        var count = await Fuzzer.RunAsync(Answers(), async answer =>
        {
            var answering = AnswerAsync(answer);
            var result = await relay.WithAsync<Sender, AttemptResult>(sender => sender.SendAsync(Guid.CreateVersion7(), "{}"));
            await answering;

            Assert.Equal(result.StatusCode is >= 200 and < 300, result.Verdict == Verdict.Delivered);
            if (result.Verdict == Verdict.Delivered)
                Assert.Matches(Success(), Encoding.Latin1.GetString(answer));
            Assert.True(result.Error is null or { Length: <= DataPlatformDbContext.MaxErrorLength }
                && result.Error?.Any(char.IsControl) != true, result.Error);
            Assert.True(result.RetryAfter is null || result.RetryAfter >= TimeSpan.Zero, $"{result.RetryAfter}");
        });

        output.WriteLine($"{count} answers");
    }

    // One answer for each connection, after the whole request.
    private async Task AnswerAsync(byte[] answer)
    {
        using var connection = await _listener.AcceptSocketAsync();
        var received = new byte[4096];
        var text = "";
        while (!text.EndsWith("\r\n\r\n{}", StringComparison.Ordinal))
            text += Encoding.Latin1.GetString(received, 0, await connection.ReceiveAsync(received));
        await connection.SendAsync(answer);
    }

    private static List<byte[]> Answers() =>
    [
        .. new[]
        {
            "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
            "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n",
            "HTTP/1.1 429 Too Many Requests\r\nConnection: close\r\nRetry-After: 120\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: Wed, 21 Oct 2026 07:28:00 GMT\r\n"
                + "Content-Length: 0\r\n\r\n",
            "HTTP/1.1 422 Unprocessable\r\nConnection: close\r\nContent-Type: application/json; charset=utf-8\r\n"
                + "Transfer-Encoding: chunked\r\n\r\n9\r\n{\"code\":5\r\n1\r\n}\r\n0\r\n\r\n",
            "HTTP/1.1 307 Temporary Redirect\r\nConnection: close\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nConnection: close\r\nSet-Cookie: a=b\r\nContent-Encoding: gzip\r\n\r\nno gzip"
        }.Select(Encoding.Latin1.GetBytes)
    ];

    // The client also reads versions and line ends that are not quite right.
    [GeneratedRegex("2[0-9][0-9]")]
    private static partial Regex Success();
}
