using Xunit;

namespace ConcertSaga.EndToEnd.Tests;

/// <summary>
/// Rejects and duplicates each command. The outcome is right, steps are compensated in reverse, and no command is resent.
/// </summary>
[Trait("Part", "Faults")]
public sealed class AnsweredFaultTests(FaultDrill systems) : IClassFixture<FaultDrill>
{
    private const string Rejected = "\"RejectRate\": 1";
    private const string Duplicated = "\"DuplicateRate\": 1";

    /// <summary>
    /// The command, its fault, and the expected status and failure code of a reservation that is paid at once. Rows of compensations expect
    /// it to be cancelled afterwards.
    /// </summary>
    public static TheoryData<string, string, string, string?> Rows() => new(
        ("HoldSeats", Rejected, "Rejected", "SEAT_UNAVAILABLE"),
        ("DeductPoints", Rejected, "Expired", "HOLD_EXPIRED"),
        ("ConfirmPayment", Rejected, "Failed", "PAYMENT_REJECTED"),
        ("ConfirmSeats", Rejected, "Failed", "SEATS_NOT_HELD"),

        ("HoldSeats", Duplicated, "Confirmed", null),
        ("DeductPoints", Duplicated, "Confirmed", null),
        ("ConfirmPayment", Duplicated, "Confirmed", null),
        ("ConfirmSeats", Duplicated, "Confirmed", null),
        ("CancelPayment", Duplicated, "Cancelled", null),
        ("RefundPoints", Duplicated, "Cancelled", null),
        ("ReleaseSeats", Duplicated, "Cancelled", null));

    [Theory]
    [MemberData(nameof(Rows))]
    public async Task Command_WithAReplyFault_EndsAsExpected(string command, string fault, string outcome, string? code)
    {
        var histories = await systems.RunAsync(FaultDrill.NoStepTimeout, command, fault, isLifted: false, outcome, code);

        Assert.All(histories, history => Assert.DoesNotContain("Resent", history, StringComparison.Ordinal));
    }
}
