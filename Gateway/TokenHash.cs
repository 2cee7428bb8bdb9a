using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace ConcertSaga.Gateway;

/// <summary>Stands for a token whose check is remembered, so that the token itself is not kept.</summary>
internal static class TokenHash
{
    /// <summary>Half of a SHA-256, which nobody finds a second text for.</summary>
    public static UInt128 Of(ReadOnlySpan<char> token)
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(MemoryMarshal.AsBytes(token), hash);
        return BinaryPrimitives.ReadUInt128LittleEndian(hash);
    }
}
