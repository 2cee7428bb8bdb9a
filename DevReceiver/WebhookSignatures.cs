using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace ConcertSaga.DevReceiver;

/// <summary>Checks the three headers of a request by the rules of Standard Webhooks.</summary>
/// <param name="secrets">The valid secrets. A signature by any of them is accepted, so secrets can change without a gap.</param>
/// <param name="clock">The clock that checks timestamps.</param>
public sealed class WebhookSignatures(IReadOnlyList<string> secrets, TimeProvider clock)
{
    private const string Version = "v1,";

    // A sender that changes its secret sends two. Each signature costs hashing, so their number is limited.
    private const int MaxSignatures = 10;

    private static readonly TimeSpan Tolerance = TimeSpan.FromMinutes(5);

    private readonly byte[][] _keys = [.. secrets.Select(WebhookSecret.KeyOf)];

    /// <summary>Returns the fault of a request, or null if it is valid.</summary>
    public string? FindFault(string id, string timestamp, string signatures, ReadOnlySpan<byte> body)
    {
        if (id.Length == 0 || timestamp.Length == 0 || signatures.Length == 0)
            return "webhook-id, webhook-timestamp or webhook-signature is missing";
        if (!long.TryParse(timestamp, NumberStyles.None, CultureInfo.InvariantCulture, out var seconds)
            || seconds > DateTimeOffset.MaxValue.ToUnixTimeSeconds())
            return "webhook-timestamp is not in seconds since 1970";
        if ((clock.GetUtcNow() - DateTimeOffset.FromUnixTimeSeconds(seconds)).Duration() > Tolerance)
            return "webhook-timestamp differs from the receiver's clock by more than five minutes";
        return IsSigned(id, timestamp, signatures, body) ? null : "no signature is valid";
    }

    private bool IsSigned(string id, string timestamp, string signatures, ReadOnlySpan<byte> body)
    {
        var head = Encoding.UTF8.GetBytes($"{id}.{timestamp}.");
        Span<byte> expected = stackalloc byte[HMACSHA256.HashSizeInBytes], given = stackalloc byte[HMACSHA256.HashSizeInBytes];
        var isValid = false;
        foreach (var key in _keys)
        {
            using var hmac = IncrementalHash.CreateHMAC(HashAlgorithmName.SHA256, key);
            hmac.AppendData(head);
            hmac.AppendData(body);
            hmac.GetHashAndReset(expected);
            foreach (var signature in signatures.Split(' ', MaxSignatures + 1).Take(MaxSignatures))
            {
                if (signature.StartsWith(Version, StringComparison.Ordinal)
                    && Convert.TryFromBase64String(signature[Version.Length..], given, out var length)
                    && length == given.Length)
                    isValid |= CryptographicOperations.FixedTimeEquals(given, expected);
            }
        }
        return isValid;
    }
}
