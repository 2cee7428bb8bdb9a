using Xunit;

namespace ConcertSaga.EndToEnd.Tests;

/// <summary>Each command refused and duplicated: the outcome is right, everything is undone in reverse, and nothing is sent twice.</summary>
[Trait("Category", "RunOnce")]
public sealed class AnsweredFaultTests(FaultySystems systems) : IClassFixture<FaultySystems>
{
    private const string Refused = "\"RejectRate\": 1";
    private const string Duplicated = "\"DuplicateRate\": 1";

    // Every command is answered, so nothing may be sent again, however slow the machine is.
    private static readonly TimeSpan StepTimeout = TimeSpan.FromSeconds(20);

    /// <summary>Command, fault, how a reservation that pays at once (and is then cancelled, where that is the command's time) ends, with which code.</summary>
    public static TheoryData<string, string, string, string?> Rows() => new(
        ("HoldSeats", Refused, "Rejected", "SEAT_UNAVAILABLE"),
        ("DeductPoints", Refused, "Expired", "HOLD_EXPIRED"),
        ("ConfirmPayment", Refused, "Failed", "PAYMENT_REJECTED"),
        ("ConfirmSeats", Refused, "Failed", "SEATS_NOT_HELD"),

        ("HoldSeats", Duplicated, "Confirmed", null),
        ("DeductPoints", Duplicated, "Confirmed", null),
        ("ConfirmPayment", Duplicated, "Confirmed", null),
        ("ConfirmSeats", Duplicated, "Confirmed", null),
        ("CancelPayment", Duplicated, "Cancelled", null),
        ("RefundPoints", Duplicated, "Cancelled", null),
        ("ReleaseSeats", Duplicated, "Cancelled", null));

    [Theory]
    [MemberData(nameof(Rows))]
    public async Task Command_Faulty_EndsRightAndUndone(string command, string fault, string outcome, string? code)
    {
        var stories = await systems.StoriesAsync(StepTimeout, command, fault, isLifted: false, outcome, code);

        Assert.All(stories, story => Assert.DoesNotContain("Sent again", story, StringComparison.Ordinal));
    }
}
