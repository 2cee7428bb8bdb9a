using System.Globalization;
using System.Net.Sockets;
using System.Text;
using ConcertSaga.Benchmarks.Measuring;

namespace ConcertSaga.Benchmarks.Queues;

/// <summary>
/// A connection that sends one request after the other. It reads only status, Retry-After and body of an answer. A real client would need
/// more of the shared processor time than the measured server.
/// </summary>
internal sealed class CrowdConnection : IDisposable
{
    private readonly TcpClient _client = new() { NoDelay = true };
    private readonly byte[] _answer = new byte[16 * 1024];
    private NetworkStream? _stream;

    /// <summary>Buffer for the next request.</summary>
    public byte[] Request { get; } = new byte[4 * 1024];

    public static async Task<CrowdConnection> OpenAsync(Uri address, CancellationToken cancellationToken)
    {
        var connection = new CrowdConnection();
        await connection._client.ConnectAsync(address.Host, address.Port, cancellationToken);
        connection._stream = connection._client.GetStream();
        return connection;
    }

    /// <summary>Sends the first bytes of <see cref="Request"/> and returns the answer, which is valid until the next call.</summary>
    public async ValueTask<Answer> SendAsync(int length, CancellationToken cancellationToken)
    {
        await _stream!.WriteAsync(Request.AsMemory(0, length), cancellationToken);
        var read = 0;
        while (true)
        {
            var count = await _stream.ReadAsync(_answer.AsMemory(read), cancellationToken);
            if (count == 0)
                throw new BenchmarkException($"the server closed a connection after: {Encoding.ASCII.GetString(_answer, 0, read)}");
            read += count;
            if (Read(_answer.AsSpan(0, read)) is { } answer)
                return answer;
        }
    }

    public void Dispose() => _client.Dispose();

    private Answer? Read(Span<byte> text)
    {
        var head = text.IndexOf("\r\n\r\n"u8);
        if (head < 0)
            return null;
        var fields = text[..(head + 2)];
        var body = text[(head + 4)..];
        int length;
        if (NumberOf(fields, "\r\nContent-Length: "u8) is { } known)
        {
            if (body.Length < known)
                return null;
            length = known;
        }
        else if (fields.IndexOf("\r\nTransfer-Encoding: chunked\r\n"u8) < 0)
        {
            length = 0;
        }
        else
        {
            if (!body.EndsWith("0\r\n\r\n"u8))
                return null;
            length = Join(body);
        }
        var status = (text[9] - '0') * 100 + (text[10] - '0') * 10 + text[11] - '0';
        return new Answer(status, NumberOf(fields, "\r\nRetry-After: "u8) ?? 1, _answer.AsMemory(head + 4, length));
    }

    // Joins the chunks in place.
    private static int Join(Span<byte> body)
    {
        var from = 0;
        var to = 0;
        while (true)
        {
            var line = body[from..].IndexOf("\r\n"u8);
            var size = int.Parse(body.Slice(from, line), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
            if (size == 0)
                return to;
            body.Slice(from + line + 2, size).CopyTo(body[to..]);
            from += line + 2 + size + 2;
            to += size;
        }
    }

    private static int? NumberOf(ReadOnlySpan<byte> fields, ReadOnlySpan<byte> name)
    {
        var at = fields.IndexOf(name);
        if (at < 0)
            return null;
        var value = fields[(at + name.Length)..];
        return int.Parse(value[..value.IndexOf((byte)'\r')], CultureInfo.InvariantCulture);
    }
}

/// <summary>An answer of the server.</summary>
internal readonly record struct Answer(int Status, int RetryAfter, ReadOnlyMemory<byte> Body)
{
    public override string ToString() => $"{Status} {Encoding.UTF8.GetString(Body.Span).ReplaceLineEndings(" ")}";
}
