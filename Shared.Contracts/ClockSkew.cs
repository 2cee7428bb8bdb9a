namespace ConcertSaga.Contracts;

/// <summary>The difference between the clocks of two processes that the product tolerates.</summary>
public static class ClockSkew
{
    /// <summary>Ten seconds, in either direction.</summary>
    public static readonly TimeSpan Tolerance = TimeSpan.FromSeconds(10);
}
