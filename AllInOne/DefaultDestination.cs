using ConcertSaga.DevReceiver;
using ConcertSaga.Shared.Hosting;

namespace ConcertSaga.AllInOne;

/// <summary>
/// Starts a receiver of deliveries in this process if no destination is configured. It listens on a free loopback port and gets a new
/// secret at each start. Its address is the only internal one that the relay may call.
/// </summary>
internal static class DefaultDestination
{
    private const string Destination = "DataPlatform:Destination", Secrets = "DataPlatform:Secrets",
        AllowedNetworks = "DataPlatform:AllowedNetworks";

    // The receiver shows recent events and is no archive.
    private const int MaxRemembered = 10_000;

    /// <summary>Starts the receiver, or returns null if a destination is configured.</summary>
    public static async Task<Receiver?> StartAsync(IConfiguration configuration)
    {
        if (configuration[Destination] is { Length: > 0 })
            return configuration.GetSection(Secrets) is { Value: null or "" } section && !section.GetChildren().Any()
                ? throw new StartupException(
                    $"{Secrets} is missing; allowed: the secrets shared with {Destination}, each whsec_ and 24 to 64 bytes in "
                        + $"base64.") : null;
        return configuration.GetSection("DataPlatform").GetChildren()
            .FirstOrDefault(setting => setting.Key is "Secrets" or "AllowedNetworks") is { } orphan
            ? throw new StartupException(
                $"{orphan.Path} is given without {Destination}; allowed: both settings, or neither to use the receiver of AllInOne.")
            : await Receiver.StartAsync(new ReceiverOptions { Secrets = [WebhookSecret.Create()], Remembered = MaxRemembered });
    }

    /// <summary>The settings with which the relay reaches the receiver.</summary>
    public static Dictionary<string, string?> SettingsOf(Receiver? receiver) => receiver is null ? [] : new()
    {
        [Destination] = receiver.Address.AbsoluteUri,
        [Secrets] = receiver.Secrets[0],
        [AllowedNetworks] = $"{receiver.Address.Host}/32"
    };
}
