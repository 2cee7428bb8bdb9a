using System.Buffers;
using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace ConcertSaga.Shared.Hosting.Tokens;

/// <summary>Writes signed tokens in the compact form of RFC 7515.</summary>
public static class CompactJws
{
    /// <summary>Writes and signs a token.</summary>
    /// <param name="writeHeader">Writes the members of the header, including <c>alg</c>.</param>
    /// <param name="writeClaims">Writes the claims.</param>
    /// <param name="sign">Signs the bytes of both parts by <c>alg</c>.</param>
    public static string Write(Action<Utf8JsonWriter> writeHeader, Action<Utf8JsonWriter> writeClaims, Func<byte[], byte[]> sign)
    {
        var signed = $"{Encode(writeHeader)}.{Encode(writeClaims)}";
        return $"{signed}.{Base64Url.EncodeToString(sign(Encoding.ASCII.GetBytes(signed)))}";
    }

    /// <summary>Signs by ES256. The key is imported each time, because <see cref="ECDsa"/> is not thread-safe.</summary>
    /// <param name="privateKey">The private key as PKCS #8.</param>
    /// <param name="data">The bytes to sign.</param>
    public static byte[] SignEs256(byte[] privateKey, byte[] data)
    {
        using var ecdsa = ECDsa.Create();
        ecdsa.ImportPkcs8PrivateKey(privateKey, out _);
        return ecdsa.SignData(data, HashAlgorithmName.SHA256);
    }

    private static string Encode(Action<Utf8JsonWriter> writeMembers)
    {
        var buffer = new ArrayBufferWriter<byte>(256);
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            writeMembers(json);
            json.WriteEndObject();
        }
        return Base64Url.EncodeToString(buffer.WrittenSpan);
    }
}
