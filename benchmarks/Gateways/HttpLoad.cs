using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using System.Text;
using ConcertSaga.Benchmarks.Measuring;

namespace ConcertSaga.Benchmarks.Gateways;

/// <summary>What a load has measured.</summary>
/// <param name="PerSecond">Visits per second.</param>
/// <param name="Milliseconds">The time of each visit, sorted.</param>
/// <param name="Bytes">The length of all answers with their headers.</param>
internal sealed record LoadResult(double PerSecond, double[] Milliseconds, long Bytes);

/// <summary>
/// Sends prepared requests one after the other on each connection, and reads only the status and the length of each answer. A real client
/// would need more of the shared processor time than the measured server.
/// </summary>
internal static class HttpLoad
{
    /// <param name="address">The server.</param>
    /// <param name="next">The requests of the next visit. Each connection sends them one after the other.</param>
    /// <param name="connections">How many visits run at the same time.</param>
    /// <param name="time">How long visits begin.</param>
    /// <param name="cancellationToken">Ends the run early.</param>
    public static async Task<LoadResult> RunAsync(Uri address, Func<byte[][]> next, int connections, TimeSpan time,
        CancellationToken cancellationToken)
    {
        var started = Stopwatch.GetTimestamp();
        var all = await Task.WhenAll(Enumerable.Range(0, connections).Select(_ => Task.Run(
            () => RunOneAsync(address, next, time, cancellationToken), cancellationToken)));
        var elapsed = Stopwatch.GetElapsedTime(started);
        var milliseconds = all.SelectMany(one => one.Milliseconds).ToArray();
        Array.Sort(milliseconds);
        return new LoadResult(milliseconds.Length / elapsed.TotalSeconds, milliseconds, all.Sum(one => one.Bytes));
    }

    private static async Task<(List<double> Milliseconds, long Bytes)> RunOneAsync(
        Uri address, Func<byte[][]> next, TimeSpan time, CancellationToken cancellationToken)
    {
        using var client = new TcpClient { NoDelay = true };
        await client.ConnectAsync(address.Host, address.Port, cancellationToken);
        var stream = client.GetStream();
        var buffer = new byte[64 * 1024];
        var latencies = new List<double>();
        var bytes = 0L;
        var end = Stopwatch.GetTimestamp() + (long)(time.TotalSeconds * Stopwatch.Frequency);
        while (Stopwatch.GetTimestamp() < end)
        {
            var visit = next();
            var began = Stopwatch.GetTimestamp();
            foreach (var request in visit)
                bytes += await SendAsync(stream, request, buffer, cancellationToken);
            latencies.Add(Stopwatch.GetElapsedTime(began).TotalMilliseconds);
        }
        return (latencies, bytes);
    }

    private static async Task<int> SendAsync(NetworkStream stream, byte[] request, byte[] buffer, CancellationToken cancellationToken)
    {
        await stream.WriteAsync(request, cancellationToken);
        var length = 0;
        do
        {
            var read = await stream.ReadAsync(buffer.AsMemory(length), cancellationToken);
            if (read == 0)
                throw new BenchmarkException($"the server closed the connection after: {Encoding.ASCII.GetString(buffer, 0, length)}");
            length += read;
        }
        while (!IsComplete(buffer.AsSpan(0, length)));
        if (!buffer.AsSpan().StartsWith("HTTP/1.1 200 "u8))
            throw new BenchmarkException(
                $"expected status 200, got: {Encoding.UTF8.GetString(buffer, 0, length).ReplaceLineEndings(" ")}");
        return length;
    }

    private static bool IsComplete(ReadOnlySpan<byte> answer)
    {
        var head = answer.IndexOf("\r\n\r\n"u8);
        if (head < 0)
            return false;
        var field = answer[..(head + 2)].IndexOf("Content-Length: "u8);
        if (field < 0)
            return answer.EndsWith("0\r\n\r\n"u8);
        var number = answer[(field + 16)..];
        return answer.Length == head + 4 + int.Parse(number[..number.IndexOf((byte)'\r')], CultureInfo.InvariantCulture);
    }
}
