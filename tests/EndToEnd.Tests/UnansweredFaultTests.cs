using Xunit;

namespace ConcertSaga.EndToEnd.Tests;

/// <summary>
/// Drops and delays each command. It is resent, the outcome is right, steps are compensated in reverse, and the history records it.
/// </summary>
[Trait("Part", "Faults")]
public sealed class UnansweredFaultTests(FaultDrill systems) : IClassFixture<FaultDrill>
{
    private const string Dropped = "\"DropRate\": 1";
    // The first delay exceeds one attempt, the second exceeds all attempts together.
    private const string Late = "\"Delay\": \"00:00:01.5\"";
    private const string TooLate = "\"Delay\": \"00:00:05\"";

    private static readonly TimeSpan StepTimeout = TimeSpan.FromSeconds(1);

    /// <summary>
    /// The command, its fault, and the expected status and failure code of a reservation that is paid at once. Rows of compensations expect
    /// it to be cancelled afterwards.
    /// </summary>
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
    public async Task Command_WithoutATimelyReply_EndsAsExpected(string command, string fault, string outcome, string? code)
    {
        // The saga retries these commands indefinitely, so the fault must end.
        var isLifted = fault == Dropped && outcome != "Failed";

        var histories = await systems.RunAsync(StepTimeout, command, fault, isLifted, outcome, code);

        Assert.All(histories, history => Assert.Contains("Resent, attempt 2.", history, StringComparison.Ordinal));
    }
}
