using ConcertSaga.Contracts.Queue;

namespace ConcertSaga.Queue.Data;

/// <summary>
/// A key that signs queue tokens. The database holds it, because all replicas sign with it and its tokens outlive the process.
/// </summary>
public sealed class SigningKey
{
    /// <summary>Random, so one name never stands for two keys, even after the database was recreated.</summary>
    public required string Kid { get; init; }

    public required QueueTokenKind Kind { get; init; }

    /// <summary>The secret of HS256, or the private key of ES256 as PKCS #8.</summary>
    public required byte[] Key { get; init; }

    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>The beginning of its period; unique per kind, so only one of several replicas creates the key.</summary>
    public required DateTimeOffset SignsFrom { get; init; }

    public required DateTimeOffset SignsUntil { get; init; }

    /// <summary>The latest expiry of a token signed with this key.</summary>
    public required DateTimeOffset ValidUntil { get; init; }
}
