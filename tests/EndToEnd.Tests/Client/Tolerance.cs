namespace ConcertSaga.EndToEnd.Tests.Client;

/// <summary>Which answers a client repeats its request for, because the system is broken at the moment.</summary>
/// <param name="WrongClocks">Whether clocks may be wrong, so that a token may not be valid for a while.</param>
/// <param name="LittleMemory">Whether a process may lack memory, and then fail in any way.</param>
public sealed record Tolerance(bool WrongClocks = false, bool LittleMemory = false)
{
    /// <summary>Whether the answer is only temporary.</summary>
    public bool Excuses(Answer answer) => answer.Status is 429 or 503 || (WrongClocks && IsOfAWrongClock(answer))
        || (LittleMemory && answer.Status >= 500);

    // A token that is not valid yet, or no longer.
    private static bool IsOfAWrongClock(Answer answer) =>
        answer.Status == 401 || answer.Code?.StartsWith("QUEUE_TOKEN", StringComparison.Ordinal) == true;
}
