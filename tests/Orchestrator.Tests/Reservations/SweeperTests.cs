using System.Collections.Concurrent;
using ConcertSaga.Contracts.Reservations;
using ConcertSaga.Contracts.Seats;
using ConcertSaga.Orchestrator.Reservations;
using ConcertSaga.Orchestrator.Tests.Hosts;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Orchestrator.Tests.Reservations;

/// <summary>Deadlines are data, and the sweeper finds those that have passed.</summary>
public sealed class SweeperTests : IAsyncLifetime
{
    private static readonly TimeSpan Claim = TimeSpan.FromSeconds(10);

    private readonly OrchestratorHost _host = new();

    public ValueTask InitializeAsync() => _host.InitializeAsync();

    public ValueTask DisposeAsync() => _host.DisposeAsync();

    [Fact]
    public async Task Hold_NotPaidInTime_ExpiresAndFreesItsSeats()
    {
        var user = _host.User();
        var id = await user.ReservedAsync();

        _host.Clock.Advance(TimeSpan.FromMinutes(5) - TimeSpan.FromSeconds(5));
        await _host.LeavesAsync(id, "AwaitingPayment");
        await _host.EndsAsync(id, "Expired", TimeSpan.Zero);

        Assert.True(_host.Clock.GetUtcNow() - Machine.Start >= TimeSpan.FromMinutes(5));
        Assert.Equal(["HoldSeats", "ReleaseSeats"], user.Script.Commands.Select(command => command.GetType().Name));
        (await user.GetAsync(id)).Is(200).Has("Expired");
        Assert.Equal("DeadlineReached", (await _host.HistoryAsync(id)).Single(one => one.ToState == "ReleasingSeats").Trigger);
    }

    [Fact]
    public async Task Step_NeverAnswered_IsTriedFiveTimesAndUndone()
    {
        var user = _host.User();
        user.Script.Hold = _ => null;
        var id = (await user.ReserveAsync(prefer: "wait=0")).Is(202).ReservationId;

        await _host.LeavesAsync(id, "HoldingSeats", TimeSpan.FromSeconds(2));
        await _host.EndsAsync(id, "Failed", TimeSpan.Zero);

        Assert.Equal(5, user.Script.Commands.OfType<HoldSeats>().Count());
        Assert.Single(user.Script.Commands.OfType<ReleaseSeats>());
        Assert.Equal("STEP_TIMED_OUT", (await user.GetAsync(id)).Has("Failed").Body.GetProperty("failure").GetProperty("code").GetString());
        Assert.Equal(
            ["Requested", "HoldingSeats", "HoldingSeats", "HoldingSeats", "HoldingSeats", "HoldingSeats", "ReleasingSeats", "Failed"],
            (await _host.HistoryAsync(id)).Select(one => one.ToState));
    }

    [Fact]
    public async Task Undo_NotAnsweredForLong_IsTriedOnAndMarkedStuckSinceTheFirst()
    {
        var user = _host.User();
        var id = await user.ReservedAsync();
        user.Script.Release = _ => null;
        (await user.CancelAsync(id, "wait=0")).Is(202);

        await _host.PassAsync(async () => (await _host.RowAsync(id)).StuckSince is not null, "it is marked", TimeSpan.FromSeconds(5));
        var since = (await _host.RowAsync(id)).StuckSince;
        var attempts = (await _host.RowAsync(id)).StepAttempts;
        await _host.PassAsync(async () => (await _host.RowAsync(id)).StepAttempts > attempts + 1, "it is tried on", TimeSpan.FromSeconds(5));
        Assert.Equal(since, (await _host.RowAsync(id)).StuckSince);

        user.Script.Release = new Script().Release;
        await _host.EndsAsync(id, "Cancelled", TimeSpan.FromSeconds(5));
        Assert.Null((await _host.RowAsync(id)).StuckSince);
    }

    [Fact]
    public async Task Request_ThatNeverReachedTheSaga_IsBegunByTheSweeper()
    {
        var row = Due(ReservationStates.Requested, "mina");
        await AddAsync(row);

        await _host.EndsAsync(row.CorrelationId, "AwaitingPayment");
    }

    [Fact]
    public async Task Sweep_MoreThanABatchIsDue_TakesThemAll()
    {
        Reservation[] rows = [.. Enumerable.Range(0, 250).Select(i => Due(ReservationStates.AwaitingPayment, $"user {i}"))];
        var heard = Hear(_host);
        await AddAsync(rows);

        await _host.PassAsync(async () => await CountAsync(row => row.SweptAt != null) > 0, "a round begins");
        // No time passes any more: this one round takes them all, in batches.
        await Testing.Eventually.TrueAsync(async () => await CountAsync(row => row.SweptAt != null) == 250, TimeSpan.FromSeconds(30), "all are swept");

        await Testing.Eventually.TrueAsync(() => heard.Count >= 250, TimeSpan.FromSeconds(30), "every event arrives");
        Assert.Equal(rows.Select(row => row.CorrelationId).Order(), heard.Order());
    }

    [Fact]
    public async Task Sweep_ClaimedRow_IsLeftAloneForTenSecondsUnlessItsDeadlineIsNewer()
    {
        var now = _host.Clock.GetUtcNow();
        var claimed = Due(ReservationStates.AwaitingPayment, "claimed");
        claimed.SweptAt = now;
        claimed.Deadline = now.AddSeconds(-1);
        var newer = Due(ReservationStates.AwaitingPayment, "newer");
        newer.SweptAt = now.AddSeconds(-1);
        newer.Deadline = now;
        var early = Due(ReservationStates.AwaitingPayment, "early");
        early.Deadline = now.AddHours(1);
        var ended = Due(ReservationStates.Expired, "ended");
        (ended.Deadline, ended.UnpaidUserId) = (null, null);
        await AddAsync(claimed, newer, early, ended);

        await _host.PassAsync(async () => (await _host.RowAsync(newer.CorrelationId)).SweptAt > newer.SweptAt, "the newer deadline is swept",
            TimeSpan.FromMilliseconds(50));
        Assert.True(_host.Clock.GetUtcNow() < now + Claim);
        Assert.Equal(now, (await _host.RowAsync(claimed.CorrelationId)).SweptAt);

        await _host.PassAsync(async () => (await _host.RowAsync(claimed.CorrelationId)).SweptAt > now, "the claim runs out");
        Assert.True((await _host.RowAsync(claimed.CorrelationId)).SweptAt > now + Claim);
        Assert.Null((await _host.RowAsync(early.CorrelationId)).SweptAt);
        Assert.Null((await _host.RowAsync(ended.CorrelationId)).SweptAt);
    }

    [Fact]
    public async Task Sweep_WhileTheBusIsAway_RestsAndForOneStepTimeoutAfter()
    {
        // Long enough after the start that what follows is an outage.
        await _host.PassAsync(() => Task.FromResult(_host.Clock.GetUtcNow() - Machine.Start > TimeSpan.FromSeconds(10)), "time passes");
        await _host.Bus.StopAsync();
        await _host.PassAsync(() => Task.FromResult(_host.Watch.HealthySince is null), "the watch sees it");
        var row = Due(ReservationStates.AwaitingPayment, "mina");
        await AddAsync(row);
        var away = _host.Clock.GetUtcNow();
        await _host.PassAsync(() => Task.FromResult(_host.Clock.GetUtcNow() - away > TimeSpan.FromSeconds(20)), "the outage lasts");
        Assert.Null((await _host.RowAsync(row.CorrelationId)).SweptAt);

        await _host.Bus.StartAsync();
        await _host.PassAsync(() => Task.FromResult(_host.Watch.HealthySince is not null), "the watch sees it");
        var back = _host.Watch.HealthySince!.Value;
        await _host.PassAsync(async () => (await _host.RowAsync(row.CorrelationId)).SweptAt is not null, "it is swept");

        Assert.True((await _host.RowAsync(row.CorrelationId)).SweptAt >= back + TimeSpan.FromSeconds(10));
    }

    [Fact]
    public async Task Sweep_OfTwoReplicas_ActsOnceOnEachRow()
    {
        await using var other = _host.Beside();
        await other.InitializeAsync();
        Reservation[] rows = [.. Enumerable.Range(0, 150).Select(i => Due(ReservationStates.Requested, $"user {i}"))];
        await AddAsync(rows);

        await _host.PassAsync(async () => await CountAsync(row => row.CurrentState == ReservationStates.AwaitingPayment) == 150, "all have begun", TimeSpan.FromMilliseconds(100));

        // A command may have been sent again meanwhile; no step was taken twice.
        Assert.Equal(300, await _host.DatabaseAsync(database => database.Transitions.CountAsync(one => one.FromState != one.ToState)));
    }

    [Fact]
    public async Task Deadline_AnnouncedLateAndTwice_ChangesNothing()
    {
        var user = _host.User();
        var id = await user.ReservedAsync();
        var before = await _host.RowAsync(id);

        for (var i = 0; i < 3; i++)
            await _host.HandledAsync(new ReservationDeadlineReached(id));
        // Of a row that an operator has removed.
        await _host.Bus.Publish(new ReservationDeadlineReached(Guid.CreateVersion7()));
        (await user.PayAsync(id)).Is(200).Has("Confirmed");
        await _host.HandledAsync(new ReservationDeadlineReached(id));
        (await user.CancelAsync(id)).Is(200).Has("Cancelled");

        Assert.Equal(
            ["Requested", "HoldingSeats", "AwaitingPayment", "DeductingPoints", "ConfirmingPayment", "ConfirmingSeats", "Confirmed",
                "CancellingPayment", "RefundingPoints", "ReleasingSeats", "Cancelled"],
            (await _host.HistoryAsync(id)).Select(one => one.ToState));
        Assert.Equal(3, before.Version);
    }

    private Reservation Due(string state, string userId)
    {
        var row = Given.In(state);
        row.CorrelationId = Guid.CreateVersion7(_host.Clock.GetUtcNow());
        row.UserId = userId;
        row.UnpaidUserId = userId;
        row.IdempotencyKey = Guid.CreateVersion7();
        row.Deadline = _host.Clock.GetUtcNow();
        return row;
    }

    private Task<int> AddAsync(params Reservation[] rows) => _host.DatabaseAsync(database =>
    {
        database.AddRange(rows);
        return database.SaveChangesAsync();
    });

    private Task<int> CountAsync(System.Linq.Expressions.Expression<Func<Reservation, bool>> which) =>
        _host.DatabaseAsync(database => database.Reservations.CountAsync(which));

    // What the sweeper sends, as it arrives at the saga's queue.
    private static ConcurrentBag<Guid> Hear(OrchestratorHost host)
    {
        var heard = new ConcurrentBag<Guid>();
        host.Bus.ConnectConsumeMessageObserver(new Observer(heard));
        return heard;
    }

    private sealed class Observer(ConcurrentBag<Guid> heard) : MassTransit.IConsumeMessageObserver<ReservationDeadlineReached>
    {
        public Task PreConsume(MassTransit.ConsumeContext<ReservationDeadlineReached> context) => Task.CompletedTask;

        public Task PostConsume(MassTransit.ConsumeContext<ReservationDeadlineReached> context)
        {
            heard.Add(context.Message.ReservationId);
            return Task.CompletedTask;
        }

        public Task ConsumeFault(MassTransit.ConsumeContext<ReservationDeadlineReached> context, Exception exception) => Task.CompletedTask;
    }
}
