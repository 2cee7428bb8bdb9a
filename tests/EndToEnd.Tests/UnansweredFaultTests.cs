using Xunit;

namespace ConcertSaga.EndToEnd.Tests;

/// <summary>Each command dropped and delayed: it is sent again, the outcome is right, everything is undone in reverse, and the history tells it.</summary>
[Trait("Category", "RunOnce")]
public sealed class UnansweredFaultTests(FaultySystems systems) : IClassFixture<FaultySystems>
{
    private const string Dropped = "\"DropRate\": 1";
    // Longer than one attempt; longer than all of them.
    private const string Late = "\"Delay\": \"00:00:01\"";
    private const string TooLate = "\"Delay\": \"00:00:03.5\"";

    private static readonly TimeSpan StepTimeout = TimeSpan.FromSeconds(0.8);

    /// <summary>Command, fault, how a reservation that pays at once (and is then cancelled, where that is the command's time) ends, with which code.</summary>
    public static TheoryData<string, string, string, string?> Rows() => new(
        ("HoldSeats", Dropped, "Failed", "STEP_TIMED_OUT"),
        ("DeductPoints", Dropped, "Failed", "STEP_TIMED_OUT"),
        ("ConfirmPayment", Dropped, "Failed", "STEP_TIMED_OUT"),
        ("ConfirmSeats", Dropped, "Confirmed", null),
        ("CancelPayment", Dropped, "Cancelled", null),
        ("RefundPoints", Dropped, "Cancelled", null),
        ("ReleaseSeats", Dropped, "Cancelled", null),

        ("HoldSeats", Late, "Confirmed", null),
        ("DeductPoints", Late, "Confirmed", null),
        ("ConfirmPayment", Late, "Confirmed", null),
        ("ConfirmSeats", Late, "Confirmed", null),
        ("CancelPayment", Late, "Cancelled", null),
        ("RefundPoints", Late, "Cancelled", null),
        ("ReleaseSeats", Late, "Cancelled", null),

        ("HoldSeats", TooLate, "Failed", "STEP_TIMED_OUT"),
        ("DeductPoints", TooLate, "Failed", "STEP_TIMED_OUT"),
        ("ConfirmPayment", TooLate, "Failed", "STEP_TIMED_OUT"),
        ("ConfirmSeats", TooLate, "Confirmed", null));

    [Theory]
    [MemberData(nameof(Rows))]
    public async Task Command_Faulty_EndsRightAndUndone(string command, string fault, string outcome, string? code)
    {
        // Steps that are never given up would otherwise never end.
        var isLifted = fault == Dropped && outcome != "Failed";

        var stories = await systems.StoriesAsync(StepTimeout, command, fault, isLifted, outcome, code);

        Assert.All(stories, story => Assert.Contains("Sent again, attempt 2.", story, StringComparison.Ordinal));
    }
}
