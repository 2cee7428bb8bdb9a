using ConcertSaga.Contracts.Payments;
using ConcertSaga.Contracts.Points;
using ConcertSaga.Contracts.Reservations;
using ConcertSaga.Contracts.Seats;
using ConcertSaga.Orchestrator.Tests.Hosts;

namespace ConcertSaga.Orchestrator.Tests.Reservations;

/// <summary><c>POST /api/reservations/{id}/payment</c> and <c>DELETE /api/reservations/{id}</c>.</summary>
public sealed class PayAndCancelTests(OrchestratorHost host) : IClassFixture<OrchestratorHost>
{
    private readonly User _user = host.User();

    private string[] Commands => [.. _user.Script.Commands.Select(command => command.GetType().Name)];

    [Fact]
    public async Task Pay_Held_IsConfirmedAlsoWhenRepeated()
    {
        var id = await _user.HoldAsync();

        var paid = (await _user.PayAsync(id)).Is(200).Has("Confirmed");
        var again = (await _user.PayAsync(id)).Is(200).Has("Confirmed");

        Assert.Equal(paid.Body.GetRawText(), again.Body.GetRawText());
        Assert.Equal(["HoldSeats", "DeductPoints", "ConfirmPayment", "ConfirmSeats"], Commands);
    }

    [Fact]
    public async Task Pay_AfterTooFewPointsAndACharge_IsConfirmed()
    {
        var id = await _user.HoldAsync();
        _user.Script.RefuseDeduction();
        (await _user.PayAsync(id)).Is(402, "INSUFFICIENT_POINTS").Has("AwaitingPayment");
        (await _user.PayAsync(id)).Is(402, "INSUFFICIENT_POINTS").Has("AwaitingPayment");
        _user.Script.Deduct = new Script().Deduct;

        var paid = (await _user.PayAsync(id)).Is(200).Has("Confirmed");

        Assert.Equal(System.Text.Json.JsonValueKind.Null, paid.Body.GetProperty("failure").ValueKind);
        Assert.Equal([1, 2, 3], _user.Script.Commands.OfType<DeductPoints>().Select(command => command.Attempt));
    }

    [Fact]
    public async Task Pay_WithAPassOfAnotherConcert_IsRefusedAndChangesNothing()
    {
        // In the scripted replies the schedule belongs to concert 3.
        var id = await _user.HoldAsync();
        (await _user.PayAsync(id, concertId: 2)).Is(403, "QUEUE_TOKEN_WRONG_CONCERT").Has("AwaitingPayment");
        Assert.Equal(["HoldSeats"], Commands);

        (await _user.PayAsync(id, concertId: 3)).Is(200).Has("Confirmed");

        (await _user.PayAsync(id, concertId: 2)).Is(403, "QUEUE_TOKEN_WRONG_CONCERT").Has("Confirmed");
        (await _user.PayAsync(id, concertId: 3)).Is(200).Has("Confirmed");
    }

    [Fact]
    public async Task Pay_CopyOfTheFirstRequestArrivingLast_DeductsNothing()
    {
        var id = await _user.HoldAsync();
        _user.Script.RefuseDeduction();
        (await _user.PayAsync(id)).Is(402, "INSUFFICIENT_POINTS");
        var before = await host.RowAsync(id);
        _user.Script.Deduct = new Script().Deduct;

        await host.HandleAsync(new PayReservation(id, 1));

        Assert.Equal(before.Version, (await host.RowAsync(id)).Version);
        Assert.Single(_user.Script.Commands.OfType<DeductPoints>());
    }

    [Fact]
    public async Task Cancel_OvertakenByAPayment_CancelsNothing()
    {
        var id = await _user.HoldAsync();
        var seen = (await host.RowAsync(id)).Version;
        (await _user.PayAsync(id)).Is(200).Has("Confirmed");

        await host.HandleAsync(new CancelReservation(id, seen));

        (await _user.GetAsync(id)).Has("Confirmed");
        (await _user.CancelAsync(id)).Is(200).Has("Cancelled");
    }

    [Fact]
    public async Task Pay_TwentyAtOnce_DeductOnce()
    {
        var id = await _user.HoldAsync();

        var answers = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => _user.PayAsync(id)));

        Assert.All(answers, answer => answer.Is(200).Has("Confirmed"));
        Assert.Equal(1, Commands.Count(command => command == nameof(DeductPoints)));
    }

    [Fact]
    public async Task Pay_WhileAnotherPays_JoinsIt()
    {
        var id = await _user.HoldAsync();
        _user.Script.Deduct = _ => null;
        (await _user.PayAsync(id, "wait=0")).Is(202);
        await Testing.Eventually.TrueAsync(() => Commands.Contains(nameof(DeductPoints)), TimeSpan.FromSeconds(60),
            "the deduction is requested");

        var joined = _user.PayAsync(id);
        (await _user.CancelAsync(id)).Is(409, "RESERVATION_NOT_CANCELLABLE").Has("Paying");
        await host.Bus.Publish(new PointDeductionRejected(id, 1, "INSUFFICIENT_POINTS"));

        (await joined).Is(402, "INSUFFICIENT_POINTS");
        Assert.Equal(1, Commands.Count(command => command == nameof(DeductPoints)));
    }

    [Fact]
    public async Task Pay_Refused_Is409AndCompensated()
    {
        var id = await _user.HoldAsync();
        _user.Script.ConfirmPayment = c => new PaymentRejected(c.ReservationId, c.Attempt, "PAYMENT_REJECTED");

        (await _user.PayAsync(id)).Is(409, "PAYMENT_REJECTED").Has("Failed");

        (await _user.PayAsync(id)).Is(409, "PAYMENT_REJECTED").Has("Failed");
        (await _user.CancelAsync(id)).Is(409, "RESERVATION_NOT_CANCELLABLE").Has("Failed");
        Assert.Equal(["RefundPoints", "ReleaseSeats"], Commands.Skip(3));
    }

    [Fact]
    public async Task Pay_SeatsNotConfirmed_Is409AndCompensated()
    {
        var id = await _user.HoldAsync();
        _user.Script.ConfirmSeats = c => new SeatConfirmationRejected(c.ReservationId, c.Attempt, "SEATS_NOT_HELD");

        (await _user.PayAsync(id)).Is(409, "RESERVATION_FAILED").Has("Failed");

        Assert.Equal(["CancelPayment", "RefundPoints", "ReleaseSeats"], Commands.Skip(4));
    }

    [Fact]
    public async Task Pay_BeforeTheHoldOrAfterTheEnd_Is409()
    {
        _user.Script.Hold = _ => null;
        var pending = (await _user.ReserveAsync(prefer: "wait=0")).Is(202).ReservationId;
        (await _user.PayAsync(pending)).Is(409, "RESERVATION_NOT_PAYABLE").Has("Pending");
        (await _user.CancelAsync(pending)).Is(409, "RESERVATION_NOT_CANCELLABLE").Has("Pending");

        var rejecting = host.User();
        rejecting.Script.RefuseHold("SCHEDULE_CLOSED");
        var rejected = (await rejecting.ReserveAsync()).ReservationId;
        (await rejecting.PayAsync(rejected)).Is(409, "RESERVATION_NOT_PAYABLE").Has("Rejected");
        (await rejecting.CancelAsync(rejected)).Is(409, "RESERVATION_NOT_CANCELLABLE").Has("Rejected");

        var cancelling = host.User();
        var cancelled = await cancelling.HoldAsync();
        (await cancelling.CancelAsync(cancelled)).Is(200);
        (await cancelling.PayAsync(cancelled)).Is(409, "RESERVATION_NOT_PAYABLE").Has("Cancelled");
    }

    [Fact]
    public async Task PayAndCancel_OfAnotherUser_AreNotFound()
    {
        var id = await _user.HoldAsync();
        (await host.User().PayAsync(id)).Is(404, "RESERVATION_NOT_FOUND");
        (await host.User().CancelAsync(id)).Is(404, "RESERVATION_NOT_FOUND");
        (await _user.GetAsync(id)).Has("AwaitingPayment");
    }

    [Fact]
    public async Task Pay_AtTheEndOfTheHold_Is410AndTheSeatsAreFree()
    {
        var id = await _user.HoldAsync();
        // The hold ends exactly now; either this call or the sweeper ends the reservation.
        host.Clock.Advance(TimeSpan.FromMinutes(5));

        (await _user.PayAsync(id)).Is(410, "HOLD_EXPIRED").Has("Expired");

        (await _user.PayAsync(id)).Is(410, "HOLD_EXPIRED").Has("Expired");
        (await _user.CancelAsync(id)).Is(409, "RESERVATION_NOT_CANCELLABLE").Has("Expired");
        Assert.Equal(["HoldSeats", "ReleaseSeats"], Commands);
        await _user.HoldAsync();
    }

    [Fact]
    public async Task Pay_RefusedAfterTheHold_Is410()
    {
        var id = await _user.HoldAsync();
        var hasPassed = 0;
        _user.Script.Deduct = c =>
        {
            // Only once, even if the command is resent because of it: later steps must not be overdue, too.
            if (Interlocked.Exchange(ref hasPassed, 1) == 0)
                host.Clock.Advance(TimeSpan.FromMinutes(5));
            return new PointDeductionRejected(c.ReservationId, c.Attempt, "INSUFFICIENT_POINTS");
        };

        var call = await _user.PayAsync(id, "wait=10");
        await host.UntilItEndsAsync(id, "Expired", TimeSpan.Zero);

        Assert.Contains(call.Status, new[] { 202, 410 });
        (await _user.PayAsync(id)).Is(410, "HOLD_EXPIRED");
        Assert.Equal(1, Commands.Count(command => command == nameof(ReleaseSeats)));
    }

    [Fact]
    public async Task PayAndCancel_AtTheSameInstant_HaveOneOutcome()
    {
        for (var round = 0; round < 10; round++)
        {
            var user = host.User();
            var id = await user.HoldAsync();

            var pay = user.PayAsync(id);
            var cancel = user.CancelAsync(id);
            await Task.WhenAll(pay, cancel);

            var paid = await pay;
            var cancelled = await cancel;
            var end = (await user.GetAsync(id)).Text("status");
            var commands = user.Script.Commands.Select(command => command.GetType().Name).ToArray();
            if (end == "Confirmed")
            {
                paid.Is(200).Has("Confirmed");
                cancelled.Is(409, "RESERVATION_NOT_CANCELLABLE");
                Assert.DoesNotContain("ReleaseSeats", commands);
            }
            else
            {
                // The payment came too late, or the reservation was paid and then cancelled.
                Assert.Equal("Cancelled", end);
                cancelled.Is(200).Has("Cancelled");
                Assert.True(paid.Status is 200 || paid.Code == "RESERVATION_NOT_PAYABLE", $"{paid.Status} {paid.Body}");
                Assert.Equal(commands.Contains("DeductPoints"), commands.Contains("RefundPoints"));
                Assert.Equal(1, commands.Count(command => command == "ReleaseSeats"));
            }
        }
    }

    [Fact]
    public async Task Cancel_Unpaid_IsCancelledAlsoWhenRepeated()
    {
        var id = await _user.HoldAsync();

        var cancelled = (await _user.CancelAsync(id)).Is(200).Has("Cancelled");
        var again = (await _user.CancelAsync(id)).Is(200).Has("Cancelled");

        Assert.Equal(cancelled.Body.GetRawText(), again.Body.GetRawText());
        Assert.Equal(["HoldSeats", "ReleaseSeats"], Commands);
    }

    [Fact]
    public async Task Cancel_Paid_CompensatesInReverseOrder()
    {
        var id = await _user.HoldAsync();
        (await _user.PayAsync(id)).Is(200);

        (await _user.CancelAsync(id)).Is(200).Has("Cancelled");

        Assert.Equal(["HoldSeats", "DeductPoints", "ConfirmPayment", "ConfirmSeats", "CancelPayment", "RefundPoints", "ReleaseSeats"],
            Commands);
    }

    [Fact]
    public async Task Cancel_Unanswered_Is202AndJoinedByTheNext()
    {
        var id = await _user.HoldAsync();
        _user.Script.Release = _ => null;
        (await _user.CancelAsync(id, "wait=0")).Is(202);
        await Testing.Eventually.TrueAsync(() => Commands.Contains(nameof(ReleaseSeats)), TimeSpan.FromSeconds(60),
            "the release is requested");

        var joined = _user.CancelAsync(id);
        (await _user.GetAsync(id)).Has("Cancelling");
        await host.Bus.Publish(new SeatsReleased(id, 1));

        (await joined).Is(200).Has("Cancelled");
    }

    [Fact]
    public async Task Cancel_LaterThanTheCutoff_Is409()
    {
        var start = host.Clock.GetUtcNow().AddDays(1).AddMinutes(1);
        _user.Script.Hold = c => new SeatsHeld(c.ReservationId, c.Attempt, 3, start, 100);
        var id = await _user.HoldAsync();
        (await _user.PayAsync(id)).Is(200);
        host.Clock.Advance(TimeSpan.FromMinutes(1));

        (await _user.CancelAsync(id)).Is(409, "RESERVATION_NOT_CANCELLABLE").Has("Confirmed");

        // An unpaid reservation can be cancelled at any time.
        var unpaid = await _user.HoldAsync();
        (await _user.CancelAsync(unpaid)).Is(200);
    }
}
