using System.Security.Cryptography;

namespace ConcertSaga.DataPlatformStub;

/// <summary>A shared secret as the Standard Webhooks rules write it: <c>whsec_</c> and 24 to 64 bytes in base64.</summary>
public static class WebhookSecret
{
    private const string Prefix = "whsec_";
    private const int Shortest = 24, Longest = 64;

    /// <summary>A new one.</summary>
    public static string Create() => Prefix + Convert.ToBase64String(RandomNumberGenerator.GetBytes(32));

    /// <summary>The key in it.</summary>
    /// <exception cref="FormatException">It is not such a secret. The message does not repeat it.</exception>
    public static byte[] KeyOf(string secret)
    {
        var text = secret.StartsWith(Prefix, StringComparison.Ordinal) ? secret[Prefix.Length..] : "";
        var key = new byte[Longest + 1];
        return Convert.TryFromBase64String(text, key, out var length) && length is >= Shortest and <= Longest
            ? key[..length] : throw new FormatException($"the secret is not fit; allowed: {Prefix} followed by {Shortest} to {Longest} bytes in base64.");
    }
}
