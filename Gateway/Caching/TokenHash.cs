using System.Buffers;
using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace ConcertSaga.Gateway.Caching;

/// <summary>Hashes one or two tokens into a cache key, so that a cache holds no tokens.</summary>
internal static class TokenHash
{
    // Longer tokens are not cached. The limits of a request let hardly any through.
    private const int MaxLength = 8192;

    /// <summary>Half of a SHA-256, still free of practical collisions; null if the text is too long or not ASCII.</summary>
    public static UInt128? Of(ReadOnlySpan<char> token, ReadOnlySpan<char> other = default)
    {
        if (token.Length + other.Length >= MaxLength)
            return null;
        Span<byte> text = stackalloc byte[token.Length + 1 + other.Length];
        // A separator that no header contains keeps two different pairs from becoming one text.
        text[token.Length] = 0;
        if (Ascii.FromUtf16(token, text, out _) != OperationStatus.Done
            || Ascii.FromUtf16(other, text[(token.Length + 1)..], out _) != OperationStatus.Done)
            return null;
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(text, hash);
        return BinaryPrimitives.ReadUInt128LittleEndian(hash);
    }
}
