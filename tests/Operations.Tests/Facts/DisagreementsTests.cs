using ConcertSaga.Operations.Data;
using ConcertSaga.Operations.Facts;
using ConcertSaga.Operations.Owners;
using Xunit;
using static ConcertSaga.Operations.Tests.Fixtures.Sheets;

namespace ConcertSaga.Operations.Tests.Facts;

public sealed class DisagreementsTests
{
    public static TheoryData<string> States =>
    [
        "Requested", "HoldingSeats", "AwaitingPayment", "DeductingPoints", "ConfirmingPayment", "ConfirmingSeats", "Confirmed",
        "CancellingPayment", "RefundingPoints", "ReleasingSeats", "Rejected", "Expired", "Cancelled", "Failed"
    ];

    [Theory]
    [MemberData(nameof(States))]
    public void Sheet_OfAnyState_HasNoDisagreement(string state) => Assert.Empty(Disagreements.Of(In(state), Now));

    /// <summary>The service has acted, and the saga has not received its reply yet.</summary>
    [Fact]
    public void Step_InProgress_IsNoDisagreement()
    {
        FactSheet[] sheets =
        [
            In("Requested") with { Seats = Hold("Held") }, In("HoldingSeats") with { Seats = Hold("Held") },
            In("AwaitingPayment") with { Points = Moved(Price, null) }, In("DeductingPoints") with { Points = Moved(Price, null) },
            In("ConfirmingPayment") with { Payment = Paid("Confirmed") }, In("ConfirmingSeats") with { Seats = Hold("Confirmed") },
            In("CancellingPayment") with { Payment = Paid("Cancelled") }, In("RefundingPoints") with { Points = Moved(Price, Price) },
            In("ReleasingSeats") with { Seats = Hold("Released") },
            Of("Confirmed", Now.AddSeconds(-30)) with { Deliveries = [] },
            In("Confirmed") with { Deliveries = [Delivery(1, "Pending")] }
        ];

        Assert.All(sheets, sheet => Assert.Empty(Disagreements.Of(sheet, Now)));
    }

    public static IEnumerable<TheoryDataRow<InvariantKind, string>> Planted => Cases.Keys.Select(name =>
        new TheoryDataRow<InvariantKind, string>(Cases[name].Kind, name));

    [Theory]
    [MemberData(nameof(Planted))]
    public void Disagreement_ThatIsPlanted_BreaksItsInvariantOnly(InvariantKind kind, string name) =>
        Assert.Equal([kind], Disagreements.Of(Cases[name].Sheet, Now).Select(found => found.Invariant).Distinct()
            .Select(found => found!.Value));

    [Fact]
    public void Owner_ThatWasNotRead_IsNotCompared()
    {
        var sheet = new FactSheet(Id, new HashSet<Owner>()) { Reservation = In("Confirmed").Reservation };

        Assert.Empty(Disagreements.Of(sheet, Now));
    }

    [Fact]
    public void Delivery_OlderThanTheRetention_IsNotExpected() =>
        Assert.Empty(Disagreements.Of(In("Cancelled", wasPaid: true) with { Deliveries = [], DeliveriesKeptSince = Now }, Now));

    /// <summary>The orchestrator has deleted a paid reservation. The others have not received its message yet.</summary>
    [Fact]
    public void Reservation_AfterItsRetention_IsNotExpected()
    {
        var (bought, since) = (In("Confirmed"), Now.AddMinutes(1));
        var gone = bought with { Reservation = null, Deliveries = [] };

        Assert.Empty(Disagreements.Of(gone with { ReservationsKeptSince = since }, Now));
        Assert.Equal([InvariantKind.HoldsHaveReservations, InvariantKind.DebitsMatchOutcomes], Disagreements.Of(
            gone with { ReservationsKeptSince = Now.AddMinutes(-2) }, Now).Select(found => found.Invariant!.Value).Distinct());
        // A reservation that is there is compared, whatever its age.
        Assert.NotEmpty(Disagreements.Of(In("Failed") with { Seats = Hold("Held"), ReservationsKeptSince = since }, Now));
    }

    [Fact]
    public void Pass_OfAPurchase_MustHaveEnded()
    {
        var sheet = In("Confirmed") with { Queue = Entry("Active") };

        Assert.Equal((Owner.Queue, null), (Assert.Single(Disagreements.Of(sheet, Now)).Owner,
            Assert.Single(Disagreements.Of(sheet, Now)).Invariant));
        Assert.Empty(Disagreements.Of(In("Confirmed") with { Queue = Entry("Completed") }, Now));
    }

    private static readonly Dictionary<string, (InvariantKind Kind, FactSheet Sheet)> Cases = new()
    {
        ["a seat of the hold belongs to another"] =
            (InvariantKind.SeatsSoldOnce, In("Confirmed") with { Seats = Hold("Confirmed", seatOwner: Other) }),
        ["a seat of the hold is available"] =
            (InvariantKind.SeatsSoldOnce, In("AwaitingPayment") with { Seats = Hold("Held", seatStatus: "Available") }),
        ["confirmed without a hold"] = (InvariantKind.SeatsSoldOnce, In("Confirmed") with { Seats = null }),
        ["confirmed with released seats"] = (InvariantKind.SeatsSoldOnce, In("Confirmed") with { Seats = Hold("Released") }),
        ["unpaid without a hold"] = (InvariantKind.SeatsSoldOnce, In("AwaitingPayment") with { Seats = Hold("Released") }),
        ["another seat than requested"] = (InvariantKind.SeatsSoldOnce, In("Confirmed") with { Seats = Hold("Confirmed", number: 9) }),
        ["a released seat is still taken"] =
            (InvariantKind.SeatsSoldOnce, In("Expired") with { Seats = Hold("Released", seatOwner: Id, seatStatus: "Held") }),
        ["held and expired"] = (InvariantKind.HoldsHaveReservations, In("Expired") with { Seats = Hold("Held") }),
        ["held without a reservation"] = (InvariantKind.HoldsHaveReservations, Nothing with { Seats = Hold("Held") }),
        ["confirmed and never debited"] = (InvariantKind.DebitsMatchOutcomes, In("Confirmed") with { Points = null }),
        ["confirmed and refunded"] = (InvariantKind.DebitsMatchOutcomes, In("Confirmed") with { Points = Moved(Price, Price) }),
        ["failed and not refunded"] = (InvariantKind.DebitsMatchOutcomes, In("Failed") with { Points = Moved(Price, null) }),
        ["debited without a reservation"] = (InvariantKind.DebitsMatchOutcomes, Nothing with { Points = Moved(Price, null) }),
        ["decided and not in the ledger"] =
            (InvariantKind.DebitsMatchOutcomes, In("AwaitingPayment") with { Points = Moved(Price, null) with { Entries = [] } }),
        ["confirmed and unpaid"] = (InvariantKind.DebitsMatchOutcomes, In("Confirmed") with { Payment = null }),
        ["cancelled and paid"] = (InvariantKind.DebitsMatchOutcomes, In("Cancelled") with { Payment = Paid("Confirmed") }),
        ["never announced"] = (InvariantKind.OutcomesDelivered, In("Confirmed") with { Deliveries = [] }),
        ["cancellation never announced"] =
            (InvariantKind.OutcomesDelivered, In("Cancelled", wasPaid: true) with { Deliveries = [Delivery(1, "Delivered")] }),
        ["given up"] = (InvariantKind.OutcomesDelivered, In("Confirmed") with { Deliveries = [Delivery(1, "Dead")] }),
        ["announced without a purchase"] =
            (InvariantKind.OutcomesDelivered, In("Expired") with { Deliveries = [Delivery(1, "Delivered")] }),
        ["overdue"] = (InvariantKind.DeadlinesKept, Overdue)
    };

    private static FactSheet Overdue =>
        In("AwaitingPayment") with { Reservation = In("AwaitingPayment").Reservation! with { Deadline = Now.AddMinutes(-2) } };
}
