using ConcertSaga.DataPlatformStub;
using ConcertSaga.Shared.Hosting;

namespace ConcertSaga.AllInOne;

/// <summary>
/// Where deliveries go when nobody has said where: to a receiver in this process, on a loopback port of its own, with a new secret at each
/// start. Only for it, and for this one address, is a destination inside allowed.
/// </summary>
internal static class DefaultDestination
{
    private const string Destination = "DataPlatform:Destination", Secrets = "DataPlatform:Secrets", AllowedNetworks = "DataPlatform:AllowedNetworks";

    // What was told is looked at, not kept.
    private const int Remembered = 10_000;

    /// <summary>Starts the receiver; null where a destination is configured.</summary>
    public static async Task<Receiver?> StartAsync(string[] args)
    {
        // Before there is a host, because the host is built with what comes out of this.
        var configuration = new ConfigurationBuilder().SetBasePath(AppContext.BaseDirectory).AddJsonFile("appsettings.json", optional: true)
            .AddEnvironmentVariables().AddCommandLine(args).Build();
        if (configuration[Destination] is { Length: > 0 })
            return configuration.GetSection(Secrets) is { Value: null or "" } section && !section.GetChildren().Any()
                ? throw new StartupException($"{Secrets} is missing; allowed: the secrets that {Destination} knows, each whsec_ and 24 to 64 bytes in base64.") : null;
        return configuration.GetSection("DataPlatform").GetChildren().FirstOrDefault(given => given.Key is "Secrets" or "AllowedNetworks") is { } alone
            ? throw new StartupException($"{alone.Path} is given without {Destination}; allowed: both, or neither for a receiver of AllInOne's own.")
            : await Receiver.StartAsync(new ReceiverOptions { Secrets = [WebhookSecret.Create()], Remembered = Remembered });
    }

    /// <summary>What the relay has to know of it.</summary>
    public static Dictionary<string, string?> SettingsOf(Receiver? receiver) => receiver is null ? [] : new()
    {
        [Destination] = receiver.Address.AbsoluteUri,
        [Secrets] = receiver.Secrets[0],
        [AllowedNetworks] = $"{receiver.Address.Host}/32"
    };
}
