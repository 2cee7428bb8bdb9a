using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;

namespace ConcertSaga.Shared.Persistence.Tests.Crashes;

/// <summary>The sender of an acknowledgement: the broker confirms a published message, the consumer acknowledges a delivered one.</summary>
public enum Acknowledgement
{
    OfTheBroker,
    OfTheConsumer
}

/// <summary>
/// Forwards the traffic between a process and its broker, and calls back before each acknowledgement. Only a proxy can tell the moment
/// between a publish and its confirmation from the moment before an acknowledgement.
/// </summary>
public sealed class AmqpTap : IAsyncDisposable
{
    private const byte MethodFrame = 1;
    private const uint BasicAck = (60 << 16) + 80;

    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly Uri _broker;
    private readonly Func<Acknowledgement, Task> _onAcknowledgement;

    /// <param name="broker">The address of the broker.</param>
    /// <param name="onAcknowledgement">Runs before an acknowledgement is forwarded; an exception breaks the connection.</param>
    public AmqpTap(string broker, Func<Acknowledgement, Task> onAcknowledgement)
    {
        _broker = new Uri(broker);
        _onAcknowledgement = onAcknowledgement;
        _listener.Start();
        Address = new UriBuilder(_broker) { Port = ((IPEndPoint)_listener.LocalEndpoint).Port }.Uri.ToString();
        _ = AcceptAsync();
    }

    /// <summary>The address that the process uses instead of the broker's.</summary>
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
                client.NoDelay = true;
                broker.NoDelay = true;
                await await Task.WhenAny(
                    ForwardAsync(client.GetStream(), broker.GetStream(), Acknowledgement.OfTheConsumer, 8),
                    ForwardAsync(broker.GetStream(), client.GetStream(), Acknowledgement.OfTheBroker, 0));
            }
            catch (Exception exception) when (exception is IOException or SocketException or ObjectDisposedException)
            {
            }
        }
    }

    // A frame has a type (1 byte), a channel (2), a length (4), the content and an end byte. The client first sends an 8-byte preamble.
    private async Task ForwardAsync(NetworkStream from, NetworkStream to, Acknowledgement kind, int preamble)
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
