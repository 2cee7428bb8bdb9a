using System.Buffers;
using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace ConcertSaga.Gateway;

/// <summary>Stands for one token or two whose check is remembered, so that the tokens themselves are not kept.</summary>
internal static class TokenHash
{
    // Longer ones are checked anew each time; the limits of a request let hardly any through.
    private const int Most = 8192;

    /// <summary>Half of a SHA-256, which nobody finds a second text for; null for what no token looks like.</summary>
    public static UInt128? Of(ReadOnlySpan<char> token, ReadOnlySpan<char> other = default)
    {
        if (token.Length + other.Length >= Most)
            return null;
        Span<byte> text = stackalloc byte[token.Length + 1 + other.Length];
        // Between the two stands what no header can have, so that no two pairs become one text.
        text[token.Length] = 0;
        if (Ascii.FromUtf16(token, text, out _) != OperationStatus.Done || Ascii.FromUtf16(other, text[(token.Length + 1)..], out _) != OperationStatus.Done)
            return null;
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(text, hash);
        return BinaryPrimitives.ReadUInt128LittleEndian(hash);
    }
}
