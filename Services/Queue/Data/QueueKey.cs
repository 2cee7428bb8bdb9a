using ConcertSaga.Contracts.Queue;

namespace ConcertSaga.Queue.Data;

/// <summary>
/// A key that tokens are signed with. In the database, because all replicas sign with the same and a token outlives the process that gave it.
/// </summary>
public sealed class QueueKey
{
    /// <summary>Random: the same name never stands for two keys, not even after a database was made anew.</summary>
    public required string Kid { get; init; }

    public required QueueTokenKind Kind { get; init; }

    /// <summary>The secret of HS256, or the private key of ES256 as PKCS #8.</summary>
    public required byte[] Key { get; init; }

    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>The beginning of its period; unique per kind, so that of several replicas one makes the key.</summary>
    public required DateTimeOffset SignsFrom { get; init; }

    public required DateTimeOffset SignsUntil { get; init; }

    /// <summary>No token signed with it is valid longer.</summary>
    public required DateTimeOffset ValidUntil { get; init; }
}
