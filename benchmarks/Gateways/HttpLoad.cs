using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using System.Text;
using ConcertSaga.Benchmarks.Measuring;

namespace ConcertSaga.Benchmarks.Gateways;

/// <summary>
/// Sends prepared requests, one after the other on each of some connections, and reads no more of an answer than its status and where it
/// ends: on a machine that has to run both, a real client would cost more than what is measured.
/// </summary>
internal static class HttpLoad
{
    /// <returns>Answers per second, and how long each took in milliseconds, sorted.</returns>
    public static async Task<(double PerSecond, double[] Milliseconds)> RunAsync(Uri address, byte[][] requests, int connections, TimeSpan time, CancellationToken cancellationToken)
    {
        var started = Stopwatch.GetTimestamp();
        var all = await Task.WhenAll(Enumerable.Range(0, connections).Select(one => Task.Run(() => RunOneAsync(address, requests, one, connections, time, cancellationToken), cancellationToken)));
        var elapsed = Stopwatch.GetElapsedTime(started);
        var milliseconds = all.SelectMany(one => one).ToArray();
        Array.Sort(milliseconds);
        return (milliseconds.Length / elapsed.TotalSeconds, milliseconds);
    }

    private static async Task<List<double>> RunOneAsync(Uri address, byte[][] requests, int first, int step, TimeSpan time, CancellationToken cancellationToken)
    {
        using var client = new TcpClient { NoDelay = true };
        await client.ConnectAsync(address.Host, address.Port, cancellationToken);
        var stream = client.GetStream();
        var buffer = new byte[16 * 1024];
        var taken = new List<double>();
        var end = Stopwatch.GetTimestamp() + (long)(time.TotalSeconds * Stopwatch.Frequency);
        for (var next = first; Stopwatch.GetTimestamp() < end; next += step)
        {
            var began = Stopwatch.GetTimestamp();
            await stream.WriteAsync(requests[next % requests.Length], cancellationToken);
            var length = 0;
            do
            {
                var read = await stream.ReadAsync(buffer.AsMemory(length), cancellationToken);
                if (read == 0)
                    throw new BenchmarkException($"the server closed the connection after: {Encoding.ASCII.GetString(buffer, 0, length)}");
                length += read;
            }
            while (!IsComplete(buffer.AsSpan(0, length)));
            taken.Add(Stopwatch.GetElapsedTime(began).TotalMilliseconds);
            if (!buffer.AsSpan().StartsWith("HTTP/1.1 200 "u8))
                throw new BenchmarkException($"an answer was no 200: {Encoding.UTF8.GetString(buffer, 0, length).ReplaceLineEndings(" ")}");
        }
        return taken;
    }

    private static bool IsComplete(ReadOnlySpan<byte> answer)
    {
        var head = answer.IndexOf("\r\n\r\n"u8);
        if (head < 0)
            return false;
        var named = answer[..(head + 2)].IndexOf("Content-Length: "u8);
        if (named < 0)
            return answer.EndsWith("0\r\n\r\n"u8);
        var number = answer[(named + 16)..];
        return answer.Length == head + 4 + int.Parse(number[..number.IndexOf((byte)'\r')], CultureInfo.InvariantCulture);
    }
}
