using System.Net;
using System.Net.Sockets;

namespace ConcertSaga.Testing.Processes;

/// <summary>Finds free ports.</summary>
public static class LoopbackPort
{
    /// <summary>
    /// A port nobody listens on. It lies below the range the system gives to outgoing connections: a client that keeps calling a server
    /// which is down could otherwise be given the server's own port, connect to itself and keep the server from coming back.
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
                // Taken; try another.
            }
        }
        throw new InvalidOperationException("No free port was found between 20000 and 32000.");
    }
}
