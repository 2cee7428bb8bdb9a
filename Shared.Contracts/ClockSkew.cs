namespace ConcertSaga.Contracts;

/// <summary>The difference between the clocks of two processes that the product tolerates.</summary>
public static class ClockSkew
{
    /// <summary>Ten seconds, in either direction.</summary>
    public static readonly TimeSpan Tolerance = TimeSpan.FromSeconds(10);

    /// <summary>
    /// How long a revocation is kept after the end of its token. Several clocks decide when the token ends, each with the tolerance.
    /// </summary>
    public static readonly TimeSpan RevocationMargin = TimeSpan.FromMinutes(1);
}
