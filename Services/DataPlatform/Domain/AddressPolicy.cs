using System.Net;
using System.Net.Sockets;
using ConcertSaga.Shared.Hosting;

namespace ConcertSaga.DataPlatform.Domain;

/// <summary>
/// Which addresses may be connected to. Judged on the address a name has led to and not on the name, because a name can lead anywhere, and
/// elsewhere the next time.
/// </summary>
internal sealed class AddressPolicy
{
    // What is not part of the public network, by the registries of special addresses; also where cloud machines keep their credentials.
    private static readonly IPNetwork[] NotPublic =
    [
        .. new[]
        {
            "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "168.63.129.16/32", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
            "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
            // Of the sixth version only 2000::/3 is public, without what carries addresses of the fourth inside or is for documents.
            "::/3", "4000::/2", "8000::/1", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"
        }.Select(text => IPNetwork.Parse(text))
    ];

    private readonly IPNetwork[] _allowed;

    public AddressPolicy(IEnumerable<string> allowedNetworks) => _allowed = [.. allowedNetworks.Select(Parse)];

    public bool Allows(IPAddress address)
    {
        var plain = address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;
        return Array.Exists(_allowed, network => network.Contains(plain)) || !Array.Exists(NotPublic, network => network.Contains(plain));
    }

    /// <summary>Connects to the first address of a name that answers, of those that are allowed.</summary>
    /// <exception cref="AddressRefusedException">None of them is.</exception>
    public async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken cancellationToken)
    {
        var (host, port) = (context.DnsEndPoint.Host, context.DnsEndPoint.Port);
        var found = await Dns.GetHostAddressesAsync(host, cancellationToken);
        var allowed = Array.FindAll(found, Allows);
        if (allowed.Length == 0)
            throw new AddressRefusedException(host, found);
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(allowed, port, cancellationToken);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private static IPNetwork Parse(string text) => IPNetwork.TryParse(text, out var network)
        ? network
        : throw new StartupException($"DataPlatform:AllowedNetworks is '{text}'; allowed: networks such as 10.20.0.0/16, separated by commas.");
}

/// <summary>The destination's name leads to no address that may be connected to.</summary>
internal sealed class AddressRefusedException(string host, IPAddress[] found) : IOException(
    $"{host} leads to {(found.Length == 0 ? "no address" : string.Join(", ", found.Take(4).Select(one => one.ToString())))}, which is not public; DataPlatform:AllowedNetworks can allow it.");
