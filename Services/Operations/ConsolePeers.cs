using ConcertSaga.OperatorConsole.Api;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.Options;

namespace ConcertSaga.Operations;

/// <summary>Finds the services whose routes the console calls.</summary>
internal static class ConsolePeers
{
    public static Uri? AddressOf(IServiceProvider services, Peer peer)
    {
        var options = services.GetRequiredService<IOptions<OperationsOptions>>().Value;
        return peer switch
        {
            Peer.Orchestrator => options.OrchestratorAddress,
            Peer.Queue => options.QueueAddress,
            Peer.Seats => options.SeatsAddress,
            Peer.DataPlatform => options.DataPlatformAddress,
            _ => OwnAddress(services.GetRequiredService<IServer>())
        };
    }

    // The server listens on all addresses of the machine, or on one of them.
    private static Uri? OwnAddress(IServer server) =>
        server.Features.Get<IServerAddressesFeature>()?.Addresses.FirstOrDefault() is not { } address ? null
            : new Uri(address.Replace("://[::]", "://127.0.0.1", StringComparison.Ordinal)
                .Replace("://0.0.0.0", "://127.0.0.1", StringComparison.Ordinal)
                .Replace("://*", "://127.0.0.1", StringComparison.Ordinal).Replace("://+", "://127.0.0.1", StringComparison.Ordinal));
}
