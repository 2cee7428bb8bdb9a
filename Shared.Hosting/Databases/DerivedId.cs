using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace ConcertSaga.Shared.Hosting.Databases;

/// <summary>Creates ids that derive from another id, so that a repetition finds the same one.</summary>
public static class DerivedId
{
    /// <summary>
    /// Derives an id. It begins with the time of the other one, so keys still grow, and a digest of both makes it unique.
    /// </summary>
    /// <param name="id">The other id, a UUID of version 7.</param>
    /// <param name="name">Tells the ids apart that derive from the same one.</param>
    public static Guid Of(Guid id, string name)
    {
        Span<byte> input = stackalloc byte[16 + Encoding.UTF8.GetMaxByteCount(name.Length)];
        id.TryWriteBytes(input, bigEndian: true, out _);
        var length = 16 + Encoding.UTF8.GetBytes(name, input[16..]);
        Span<byte> digest = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(input[..length], digest);
        var derived = digest[..16];
        input[..6].CopyTo(derived);
        // UUID version 8 (application-defined) and the RFC 9562 variant.
        BinaryPrimitives.WriteUInt16BigEndian(derived[6..],
            (ushort)((BinaryPrimitives.ReadUInt16BigEndian(derived[6..]) & 0x0FFF) | 0x8000));
        derived[8] = (byte)((derived[8] & 0x3F) | 0x80);
        return new Guid(derived, bigEndian: true);
    }
}
