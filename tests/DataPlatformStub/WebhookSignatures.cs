using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace ConcertSaga.DataPlatformStub;

/// <summary>Judges a request by its three headers, as the Standard Webhooks rules say.</summary>
/// <param name="secrets">Any of them will do, so that they can be changed without a gap.</param>
/// <param name="clock">Says whether a timestamp is near enough.</param>
public sealed class WebhookSignatures(IReadOnlyList<string> secrets, TimeProvider clock)
{
    private const string Version = "v1,";

    // More than a sender in the middle of a change would ever send; each costs two hashes.
    private const int MostSignatures = 10;

    private static readonly TimeSpan Tolerance = TimeSpan.FromMinutes(5);

    private readonly byte[][] _keys = [.. secrets.Select(WebhookSecret.KeyOf)];

    /// <summary>What is wrong with a request; null where nothing is.</summary>
    public string? FindFault(string id, string timestamp, string signatures, ReadOnlySpan<byte> body)
    {
        if (id.Length == 0 || timestamp.Length == 0 || signatures.Length == 0)
            return "webhook-id, webhook-timestamp or webhook-signature is missing";
        if (!long.TryParse(timestamp, NumberStyles.None, CultureInfo.InvariantCulture, out var seconds) || seconds > DateTimeOffset.MaxValue.ToUnixTimeSeconds())
            return "webhook-timestamp is not in seconds since 1970";
        if ((clock.GetUtcNow() - DateTimeOffset.FromUnixTimeSeconds(seconds)).Duration() > Tolerance)
            return "webhook-timestamp is more than five minutes away";
        return IsSigned(id, timestamp, signatures, body) ? null : "no signature fits";
    }

    private bool IsSigned(string id, string timestamp, string signatures, ReadOnlySpan<byte> body)
    {
        var head = Encoding.UTF8.GetBytes($"{id}.{timestamp}.");
        Span<byte> expected = stackalloc byte[HMACSHA256.HashSizeInBytes], given = stackalloc byte[HMACSHA256.HashSizeInBytes];
        var fits = false;
        foreach (var key in _keys)
        {
            using var hmac = IncrementalHash.CreateHMAC(HashAlgorithmName.SHA256, key);
            hmac.AppendData(head);
            hmac.AppendData(body);
            hmac.GetHashAndReset(expected);
            foreach (var signature in signatures.Split(' ', MostSignatures + 1).Take(MostSignatures))
            {
                if (signature.StartsWith(Version, StringComparison.Ordinal) && Convert.TryFromBase64String(signature[Version.Length..], given, out var length)
                    && length == given.Length)
                    fits |= CryptographicOperations.FixedTimeEquals(given, expected);
            }
        }
        return fits;
    }
}
