using ConcertSaga.EndToEnd.Tests.Client;
using ConcertSaga.EndToEnd.Tests.Invariants;
using ConcertSaga.EndToEnd.Tests.Systems;
using ConcertSaga.Testing.Servers;
using Xunit;

namespace ConcertSaga.EndToEnd.Tests;

/// <summary>Each command refused, dropped, delayed and duplicated: the outcome is right, everything is undone in reverse, and the history tells it.</summary>
[Trait("Category", "RunOnce")]
public sealed class FaultTests(SystemFixture systems, PostgreSqlServer database, RabbitMqServer broker)
{
    private const int People = 3;

    private const string Refused = "RejectRate=1";
    private const string Duplicated = "DuplicateRate=1";
    // Steps that are never given up would otherwise never end.
    private const string OftenDropped = "DropRate=0.7";
    private const string AlwaysDropped = "DropRate=1";
    // Longer than one attempt; longer than all of them.
    private const string Late = "Delay=00:00:01";
    private const string TooLate = "Delay=00:00:03.5";

    // Where a command is answered at once, nothing may be sent again, however slow the machine is; elsewhere patience is short.
    private static (string, string)[] SettingsFor(string fault) =>
    [
        ("Faults:Enabled", "true"), ("Reservation:HoldDuration", "00:00:04"), ("Reservation:StepAttempts", "2"), ("Reservation:SweepInterval", "00:00:00.1"),
        ("Reservation:StepTimeout", fault is Refused or Duplicated ? "00:00:20" : "00:00:00.8")
    ];

    /// <summary>Command, fault, how a reservation that pays at once (and is then cancelled, where that is the command's time) ends, with which code.</summary>
    public static TheoryData<SystemKind, string, string, string, string?> Rows()
    {
        (string, string, string, string?)[] rows =
        [
            ("HoldSeats", Refused, "Rejected", "SEAT_UNAVAILABLE"),
            ("DeductPoints", Refused, "Expired", "HOLD_EXPIRED"),
            ("ConfirmPayment", Refused, "Failed", "PAYMENT_REJECTED"),
            ("ConfirmSeats", Refused, "Failed", "SEATS_NOT_HELD"),

            ("HoldSeats", AlwaysDropped, "Failed", "STEP_TIMED_OUT"),
            ("DeductPoints", AlwaysDropped, "Failed", "STEP_TIMED_OUT"),
            ("ConfirmPayment", AlwaysDropped, "Failed", "STEP_TIMED_OUT"),
            ("ConfirmSeats", OftenDropped, "Confirmed", null),
            ("CancelPayment", OftenDropped, "Cancelled", null),
            ("RefundPoints", OftenDropped, "Cancelled", null),
            ("ReleaseSeats", OftenDropped, "Cancelled", null),

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
            ("ConfirmSeats", TooLate, "Confirmed", null),

            ("HoldSeats", Duplicated, "Confirmed", null),
            ("DeductPoints", Duplicated, "Confirmed", null),
            ("ConfirmPayment", Duplicated, "Confirmed", null),
            ("ConfirmSeats", Duplicated, "Confirmed", null),
            ("CancelPayment", Duplicated, "Cancelled", null),
            ("RefundPoints", Duplicated, "Cancelled", null),
            ("ReleaseSeats", Duplicated, "Cancelled", null)
        ];
        var data = new TheoryData<SystemKind, string, string, string, string?>();
        foreach (var (command, fault, outcome, code) in rows)
        {
            data.Add(SystemKind.Embedded, command, fault, outcome, code);
            if (AllOnCluster || OnCluster.Contains((command, fault)))
                data.Add(SystemKind.Cluster, command, fault, outcome, code);
        }
        return data;
    }

    // Each row starts processes anew; on the cluster that takes so long that a run has one row of each fault, unless CONCERT_TEST_FAULTS=all.
    private static bool AllOnCluster => Environment.GetEnvironmentVariable("CONCERT_TEST_FAULTS") == "all";

    private static readonly (string, string)[] OnCluster =
    [
        ("ConfirmSeats", Refused), ("ConfirmPayment", AlwaysDropped), ("ReleaseSeats", OftenDropped), ("DeductPoints", Late),
        ("ConfirmPayment", TooLate), ("ConfirmSeats", Duplicated), ("RefundPoints", Duplicated)
    ];

    [Theory]
    [MemberData(nameof(Rows))]
    public async Task Command_Faulty_EndsRightAndUndone(SystemKind kind, string command, string fault, string outcome, string? code)
    {
        var setting = fault.Split('=');
        var system = await systems.GetAsync(kind, database, broker, [.. SettingsFor(fault), ($"Faults:{command}:{setting[0]}", setting[1])]);
        // A process that has just started takes longer for its first commands than this test has patience.
        if (fault is not (Refused or Duplicated))
            await OneAsync(system, outcome, isWarmUp: true);

        var ids = await Task.WhenAll(Enumerable.Range(0, People).Select(_ => OneAsync(system, outcome)));

        var books = await Auditor.CheckAsync(system, TimeSpan.FromSeconds(30));
        foreach (var id in ids)
        {
            var (row, story) = (books.Reservations[id], books.StoryOf(id));
            Assert.True(row.State == outcome && row.FailureCode == code, $"{row.State} {row.FailureCode} instead of {outcome} {code}: {story}");
            if (fault is AlwaysDropped or Late or TooLate)
                Assert.Contains("Sent again, attempt 2.", story, StringComparison.Ordinal);
            if (fault is Refused or Duplicated)
                Assert.DoesNotContain("Sent again", story, StringComparison.Ordinal);
        }
    }

    private static async Task<Guid> OneAsync(ISystem system, string outcome, bool isWarmUp = false)
    {
        var limit = TimeSpan.FromSeconds(60);
        var customer = await Customer.SignInAsync(system, points: 1_000_000);
        var answer = await customer.ReserveAsync(system.Seats.Take(1), pay: true, prefer: "respond-async");
        var id = answer.ReservationId;
        var final = await customer.WaitForAsync(id, limit, ["Confirmed", "Rejected", "Expired", "Cancelled", "Failed"]);
        if (outcome == "Cancelled" && (final.ReservationStatus == "Confirmed" || !isWarmUp))
        {
            var cancelled = await customer.CancelAsync(id, prefer: "respond-async");
            Assert.True(cancelled.Status is 200 or 202, $"{cancelled} for {final}");
            await customer.WaitForAsync(id, limit, ["Cancelled"]);
        }
        return id;
    }
}
