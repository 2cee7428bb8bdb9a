namespace ConcertSaga.Queue.Tokens;

/// <summary>
/// Gives the time in which customers can pay for seats reserved at the last moment of a pass, from <c>Reservation:HoldDuration</c>.
/// </summary>
internal sealed record PaymentTime(TimeSpan HoldDuration)
{
    /// <summary>The expiry of a pass. It covers the payment of all seats held with the pass.</summary>
    public DateTimeOffset ExpOf(DateTimeOffset bookUntil) => bookUntil + HoldDuration + TimeSpan.FromMinutes(1);
}
