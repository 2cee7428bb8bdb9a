using System.Net;
using ConcertSaga.Shared.Hosting;
using Microsoft.AspNetCore.HttpOverrides;
using Microsoft.Extensions.Options;

namespace ConcertSaga.Gateway;

/// <summary>Section <c>ForwardedHeaders</c>: whose word about a caller's address is taken.</summary>
public sealed class ForwardedAddressesOptions
{
    /// <summary>
    /// Addresses or networks (<c>10.0.0.0/8</c>) of the load balancers in front. Only what comes from them may say, in
    /// <c>X-Forwarded-For</c> and <c>X-Forwarded-Proto</c>, whom it speaks for. None by default: the headers are then without effect.
    /// </summary>
    public string[] KnownProxies { get; set; } = [];
}

internal static class ForwardedAddresses
{
    public static void AddForwardedAddresses(this WebApplicationBuilder builder)
    {
        // The framework's own switch trusts whoever connects, which would make every limit by address and the demo sign-in forgeable.
        if (builder.Configuration.Read("ForwardedHeaders_Enabled", false))
            throw new StartupException(
                "ASPNETCORE_FORWARDEDHEADERS_ENABLED is 'true'; allowed: false. Name the proxies in ForwardedHeaders:KnownProxies instead.");

        var options = builder.AddOptionsSection<ForwardedAddressesOptions>("ForwardedHeaders");
        builder.Services.Configure<ForwardedHeadersOptions>(forwarded =>
        {
            forwarded.ForwardedHeaders = ForwardedHeaders.XForwardedFor | ForwardedHeaders.XForwardedProto;
            // A chain of known proxies is followed to its end, and no further than the first stranger.
            forwarded.ForwardLimit = null;
            forwarded.KnownProxies.Clear();
            forwarded.KnownIPNetworks.Clear();
            foreach (var proxy in options.KnownProxies)
                forwarded.KnownIPNetworks.Add(Network(proxy));
        });
        foreach (var proxy in options.KnownProxies)
            _ = Network(proxy);
    }

    public static void UseForwardedAddresses(this WebApplication app)
    {
        if (app.Services.GetRequiredService<IOptions<ForwardedAddressesOptions>>().Value.KnownProxies.Length > 0)
            app.UseForwardedHeaders();
    }

    private static System.Net.IPNetwork Network(string text)
    {
        if (System.Net.IPNetwork.TryParse(text, out var network))
            return network;
        if (IPAddress.TryParse(text, out var address))
            return new System.Net.IPNetwork(address, address.GetAddressBytes().Length * 8);
        throw new StartupException($"ForwardedHeaders:KnownProxies has '{text}'; allowed: addresses such as 10.0.0.7 and networks such as 10.0.0.0/8.");
    }
}
