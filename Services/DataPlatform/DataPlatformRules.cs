using ConcertSaga.Shared.Hosting;

namespace ConcertSaga.DataPlatform;

/// <summary>
/// Checks the settings that no attribute can check. No message repeats an address, because it may contain a secret.
/// </summary>
internal static class DataPlatformRules
{
    private static readonly TimeSpan MinLeaseMargin = TimeSpan.FromSeconds(5);

    /// <exception cref="StartupException">A setting cannot work, or two contradict each other.</exception>
    public static void Check(DataPlatformOptions options)
    {
        CheckAddress("Destination", options.Destination, "https://platform.example/reservations");
        CheckAddress("OrchestratorAddress", options.OrchestratorAddress, "http://orchestrator:8080");
        if (options.Destination is { Scheme: "http" } && options.AllowedNetworks.Length == 0)
            throw new StartupException(
                "DataPlatform:Destination is not https; allowed: an https address, or one in DataPlatform:AllowedNetworks.");
        Require(options.LeaseDuration >= options.Timeout + MinLeaseMargin,
            "LeaseDuration", options.LeaseDuration, "at least five seconds more than", "Timeout", options.Timeout);
        Require(options.BreakerMaxPause >= options.BreakerPause,
            "BreakerMaxPause", options.BreakerMaxPause, "at least", "BreakerPause", options.BreakerPause);
        // Otherwise the cleaner could delete a delivery while a later event of its reservation is still being retried.
        Require(options.Retention >= options.MaxAge, "Retention", options.Retention, "at least", "MaxAge", options.MaxAge);
        // Otherwise reconciliation would recreate the deleted deliveries in every round, and the relay would resend them.
        Require(options.Retention > options.ReconciliationOverlap + options.ReconciliationInterval,
            "Retention", options.Retention, "more than DataPlatform:ReconciliationInterval plus", "ReconciliationOverlap",
            options.ReconciliationOverlap);
    }

    private static void CheckAddress(string name, Uri? address, string example)
    {
        if (address is null)
            return;
        if (!address.IsAbsoluteUri || (address.Scheme != Uri.UriSchemeHttp && address.Scheme != Uri.UriSchemeHttps)
            || address.Host.Length == 0)
            throw new StartupException(
                $"DataPlatform:{name} is not an http or https address; allowed: an absolute address such as {example}.");
        if (address.UserInfo.Length > 0)
            throw new StartupException(
                $"DataPlatform:{name} contains a user or password; allowed: an absolute address without them, such as {example}.");
    }

    private static void Require(bool isMet, string name, TimeSpan value, string allowed, string other, TimeSpan otherValue)
    {
        if (!isMet)
            throw new StartupException(
                $"DataPlatform:{name} is '{value}' and DataPlatform:{other} '{otherValue}'; allowed for the first: {allowed} "
                    + $"DataPlatform:{other}.");
    }
}
