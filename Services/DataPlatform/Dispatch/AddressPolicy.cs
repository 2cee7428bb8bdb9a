using System.Net;
using System.Net.Sockets;
using ConcertSaga.Shared.Hosting;
using ConcertSaga.Shared.Hosting.Http;

namespace ConcertSaga.DataPlatform.Dispatch;

/// <summary>
/// Decides which addresses the relay may connect to. It judges the resolved address and not the name, because a name can resolve to any
/// address, and to another one next time.
/// </summary>
internal sealed class AddressPolicy
{
    // Special-purpose addresses by the IANA registries. They include the metadata addresses from which cloud machines read credentials.
    private static readonly IPNetwork[] NotPublic =
    [
        .. new[]
        {
            "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "168.63.129.16/32", "169.254.0.0/16", "172.16.0.0/12",
            "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
            "224.0.0.0/4", "240.0.0.0/4",
            // In IPv6, only 2000::/3 is public, except for embedded IPv4 addresses and documentation ranges.
            "::/3", "4000::/2", "8000::/1", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"
        }.Select(text => IPNetwork.Parse(text))
    ];

    private readonly IPNetwork[] _allowed;
    private readonly Func<string, CancellationToken, Task<IPAddress[]>> _resolve;

    /// <param name="allowedNetworks">Networks that are allowed although they are not public.</param>
    /// <param name="resolve">Resolves a name; the machine's resolver by default.</param>
    public AddressPolicy(IEnumerable<string> allowedNetworks, Func<string, CancellationToken, Task<IPAddress[]>>? resolve = null)
    {
        _allowed = [.. allowedNetworks.Select(Parse)];
        _resolve = resolve ?? Dns.GetHostAddressesAsync;
    }

    public bool Allows(IPAddress address)
    {
        var plain = address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;
        return Array.Exists(_allowed, network => network.Contains(plain)) || !Array.Exists(NotPublic, network => network.Contains(plain));
    }

    /// <summary>Connects to the allowed address of a name that answers first.</summary>
    /// <exception cref="AddressRefusedException">The name resolves to no allowed address.</exception>
    public async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken cancellationToken)
    {
        var host = context.DnsEndPoint.Host;
        var resolved = await _resolve(host, cancellationToken);
        var allowed = Array.FindAll(resolved, Allows);
        if (allowed.Length == 0)
            throw new AddressRefusedException(host, resolved);
        return new NetworkStream(await ConnectionRace.ConnectAsync(allowed, context.DnsEndPoint.Port, cancellationToken), ownsSocket: true);
    }

    private static IPNetwork Parse(string text) => IPNetwork.TryParse(text, out var network)
        ? network
        : throw new StartupException(
            $"DataPlatform:AllowedNetworks is '{text}'; allowed: networks such as 10.20.0.0/16, separated by commas.");
}

/// <summary>The destination's name resolves to no address that the relay may connect to.</summary>
internal sealed class AddressRefusedException(string host, IPAddress[] resolved) : IOException(
    resolved.Length == 0 ? $"{host} resolves to no address."
        : $"{host} resolves to {string.Join(", ", resolved.Take(4).Select(address => address.ToString()))}, which is not public. "
            + "Add its network to DataPlatform:AllowedNetworks to allow it.");
