using System.Net;
using System.Net.Sockets;

namespace ConcertSaga.Shared.Hosting.Http;

/// <summary>
/// Connects to the first of several addresses that answers (RFC 8305). The next attempt starts when the previous one has failed, or after
/// 250 ms. So a dead address costs 250 ms instead of the request's whole time limit.
/// </summary>
public static class ConnectionRace
{
    private static readonly TimeSpan Stagger = TimeSpan.FromMilliseconds(250);

    /// <summary>Connects to one address and closes the sockets of the other attempts.</summary>
    /// <param name="addresses">At least one address, in the resolver's order.</param>
    /// <param name="port">The port of every address.</param>
    /// <param name="cancellationToken">Stops all attempts.</param>
    /// <exception cref="SocketException">No address answered. This is the error of the first one.</exception>
    public static async Task<Socket> ConnectAsync(IReadOnlyList<IPAddress> addresses, int port, CancellationToken cancellationToken)
    {
        using var losers = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var attempts = new List<Task<Socket>>(addresses.Count);
        var running = new List<Task<Socket>>(addresses.Count);
        Socket? winner = null;
        try
        {
            foreach (var address in Alternate(addresses))
            {
                var attempt = ConnectAsync(address, port, losers.Token);
                attempts.Add(attempt);
                running.Add(attempt);
                using var stagger = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
                winner = await FirstAsync(running, Task.Delay(Stagger, stagger.Token));
                await stagger.CancelAsync();
                if (winner is not null)
                    return winner;
                cancellationToken.ThrowIfCancellationRequested();
            }
            return winner = await FirstAsync(running, null) ?? await attempts[0];
        }
        finally
        {
            await losers.CancelAsync();
            foreach (var attempt in attempts)
                _ = CloseAsync(attempt, winner);
        }
    }

    /// <summary>Orders addresses so that the families alternate. An unreachable family then delays only every second attempt.</summary>
    public static IEnumerable<IPAddress> Alternate(IReadOnlyList<IPAddress> addresses)
    {
        var first = addresses.Where(address => address.AddressFamily == addresses[0].AddressFamily).ToList();
        var second = addresses.Where(address => address.AddressFamily != addresses[0].AddressFamily).ToList();
        for (var i = 0; i < Math.Max(first.Count, second.Count); i++)
        {
            if (i < first.Count)
                yield return first[i];
            if (i < second.Count)
                yield return second[i];
        }
    }

    // Returns the first connected socket, or null when the limit has passed or an attempt has failed. Removes failed attempts.
    private static async Task<Socket?> FirstAsync(List<Task<Socket>> running, Task? limit)
    {
        while (running.Count > 0)
        {
            var ended = await Task.WhenAny(limit is null ? running : [.. running, limit]);
            if (ended == limit)
                return null;
            if (ended is Task<Socket> { IsCompletedSuccessfully: true } connected)
                return await connected;
            running.Remove((Task<Socket>)ended);
            // After a refusal, the next attempt starts at once.
            if (limit is not null)
                return null;
        }
        return null;
    }

    private static async Task<Socket> ConnectAsync(IPAddress address, int port, CancellationToken cancellationToken)
    {
        var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(address, port, cancellationToken);
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private static async Task CloseAsync(Task<Socket> attempt, Socket? winner)
    {
        try
        {
            var socket = await attempt;
            if (socket != winner)
                socket.Dispose();
        }
        catch (Exception exception) when (exception is SocketException or OperationCanceledException or ObjectDisposedException)
        {
            // The attempt failed, so its socket is already closed.
        }
    }
}
