using System.Net;
using System.Net.Sockets;

namespace ConcertSaga.Gateway.Tests.Hosts;

/// <summary>Forwards TCP connections to a server, until a test cuts the link.</summary>
public sealed class TcpLink : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly string _host;
    private readonly int _port;
    private readonly Lock _gate = new();
    private readonly List<TcpClient> _open = [];
    private bool _isCut;

    private TcpLink(string host, int port)
    {
        _host = host;
        _port = port;
    }

    /// <summary>Opens a link to the server of an address. The returned address leads through the link.</summary>
    public static (TcpLink Link, string Address) OpenTo(string address)
    {
        var builder = new UriBuilder(address);
        var link = new TcpLink(builder.Host, builder.Port);
        link._listener.Start();
        builder.Port = ((IPEndPoint)link._listener.LocalEndpoint).Port;
        _ = link.AcceptAsync();
        return (link, builder.Uri.ToString());
    }

    /// <summary>Closes all connections, and each new one at once.</summary>
    public void Cut()
    {
        lock (_gate)
        {
            _isCut = true;
            _open.ForEach(client => client.Dispose());
            _open.Clear();
        }
    }

    public void Restore()
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
                _ = ForwardAsync(await _listener.AcceptTcpClientAsync());
        }
        catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
        {
            // The link was disposed of.
        }
    }

    private async Task ForwardAsync(TcpClient near)
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
            catch (Exception exception) when (exception is SocketException or IOException or ObjectDisposedException
                or InvalidOperationException)
            {
                // The link was cut while it connected.
            }
        }
    }
}
