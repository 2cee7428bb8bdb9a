using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using ConcertSaga.Shared.Hosting;

namespace ConcertSaga.DataPlatform.Dispatch;

/// <summary>Signs deliveries with every configured secret, by the rules of Standard Webhooks.</summary>
internal sealed class Signer
{
    public const string Allowed = "whsec_ followed by 24 to 64 bytes in base64, several separated by commas";

    private const string Prefix = "whsec_";

    private readonly byte[][] _keys;

    public Signer(IEnumerable<string> secrets) => _keys = [.. secrets.Select(Parse)];

    public bool CanSign => _keys.Length > 0;

    /// <summary>The value of <c>webhook-signature</c>: one signature for each secret, separated by spaces.</summary>
    public string Sign(Guid id, long timestamp, ReadOnlySpan<byte> body)
    {
        var head = Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{id}.{timestamp}."));
        var signatures = new StringBuilder();
        Span<byte> digest = stackalloc byte[HMACSHA256.HashSizeInBytes];
        foreach (var key in _keys)
        {
            using var hash = IncrementalHash.CreateHMAC(HashAlgorithmName.SHA256, key);
            hash.AppendData(head);
            hash.AppendData(body);
            hash.GetHashAndReset(digest);
            signatures.Append(signatures.Length == 0 ? "v1," : " v1,").Append(Convert.ToBase64String(digest));
        }
        return signatures.ToString();
    }

    // A mistyped value may contain most of a secret, so the error does not repeat it.
    private static byte[] Parse(string secret)
    {
        var key = new byte[65];
        return secret.StartsWith(Prefix, StringComparison.Ordinal)
            && Convert.TryFromBase64String(secret[Prefix.Length..], key, out var length) && length is >= 24 and <= 64
            ? key[..length]
            : throw new StartupException($"DataPlatform:Secrets contains an invalid secret; allowed: {Allowed}.");
    }
}
