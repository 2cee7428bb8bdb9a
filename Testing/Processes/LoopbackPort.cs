using System.Net;
using System.Net.Sockets;

namespace ConcertSaga.Testing.Processes;

/// <summary>Finds free ports.</summary>
public static class LoopbackPort
{
    /// <summary>
    /// Returns an unused port below the range of outgoing connections. Otherwise a client that reconnects to a stopped server could get the
    /// server's port, connect to itself and block the server's restart.
    /// </summary>
    public static int Free()
    {
        for (var attempt = 0; attempt < 200; attempt++)
        {
            var port = Random.Shared.Next(20000, 32000);
            using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            try
            {
                socket.Bind(new IPEndPoint(IPAddress.Any, port));
                return port;
            }
            catch (SocketException)
            {
                // In use; try another.
            }
        }
        throw new InvalidOperationException("No free port was found between 20000 and 32000.");
    }
}
