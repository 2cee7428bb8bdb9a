using System.Net;
using ConcertSaga.Shared.Hosting;
using Microsoft.AspNetCore.HttpOverrides;
using Microsoft.Extensions.Options;

namespace ConcertSaga.Gateway.Http;

/// <summary>Section <c>ForwardedHeaders</c>: the proxies whose statement of a caller's address the gateway trusts.</summary>
public sealed class ForwardedAddressesOptions
{
    /// <summary>
    /// Addresses or networks (<c>10.0.0.0/8</c>) of the load balancers in front. The gateway reads <c>X-Forwarded-For</c> and
    /// <c>X-Forwarded-Proto</c> only from them. None by default: the gateway then ignores both headers.
    /// </summary>
    public string[] KnownProxies { get; set; } = [];
}

/// <summary>Takes a caller's address from the forwarding headers of known proxies.</summary>
internal static class ForwardedAddresses
{
    public static void AddForwardedAddresses(this WebApplicationBuilder builder)
    {
        // The framework's own switch trusts every peer. Any caller could then forge its address, for rate limits and the demo sign-in.
        if (builder.Configuration.Read("ForwardedHeaders_Enabled", false))
            throw new StartupException(
                "ASPNETCORE_FORWARDEDHEADERS_ENABLED is 'true'; allowed: false. Name the proxies in ForwardedHeaders:KnownProxies "
                    + "instead.");

        var options = builder.AddOptionsSection<ForwardedAddressesOptions>("ForwardedHeaders");
        builder.Services.Configure<ForwardedHeadersOptions>(forwarded =>
        {
            forwarded.ForwardedHeaders = ForwardedHeaders.XForwardedFor | ForwardedHeaders.XForwardedProto;
            // Follows a chain of known proxies to the first unknown address.
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
        var address = text.Split('/')[0];
        // The parser also reads 10.1 as 10.0.0.1.
        if (IPAddress.TryParse(address, out var parsed) && (address.Contains(':') || parsed.ToString() == address))
        {
            if (text == address)
                return new System.Net.IPNetwork(parsed, parsed.GetAddressBytes().Length * 8);
            if (System.Net.IPNetwork.TryParse(text, out var network) && network.BaseAddress.Equals(parsed))
                return network;
        }
        throw new StartupException($"ForwardedHeaders:KnownProxies has {SettingText.Show("ForwardedHeaders:KnownProxies", text)}; "
            + "allowed: addresses such as 10.0.0.7 and networks such as 10.0.0.0/8.");
    }
}
