using ConcertSaga.Orchestrator.Reservations;
using ConcertSaga.Orchestrator.Tests.Hosts;
using ConcertSaga.Shared.Hosting.Http;
using MassTransit.EntityFrameworkCoreIntegration;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Orchestrator.Tests.Reservations;

/// <summary>A repeat gets the answer of the first call, even if its pass or a setting has changed since, and causes no new work.</summary>
public sealed class RepeatTests(OrchestratorHost host) : IClassFixture<OrchestratorHost>
{
    private static readonly object Paying = new { scheduleId = 31, seatNumbers = new[] { 7, 8 }, pay = true };

    /// <summary>The refusals with which the gateway still forwards a request.</summary>
    public static TheoryData<string, int> Codes() => new(
        new[] { Refusals.QueueTokenRevoked, Refusals.QueueTokenExpired, Refusals.QueueTokenNotActive,
            Refusals.QueueUnavailable }.Select(refusal => (refusal.Code, refusal.Status)));

    [Theory]
    [MemberData(nameof(Codes))]
    public async Task Reserve_RepeatedAfterItsPassEnded_IsAnsweredAsBefore(string refusal, int status)
    {
        var user = host.User();
        var key = Guid.CreateVersion7();
        var bought = (await user.ReserveAsync(Paying, key)).Is(201).Has("Confirmed");

        var repeat = (await user.ReserveAsync(Paying, key, refusal: refusal)).Is(201).Has("Confirmed");

        Assert.True(repeat.IsReplay);
        Assert.Equal(bought.Body.GetRawText(), repeat.Body.GetRawText());
        (await user.ReserveAsync(key: key, refusal: refusal)).Is(422, "IDEMPOTENCY_KEY_REUSED");
        (await user.ReserveAsync(Paying, refusal: refusal)).Is(status, refusal);
        Assert.Equal(4, user.Script.Commands.Count);
    }

    [Theory]
    [MemberData(nameof(Codes))]
    public async Task Reserve_RefusedBefore_IsRefusedAgain(string refusal, int status)
    {
        var user = host.User();
        var key = Guid.CreateVersion7();
        user.Script.RefuseHold("SEAT_UNAVAILABLE", 7);
        (await user.ReserveAsync(key: key)).Is(409, "SEAT_UNAVAILABLE");

        Assert.True((await user.ReserveAsync(key: key, refusal: refusal)).Is(409, "SEAT_UNAVAILABLE").IsReplay);
        (await user.ReserveAsync(refusal: refusal)).Is(status, refusal);
    }

    [Fact]
    public async Task Reserve_StillUndecided_IsJoinedWithoutAPass()
    {
        var user = host.User();
        var key = Guid.CreateVersion7();
        user.Script.Hold = _ => null;
        (await user.ReserveAsync(key: key, prefer: "wait=0")).Is(202);

        Assert.True((await user.ReserveAsync(key: key, prefer: "wait=0", refusal: "QUEUE_TOKEN_EXPIRED")).Is(202).Has("Pending").IsReplay);
    }

    [Theory]
    [MemberData(nameof(Codes))]
    public async Task Reserve_NewWithoutAValidPass_LeavesNoTrace(string refusal, int status)
    {
        var user = host.User();
        var messages = await MessagesAsync();

        var answer = (await user.ReserveAsync(refusal: refusal)).Is(status, refusal);
        // If the seats are invalid too, the pass is reported, as by the gateway.
        (await user.ReserveAsync(new { scheduleId = 31, seatNumbers = Array.Empty<int>() }, refusal: refusal)).Is(status, refusal);

        Assert.Equal(Refusals.OfQueueToken(refusal).Detail, answer.Text("detail"));
        Assert.Equal(0, await host.DatabaseAsync(database => database.Reservations.CountAsync(row => row.UserId == user.Id)));
        Assert.Equal(messages, await MessagesAsync());
        Assert.Empty(user.Script.Commands);
    }

    [Fact]
    public async Task Reserve_WithARefusalOfANewerGateway_IsRefused() =>
        (await host.User().ReserveAsync(refusal: "QUEUE_TOKEN_FROM_TOMORROW")).Is(403, "QUEUE_TOKEN_FROM_TOMORROW");

    [Theory]
    [MemberData(nameof(Codes))]
    public async Task Pay_RepeatedAfterItsPassEnded_IsAnsweredAsBefore(string refusal, int status)
    {
        var user = host.User();
        var id = await user.HoldAsync();
        (await user.PayAsync(id, refusal: refusal)).Is(status, refusal);
        Assert.False((await user.PayAsync(id)).Is(200).Has("Confirmed").IsReplay);

        Assert.True((await user.PayAsync(id, refusal: refusal)).Is(200).Has("Confirmed").IsReplay);
        Assert.Equal(4, user.Script.Commands.Count);
    }

    [Fact]
    public async Task Pay_AfterARefusedPayment_IsANewAttemptThatNeedsAPass()
    {
        var user = host.User();
        var id = await user.HoldAsync();
        user.Script.RefuseDeduction();
        (await user.PayAsync(id)).Is(402, "INSUFFICIENT_POINTS");

        (await user.PayAsync(id, refusal: "QUEUE_TOKEN_EXPIRED")).Is(410, "QUEUE_TOKEN_EXPIRED");

        Assert.Equal(2, user.Script.Commands.Count);
    }

    [Fact]
    public async Task Pay_InProgress_IsJoinedWithoutAPass()
    {
        var user = host.User();
        var id = await user.HoldAsync();
        user.Script.Deduct = _ => null;
        (await user.PayAsync(id, "wait=0")).Is(202);
        await Testing.Eventually.TrueAsync(
            async () => (await host.RowAsync(id)).CurrentState == ReservationStates.DeductingPoints, TimeSpan.FromSeconds(60),
            "the payment is in progress");

        Assert.True((await user.PayAsync(id, "wait=0", refusal: "QUEUE_TOKEN_REVOKED")).Is(202).Has("Paying").IsReplay);
    }

    [Fact]
    public async Task Pay_EndedUnpaid_ReportsTheOutcome()
    {
        var user = host.User();
        var id = await user.HoldAsync();
        (await user.CancelAsync(id)).Is(200);

        Assert.False((await user.PayAsync(id, refusal: "QUEUE_TOKEN_EXPIRED")).Is(409, "RESERVATION_NOT_PAYABLE").IsReplay);
    }

    [Fact]
    public async Task Cancel_Repeated_IsMarkedAsARepeat()
    {
        var user = host.User();
        var id = await user.HoldAsync();

        Assert.False((await user.CancelAsync(id)).Is(200).Has("Cancelled").IsReplay);
        Assert.True((await user.CancelAsync(id)).Is(200).Has("Cancelled").IsReplay);
    }

    [Fact]
    public async Task Reserve_RepeatedAfterTheSeatLimitWasLowered_IsAnsweredAsBefore()
    {
        var user = host.User();
        var (key, seats) = (Guid.CreateVersion7(), new { scheduleId = 31, seatNumbers = new[] { 1, 2, 3, 4 } });
        var reserved = (await user.ReserveAsync(seats, key)).Is(201);
        await using var strict = host.CreateReplica("--Seats:MaxPerReservation=2");
        await strict.InitializeAsync();

        Assert.Equal(reserved.ReservationId, (await strict.User(user.Id).ReserveAsync(seats, key)).Is(201).ReservationId);
        (await strict.User(user.Id).ReserveAsync(seats)).Is(422, "INVALID_SEATS");
    }

    private Task<int> MessagesAsync() => host.DatabaseAsync(database => database.Set<OutboxMessage>().CountAsync());
}
