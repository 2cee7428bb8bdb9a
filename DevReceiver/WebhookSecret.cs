using System.Security.Cryptography;

namespace ConcertSaga.DevReceiver;

/// <summary>Creates and parses shared secrets in the format of Standard Webhooks: <c>whsec_</c> and 24 to 64 bytes in base64.</summary>
public static class WebhookSecret
{
    private const string Prefix = "whsec_";
    private const int MinBytes = 24, MaxBytes = 64;

    /// <summary>Creates a random secret.</summary>
    public static string Create() => Prefix + Convert.ToBase64String(RandomNumberGenerator.GetBytes(32));

    /// <summary>Returns the key of a secret.</summary>
    /// <exception cref="FormatException">The secret is invalid. The message does not repeat it.</exception>
    public static byte[] KeyOf(string secret)
    {
        var text = secret.StartsWith(Prefix, StringComparison.Ordinal) ? secret[Prefix.Length..] : "";
        var key = new byte[MaxBytes + 1];
        return Convert.TryFromBase64String(text, key, out var length) && length is >= MinBytes and <= MaxBytes
            ? key[..length]
            : throw new FormatException($"the secret is invalid; allowed: {Prefix} followed by {MinBytes} to {MaxBytes} bytes in base64.");
    }
}
