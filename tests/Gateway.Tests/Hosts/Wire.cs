using System.Net;
using System.Net.Sockets;

namespace ConcertSaga.Gateway.Tests.Hosts;

/// <summary>The way from one gateway to a server, which a test can cut.</summary>
public sealed class Wire : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly string _host;
    private readonly int _port;
    private readonly Lock _gate = new();
    private readonly List<TcpClient> _open = [];
    private bool _isCut;

    private Wire(string host, int port) => (_host, _port) = (host, port);

    /// <summary>Lays a wire to where an address leads; the new address leads through it.</summary>
    public static (Wire Wire, string Address) To(string address)
    {
        var builder = new UriBuilder(address);
        var wire = new Wire(builder.Host, builder.Port);
        wire._listener.Start();
        builder.Port = ((IPEndPoint)wire._listener.LocalEndpoint).Port;
        _ = wire.AcceptAsync();
        return (wire, builder.Uri.ToString());
    }

    /// <summary>Breaks what is open, and closes what comes at once.</summary>
    public void Cut()
    {
        lock (_gate)
        {
            _isCut = true;
            _open.ForEach(client => client.Dispose());
            _open.Clear();
        }
    }

    public void Mend()
    {
        lock (_gate)
            _isCut = false;
    }

    public ValueTask DisposeAsync()
    {
        Cut();
        _listener.Dispose();
        return ValueTask.CompletedTask;
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
                _ = CarryAsync(await _listener.AcceptTcpClientAsync());
        }
        catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
        {
            // The wire is gone.
        }
    }

    private async Task CarryAsync(TcpClient near)
    {
        using var far = new TcpClient();
        using (near)
        {
            lock (_gate)
            {
                if (_isCut)
                    return;
                _open.AddRange([near, far]);
            }
            try
            {
                await far.ConnectAsync(_host, _port);
                await Task.WhenAny(near.GetStream().CopyToAsync(far.GetStream()), far.GetStream().CopyToAsync(near.GetStream()));
            }
            catch (Exception exception) when (exception is SocketException or IOException or ObjectDisposedException or InvalidOperationException)
            {
                // Cut before it was whole.
            }
        }
    }
}
