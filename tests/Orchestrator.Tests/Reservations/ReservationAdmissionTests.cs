using ConcertSaga.Contracts.Seats;
using ConcertSaga.Orchestrator.Reservations;
using ConcertSaga.Orchestrator.Tests.Hosts;
using ConcertSaga.Shared.Hosting.Failures;
using ConcertSaga.Shared.Hosting.Http;
using ConcertSaga.Shared.Hosting.Messaging;
using Microsoft.AspNetCore.Http;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace ConcertSaga.Orchestrator.Tests.Reservations;

/// <summary>A key makes one reservation, a customer has one unpaid reservation, and a pass buys once.</summary>
public sealed class ReservationAdmissionTests(OrchestratorHost host) : IClassFixture<OrchestratorHost>
{
    private static readonly object Paying = new { scheduleId = 31, seatNumbers = new[] { 7, 8 }, pay = true };

    [Fact]
    public async Task Reserve_WithAPassThatHasBought_IsRefusedWithoutACommand()
    {
        var user = host.User();
        var (pass, key) = (Guid.CreateVersion7(), Guid.CreateVersion7());
        var bought = (await user.ReserveAsync(Paying, key, pass: pass)).Is(201).Has("Confirmed");

        (await user.ReserveAsync(Paying, pass: pass)).Is(410, "QUEUE_TOKEN_REVOKED");
        (await user.ReserveAsync(pass: pass)).Is(410, "QUEUE_TOKEN_REVOKED");

        Assert.Equal(4, user.Script.Commands.Count);
        // A repeat of the purchase gets its answer, and a cancellation does not revive the pass.
        Assert.Equal(bought.ReservationId, (await user.ReserveAsync(Paying, key, pass: pass)).Is(201).ReservationId);
        (await user.CancelAsync(bought.ReservationId)).Is(200).Has("Cancelled");
        (await user.ReserveAsync(Paying, pass: pass)).Is(410, "QUEUE_TOKEN_REVOKED");
        (await user.ReserveAsync(Paying, pass: Guid.CreateVersion7())).Is(201).Has("Confirmed");
    }

    [Fact]
    public async Task Reserve_TwiceAtOnceWithOnePass_BuysOnce()
    {
        for (var round = 0; round < 10; round++)
        {
            var user = host.User();
            var pass = Guid.CreateVersion7();
            var answers = await Task.WhenAll(Enumerable.Range(0, 6).Select(_ => user.ReserveAsync(Paying, pass: pass)));
            Assert.Single(answers, answer => answer.Status == 201);
            Assert.All(answers.Where(answer => answer.Status != 201),
                answer => Assert.Contains(answer.Code, new[] { "QUEUE_TOKEN_REVOKED", "RESERVATION_IN_PROGRESS" }));
        }
    }

    [Fact]
    public async Task Reserve_WithAPassWhoseReservationEndedUnpaid_IsAllowed()
    {
        var user = host.User();
        var pass = Guid.CreateVersion7();
        (await user.CancelAsync((await user.ReserveAsync(pass: pass)).Is(201).ReservationId)).Is(200).Has("Cancelled");
        (await user.ReserveAsync(Paying, pass: pass)).Is(201).Has("Confirmed");
    }

    [Theory]
    [InlineData("""{"scheduleId":31,"seatNumbers":[]}""")]
    [InlineData("""{"scheduleId":31,"seatNumbers":null}""")]
    [InlineData("""{"scheduleId":31}""")]
    [InlineData("""{"scheduleId":31,"seatNumbers":[7,7]}""")]
    [InlineData("""{"scheduleId":31,"seatNumbers":[1,2,3,4,5]}""")]
    public async Task Reserve_WithInvalidSeats_Is422(string body)
    {
        var user = host.User();

        var answer = (await user.PostAsync(body, "application/json", Guid.CreateVersion7().ToString())).Is(422, "INVALID_SEATS");

        Assert.NotEmpty(answer.Body.GetProperty("errors").GetProperty("seatNumbers").EnumerateArray());
        Assert.Empty(user.Script.Commands);
    }

    [Fact]
    public async Task Reserve_Repeated_JoinsTheFirst()
    {
        var user = host.User();
        var key = Guid.CreateVersion7();

        var first = (await user.ReserveAsync(new { scheduleId = 31, seatNumbers = new[] { 7, 8 } }, key)).Is(201);
        var second = (await user.ReserveAsync(new { seatNumbers = new[] { 8, 7 }, pay = false, scheduleId = 31 }, key)).Is(201);

        Assert.Equal((false, true), (first.IsReplay, second.IsReplay));
        Assert.Equal(first.ReservationId, second.ReservationId);
        Assert.Single(user.Script.Commands);
    }

    [Theory]
    [InlineData(32, 7, false)]
    [InlineData(31, 9, false)]
    [InlineData(31, 7, true)]
    public async Task Reserve_SameKeyWithAnotherRequest_Is422(int schedule, int seat, bool pay)
    {
        var user = host.User();
        var key = Guid.CreateVersion7();
        (await user.ReserveAsync(new { scheduleId = 31, seatNumbers = new[] { 7 } }, key)).Is(201);

        var answer = (await user.ReserveAsync(new { scheduleId = schedule, seatNumbers = new[] { seat }, pay }, key))
            .Is(422, "IDEMPOTENCY_KEY_REUSED");

        Assert.True(answer.Body.TryGetProperty("errors", out _));
    }

    [Fact]
    public async Task Reserve_SameKeyOfAnotherUser_IsAnotherReservation()
    {
        var key = Guid.CreateVersion7();
        var mine = (await host.User().ReserveAsync(key: key)).Is(201);
        var other = (await host.User().ReserveAsync(key: key)).Is(201);
        Assert.False(other.IsReplay);
        Assert.NotEqual(mine.ReservationId, other.ReservationId);
    }

    [Fact]
    public async Task Reserve_FiftyAtOnceWithOneKey_MakeOneReservation()
    {
        var user = host.User();
        var key = Guid.CreateVersion7();

        var answers = await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => user.ReserveAsync(key: key)));

        Assert.All(answers, answer => answer.Is(201).Has("AwaitingPayment"));
        Assert.Single(answers, answer => !answer.IsReplay);
        Assert.Single(answers.Select(answer => answer.ReservationId).Distinct());
        Assert.Equal(1, await host.DatabaseAsync(database => database.Reservations.CountAsync(row => row.UserId == user.Id)));
        Assert.Single(user.Script.Commands);
    }

    [Fact]
    public async Task Reserve_FiftyAtOnceWithTheirOwnKeys_LeaveOneUnpaid()
    {
        var user = host.User();

        var answers = await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => user.ReserveAsync()));

        var winner = Assert.Single(answers, answer => answer.Status == 201);
        Assert.All(answers.Where(answer => answer != winner),
            answer => Assert.Equal(winner.ReservationId, answer.Is(409, "RESERVATION_IN_PROGRESS").ReservationId));
        Assert.Single(user.Script.Commands);
    }

    [Fact]
    public async Task Reserve_ManyAtOnceThatAllEndAtOnce_IsNeverAnError()
    {
        var user = host.User();
        user.Script.RefuseHold("SEAT_UNAVAILABLE", 7);

        var answers = await Task.WhenAll(Enumerable.Range(0, 100).Select(_ => user.ReserveAsync()));

        Assert.All(answers, answer => Assert.Contains(answer.Code, new[] { "SEAT_UNAVAILABLE", "RESERVATION_IN_PROGRESS" }));
    }

    [Fact]
    public async Task Reserve_WhileAnotherIsUnpaid_NamesItAlsoWhenRepeated()
    {
        var user = host.User();
        var unpaid = await user.HoldAsync();
        var key = Guid.CreateVersion7();

        Assert.Equal(unpaid, (await user.ReserveAsync(key: key)).Is(409, "RESERVATION_IN_PROGRESS").ReservationId);
        (await user.CancelAsync(unpaid)).Is(200);
        var replay = (await user.ReserveAsync(key: key)).Is(409, "RESERVATION_IN_PROGRESS");

        Assert.Equal((true, unpaid), (replay.IsReplay, replay.ReservationId));
        await user.HoldAsync();
    }

    [Fact]
    public async Task Reserve_AfterTheOtherIsPaid_IsAllowed()
    {
        var user = host.User();
        (await user.PayAsync(await user.HoldAsync())).Is(200);
        await user.HoldAsync();
    }

    [Fact]
    public async Task Reserve_KeyOlderThanADay_IsNewAgain()
    {
        var user = host.User();
        var key = Guid.CreateVersion7();
        var first = (await user.ReserveAsync(Paying, key)).Is(201).Has("Confirmed");

        await AgeAsync(TimeSpan.FromHours(24) - TimeSpan.FromSeconds(1));
        Assert.True((await user.ReserveAsync(Paying, key)).Is(201).IsReplay);
        await AgeAsync(TimeSpan.FromSeconds(1));
        var second = (await user.ReserveAsync(key: key)).Is(201).Has("AwaitingPayment");

        Assert.False(second.IsReplay);
        Assert.NotEqual(first.ReservationId, second.ReservationId);
        Assert.True((await user.ReserveAsync(key: key)).Is(201).IsReplay);

        // Ages the row, because the host would run its timers for every second of a day.
        Task AgeAsync(TimeSpan by) => host.DatabaseAsync(async database =>
        {
            var row = await database.Reservations.SingleAsync(row => row.CorrelationId == first.ReservationId);
            row.CreatedAt -= by;
            return await database.SaveChangesAsync();
        });
    }

    [Fact]
    public async Task Reserve_WithAPassOfAnotherConcert_IsRefusedAndTheKeyIsFreeAgain()
    {
        var user = host.User();
        var key = Guid.CreateVersion7();
        user.Script.RefuseHold("QUEUE_TOKEN_WRONG_CONCERT");
        var refused = (await user.ReserveAsync(key: key, concertId: 2)).Is(403, "QUEUE_TOKEN_WRONG_CONCERT").Has("Rejected");
        Assert.Equal(2, Assert.Single(user.Script.Commands.OfType<HoldSeats>()).ConcertId);

        user.Script.Hold = new Script().Hold;
        var reserved = (await user.ReserveAsync(key: key, concertId: 3)).Is(201).Has("AwaitingPayment");

        Assert.False(reserved.IsReplay);
        Assert.NotEqual(refused.ReservationId, reserved.ReservationId);
        Assert.Equal(reserved.ReservationId, (await user.ReserveAsync(key: key, concertId: 3)).Is(201).ReservationId);
    }

    [Fact]
    public async Task Group_OfCallsWithOneKey_MakesOneReservation()
    {
        var (userId, key) = ($"user-{Guid.CreateVersion7()}", Guid.CreateVersion7());

        var results = await AdmitAsync(
            CallOf(userId, key, 7, 8), CallOf(userId, key, 8, 7), CallOf(userId, key, 9), CallOf($"{userId}-other", key, 7));

        Assert.Equal([false, true, false, false], results.Select(result => result.IsRepeat));
        Assert.Equal(results[0].ReservationId, results[1].ReservationId);
        Assert.Equal([null, null, 422, null], results.Select(result => result.Refusal?.StatusCode));
        Assert.Equal(2, await RowsOfAsync(userId));
    }

    [Fact]
    public async Task Group_OfOneCustomer_LeavesOneUnpaid()
    {
        var userId = $"user-{Guid.CreateVersion7()}";

        var results = await AdmitAsync(CallOf(userId, Guid.CreateVersion7(), 7), CallOf(userId, Guid.CreateVersion7(), 8));

        var rejected = await host.RowAsync(results[1].ReservationId);
        Assert.Equal(("Rejected", "RESERVATION_IN_PROGRESS", results[0].ReservationId),
            (rejected.CurrentState, rejected.FailureCode, rejected.BlockedBy));
        Assert.Equal((true, false), (results[0].Added is not null, results[1].Added is not null));
    }

    [Fact]
    public async Task Group_WithAPassThatHasBought_AdmitsTheOthers()
    {
        var user = host.User();
        var pass = Guid.CreateVersion7();
        (await user.ReserveAsync(Paying, pass: pass)).Is(201).Has("Confirmed");
        var other = $"user-{Guid.CreateVersion7()}";

        var results = await AdmitAsync(
            CallOf(other, Guid.CreateVersion7(), 7), CallOf(user.Id, Guid.CreateVersion7(), pass, 8), CallOf(other, Guid.CreateVersion7()));

        Assert.Equal([null, 410, 422], results.Select(result => result.Refusal?.StatusCode));
        Assert.Equal((1, 1), (await RowsOfAsync(user.Id), await RowsOfAsync(other)));
        await host.UntilItLeavesAsync(results[0].ReservationId, "Requested");
    }

    [Fact]
    public async Task Group_ThatMeetsAConcurrentCall_FindsItsReservation()
    {
        var (first, second) = (NewCall(), NewCall());
        AdmissionResult? other = null;

        var results = await AdmitAsync([first, second], beforeInsert: () => other ??= AdmitAlone(first));

        Assert.Equal([true, false], results.Select(result => result.IsRepeat));
        Assert.Equal(other!.ReservationId, results[0].ReservationId);
    }

    [Fact]
    public async Task Group_ThatMeetsConcurrentCallsTwice_FailsAndIsSplit()
    {
        ReserveCall[] calls = [NewCall(), NewCall(), NewCall()];
        var others = new Queue<ReserveCall>(calls[..2]);

        // CommandGroups then handles each call alone.
        var failure = await Assert.ThrowsAsync<DbUpdateException>(
            () => AdmitAsync(calls, beforeInsert: () => AdmitAlone(others.Dequeue())));

        Assert.False(FailurePolicy.IsTransient(failure));
        Assert.Equal(0, await RowsOfAsync(calls[2].Caller.UserId));
    }

    [Fact]
    public async Task Group_OfRefusedCalls_LeavesOutdatedKeysAlone()
    {
        var user = host.User();
        var key = Guid.CreateVersion7();
        var outdated = (await user.ReserveAsync(Paying, key)).Is(201).Has("Confirmed").ReservationId;
        await host.DatabaseAsync(async database =>
        {
            (await database.Reservations.SingleAsync(row => row.CorrelationId == outdated)).CreatedAt -= TimeSpan.FromHours(25);
            return await database.SaveChangesAsync();
        });

        var results = await AdmitAsync(CallOf(user.Id, key), NewCall());

        Assert.Equal([422, null], results.Select(result => result.Refusal?.StatusCode));
        Assert.Equal(key, (await host.RowAsync(outdated)).IdempotencyKey);
    }

    private static ReserveCall NewCall() => CallOf($"user-{Guid.CreateVersion7()}", Guid.CreateVersion7(), 7);

    private static ReserveCall CallOf(string userId, Guid key, params int[] seats) => CallOf(userId, key, null, seats);

    private static ReserveCall CallOf(string userId, Guid key, Guid? pass, params int[] seats) =>
        new(new ReservationRequest(31, seats, false), new Caller(userId, pass, null), key, new DefaultHttpContext().Response);

    private Task<AdmissionResult[]> AdmitAsync(params ReserveCall[] calls) => AdmitAsync(calls, () => { });

    private async Task<AdmissionResult[]> AdmitAsync(ReserveCall[] calls, Action beforeInsert)
    {
        await using var scope = host.Get<IServiceScopeFactory>().CreateAsyncScope();
        using var lockWait = new LockWait(TimeSpan.FromSeconds(10));
        var admission = ActivatorUtilities.CreateInstance<ReservationAdmission>(
            scope.ServiceProvider, new MeddlingClock(host.Clock, beforeInsert));
        var outcomes = await admission.HandleAsync(calls, lockWait);
        return Array.ConvertAll(outcomes, outcome => (AdmissionResult)outcome.Reply);
    }

    private AdmissionResult AdmitAlone(ReserveCall call) => AdmitAsync(call).GetAwaiter().GetResult()[0];

    private Task<int> RowsOfAsync(string userId) =>
        host.DatabaseAsync(database => database.Reservations.CountAsync(row => row.UserId.StartsWith(userId)));

    // The admission reads the time after it has read the reservations and before it inserts any.
    private sealed class MeddlingClock(TimeProvider clock, Action meddle) : TimeProvider
    {
        public override DateTimeOffset GetUtcNow()
        {
            meddle();
            return clock.GetUtcNow();
        }
    }
}
