using System.Collections.Concurrent;
using System.Security.Cryptography;
using ConcertSaga.Contracts.Queue;

namespace ConcertSaga.Gateway.Queue;

/// <summary>A key that can check signatures of one kind of token and no other.</summary>
internal sealed class QueueKey
{
    private readonly QueueTokenKey _source;
    private readonly byte[] _key;

    // An instance may be used by one caller at a time.
    private readonly ConcurrentBag<ECDsa> _checkers = [];

    private QueueKey(QueueTokenKey source, byte[] key) => (_source, _key) = (source, key);

    public string Kid => _source.Kid;

    public QueueTokenKind Kind => _source.Kind;

    public DateTimeOffset ValidUntil => _source.ValidUntil;

    /// <summary>Null when the key is none: no token can be signed with it, and the others still count.</summary>
    public static QueueKey? TryRead(QueueTokenKey source)
    {
        try
        {
            var key = new QueueKey(source, Convert.FromBase64String(source.Key));
            if (source.Kind == QueueTokenKind.Pass)
                key._checkers.Add(key.MakeChecker());
            return source.Kind == QueueTokenKind.Waiting && key._key.Length < 32 ? null : key;
        }
        catch (Exception exception) when (exception is FormatException or CryptographicException)
        {
            return null;
        }
    }

    public bool IsMadeOf(QueueTokenKey source) => _source == source;

    /// <summary>Whether the signature is this key's, by the one algorithm of its kind.</summary>
    public bool Signed(ReadOnlySpan<byte> content, ReadOnlySpan<byte> signature)
    {
        if (Kind == QueueTokenKind.Waiting)
        {
            Span<byte> expected = stackalloc byte[HMACSHA256.HashSizeInBytes];
            HMACSHA256.HashData(_key, content, expected);
            return CryptographicOperations.FixedTimeEquals(expected, signature);
        }
        if (!_checkers.TryTake(out var checker))
            checker = MakeChecker();
        var signed = signature.Length == 64 && checker.VerifyData(content, signature, HashAlgorithmName.SHA256, DSASignatureFormat.IeeeP1363FixedFieldConcatenation);
        _checkers.Add(checker);
        return signed;
    }

    private ECDsa MakeChecker()
    {
        var checker = ECDsa.Create();
        checker.ImportSubjectPublicKeyInfo(_key, out _);
        return checker.KeySize == 256 ? checker : throw new CryptographicException("ES256 takes keys of P-256.");
    }
}
