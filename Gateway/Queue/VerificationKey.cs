using System.Collections.Concurrent;
using System.Security.Cryptography;
using ConcertSaga.Contracts.Queue;

namespace ConcertSaga.Gateway.Queue;

/// <summary>Verifies the signatures of one kind of queue token.</summary>
internal sealed class VerificationKey
{
    private readonly QueueTokenKey _source;
    private readonly byte[] _key;

    // ECDsa is not thread-safe, so each caller takes an instance and puts it back.
    private readonly ConcurrentBag<ECDsa> _verifiers = [];

    private VerificationKey(QueueTokenKey source, byte[] key)
    {
        _source = source;
        _key = key;
    }

    public string Kid => _source.Kid;

    public QueueTokenKind Kind => _source.Kind;

    public DateTimeOffset ValidUntil => _source.ValidUntil;

    /// <summary>Reads a key; null if it is malformed. The other keys of the snapshot remain usable.</summary>
    public static VerificationKey? TryRead(QueueTokenKey source)
    {
        try
        {
            var key = new VerificationKey(source, Convert.FromBase64String(source.Key));
            if (source.Kind == QueueTokenKind.Pass)
                key._verifiers.Add(key.CreateVerifier());
            return source.Kind == QueueTokenKind.Waiting && key._key.Length < 32 ? null : key;
        }
        catch (Exception exception) when (exception is FormatException or CryptographicException)
        {
            return null;
        }
    }

    public bool IsReadFrom(QueueTokenKey source) => _source == source;

    /// <summary>Verifies a signature with the only algorithm of this kind of token.</summary>
    public bool Verify(ReadOnlySpan<byte> content, ReadOnlySpan<byte> signature)
    {
        if (Kind == QueueTokenKind.Waiting)
        {
            Span<byte> expected = stackalloc byte[HMACSHA256.HashSizeInBytes];
            HMACSHA256.HashData(_key, content, expected);
            return CryptographicOperations.FixedTimeEquals(expected, signature);
        }
        if (!_verifiers.TryTake(out var verifier))
            verifier = CreateVerifier();
        var isValid = signature.Length == 64
            && verifier.VerifyData(content, signature, HashAlgorithmName.SHA256, DSASignatureFormat.IeeeP1363FixedFieldConcatenation);
        _verifiers.Add(verifier);
        return isValid;
    }

    private ECDsa CreateVerifier()
    {
        var verifier = ECDsa.Create();
        verifier.ImportSubjectPublicKeyInfo(_key, out _);
        return verifier.KeySize == 256 ? verifier : throw new CryptographicException("ES256 requires a P-256 key.");
    }
}
