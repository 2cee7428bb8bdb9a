using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;

namespace ConcertSaga.Shared.Persistence.Tests.Crashes;

/// <summary>Who acknowledged: a broker confirms what was published, a consumer acknowledges what was delivered.</summary>
public enum Acknowledgement
{
    OfTheBroker,
    OfTheConsumer
}

/// <summary>
/// Stands between a process and its broker, and stops at each acknowledgement before it is passed on: the only place from where the moments
/// between a publish and its confirm, and before an acknowledgement, can be told apart.
/// </summary>
public sealed class AmqpTap : IAsyncDisposable
{
    private const byte MethodFrame = 1;
    private const uint BasicAck = (60 << 16) + 80;

    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly Uri _broker;
    private readonly Func<Acknowledgement, Task> _onAcknowledgement;

    /// <param name="broker">Where the broker is.</param>
    /// <param name="onAcknowledgement">Runs before an acknowledgement is passed on; an exception breaks the connection.</param>
    public AmqpTap(string broker, Func<Acknowledgement, Task> onAcknowledgement)
    {
        (_broker, _onAcknowledgement) = (new Uri(broker), onAcknowledgement);
        _listener.Start();
        Address = new UriBuilder(_broker) { Port = ((IPEndPoint)_listener.LocalEndpoint).Port }.Uri.ToString();
        _ = AcceptAsync();
    }

    /// <summary>The broker's address for the process in question.</summary>
    public string Address { get; }

    public ValueTask DisposeAsync()
    {
        _listener.Dispose();
        return ValueTask.CompletedTask;
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
                _ = ConnectAsync(await _listener.AcceptTcpClientAsync());
        }
        catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
        {
        }
    }

    private async Task ConnectAsync(TcpClient client)
    {
        using var broker = new TcpClient();
        using (client)
        {
            try
            {
                await broker.ConnectAsync(_broker.Host, _broker.Port);
                (client.NoDelay, broker.NoDelay) = (true, true);
                await await Task.WhenAny(
                    PassAsync(client.GetStream(), broker.GetStream(), Acknowledgement.OfTheConsumer, 8), PassAsync(broker.GetStream(), client.GetStream(), Acknowledgement.OfTheBroker, 0));
            }
            catch (Exception exception) when (exception is IOException or SocketException or ObjectDisposedException)
            {
            }
        }
    }

    // A frame is its type (1 byte), channel (2), length (4), content, and one byte more. A connection begins with the client's eight bytes.
    private async Task PassAsync(NetworkStream from, NetworkStream to, Acknowledgement kind, int preamble)
    {
        var frame = new byte[64 * 1024];
        await from.ReadExactlyAsync(frame.AsMemory(0, preamble));
        await to.WriteAsync(frame.AsMemory(0, preamble));
        while (true)
        {
            await from.ReadExactlyAsync(frame.AsMemory(0, 7));
            var length = (int)BinaryPrimitives.ReadUInt32BigEndian(frame.AsSpan(3)) + 8;
            if (length > frame.Length)
                Array.Resize(ref frame, length);
            await from.ReadExactlyAsync(frame.AsMemory(7, length - 7));
            if (frame[0] == MethodFrame && BinaryPrimitives.ReadUInt32BigEndian(frame.AsSpan(7)) == BasicAck)
                await _onAcknowledgement(kind);
            await to.WriteAsync(frame.AsMemory(0, length));
        }
    }
}
