using System.Collections.Concurrent;
using ConcertSaga.Contracts.Reservations;
using ConcertSaga.Contracts.Seats;
using ConcertSaga.Orchestrator.Reservations;
using ConcertSaga.Orchestrator.Tests.Hosts;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Orchestrator.Tests.Reservations;

/// <summary>Deadlines are data, and the sweeper finds overdue rows.</summary>
public sealed class DeadlineSweeperTests : IAsyncLifetime
{
    private static readonly TimeSpan Claim = TimeSpan.FromSeconds(10);

    private readonly OrchestratorHost _host = new();

    public ValueTask InitializeAsync() => _host.InitializeAsync();

    public ValueTask DisposeAsync() => _host.DisposeAsync();

    [Fact]
    public async Task Hold_NotPaidInTime_ExpiresAndFreesItsSeats()
    {
        var user = _host.User();
        var id = await user.HoldAsync();

        _host.Clock.Advance(TimeSpan.FromMinutes(5) - TimeSpan.FromSeconds(5));
        await _host.UntilItLeavesAsync(id, "AwaitingPayment");
        await _host.UntilItEndsAsync(id, "Expired", TimeSpan.Zero);

        Assert.True(_host.Clock.GetUtcNow() - Machine.Start >= TimeSpan.FromMinutes(5));
        Assert.Equal(["HoldSeats", "ReleaseSeats"], user.Script.Commands.Select(command => command.GetType().Name));
        (await user.GetAsync(id)).Is(200).Has("Expired");
        Assert.Equal("DeadlineReached", (await _host.HistoryAsync(id)).Single(row => row.ToState == "ReleasingSeats").Trigger);
    }

    [Fact]
    public async Task Step_NeverAnswered_IsSentFiveTimesAndCompensated()
    {
        var user = _host.User();
        user.Script.Hold = _ => null;
        var id = (await user.ReserveAsync(prefer: "wait=0")).Is(202).ReservationId;

        await _host.UntilItLeavesAsync(id, "HoldingSeats", TimeSpan.FromSeconds(2));
        await _host.UntilItEndsAsync(id, "Failed", TimeSpan.Zero);

        Assert.Equal(5, user.Script.Commands.OfType<HoldSeats>().Count());
        Assert.Single(user.Script.Commands.OfType<ReleaseSeats>());
        Assert.Equal("STEP_TIMED_OUT", (await user.GetAsync(id)).Has("Failed").Body.GetProperty("failure").GetProperty("code").GetString());
        Assert.Equal(
            ["Requested", "HoldingSeats", "HoldingSeats", "HoldingSeats", "HoldingSeats", "HoldingSeats", "ReleasingSeats", "Failed"],
            (await _host.HistoryAsync(id)).Select(row => row.ToState));
    }

    [Fact]
    public async Task Compensation_LongUnanswered_IsResentAndMarkedStuckOnce()
    {
        var user = _host.User();
        var id = await user.HoldAsync();
        user.Script.Release = _ => null;
        (await user.CancelAsync(id, "wait=0")).Is(202);

        await _host.AdvanceUntilAsync(async () => (await _host.RowAsync(id)).StuckSince is not null, "the row is marked as stuck",
            TimeSpan.FromSeconds(5));
        var since = (await _host.RowAsync(id)).StuckSince;
        var attempts = (await _host.RowAsync(id)).StepAttempts;
        await _host.AdvanceUntilAsync(async () => (await _host.RowAsync(id)).StepAttempts > attempts + 1, "the command is resent",
            TimeSpan.FromSeconds(5));
        Assert.Equal(since, (await _host.RowAsync(id)).StuckSince);

        user.Script.Release = new Script().Release;
        await _host.UntilItEndsAsync(id, "Cancelled", TimeSpan.FromSeconds(5));
        Assert.Null((await _host.RowAsync(id)).StuckSince);
    }

    [Fact]
    public async Task Request_ThatNeverReachedTheSaga_IsStartedByTheSweeper()
    {
        var row = Due(ReservationStates.Requested, "mina");
        await AddAsync(row);

        await _host.UntilItEndsAsync(row.CorrelationId, "AwaitingPayment");
    }

    [Fact]
    public async Task Sweep_MoreThanABatchIsDue_ClaimsAllRows()
    {
        Reservation[] rows = [.. Enumerable.Range(0, 250).Select(i => Due(ReservationStates.AwaitingPayment, $"user {i}"))];
        var swept = ObserveSweeps(_host);
        await AddAsync(rows);

        await _host.AdvanceUntilAsync(async () => await CountAsync(row => row.SweptAt != null) > 0, "a sweep begins");
        // Time stands still from here, so this sweep must claim all rows, in batches.
        await Testing.Eventually.TrueAsync(async () => await CountAsync(row => row.SweptAt != null) == 250, TimeSpan.FromSeconds(60),
            "all rows are claimed");

        await Testing.Eventually.TrueAsync(() => swept.Count >= 250, TimeSpan.FromSeconds(60), "every event arrives");
        Assert.Equal(rows.Select(row => row.CorrelationId).Order(), swept.Order());
    }

    [Fact]
    public async Task Sweep_ClaimedRow_IsSkippedForTenSecondsUnlessItsDeadlineIsNew()
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
        ended.Deadline = null;
        ended.UnpaidUserId = null;
        await AddAsync(claimed, newer, early, ended);

        await _host.AdvanceUntilAsync(async () => (await _host.RowAsync(newer.CorrelationId)).SweptAt > newer.SweptAt,
            "the newer deadline is swept", TimeSpan.FromMilliseconds(50));
        Assert.True(_host.Clock.GetUtcNow() < now + Claim);
        Assert.Equal(now, (await _host.RowAsync(claimed.CorrelationId)).SweptAt);

        await _host.AdvanceUntilAsync(async () => (await _host.RowAsync(claimed.CorrelationId)).SweptAt > now, "the claim expires");
        Assert.True((await _host.RowAsync(claimed.CorrelationId)).SweptAt > now + Claim);
        Assert.Null((await _host.RowAsync(early.CorrelationId)).SweptAt);
        Assert.Null((await _host.RowAsync(ended.CorrelationId)).SweptAt);
    }

    [Fact]
    public async Task Sweep_WhileTheBusIsDown_RestsUntilOneStepTimeoutLater()
    {
        // Soon after the start an unhealthy bus does not count as an outage.
        await _host.AdvanceUntilAsync(() => Task.FromResult(_host.Clock.GetUtcNow() - Machine.Start > TimeSpan.FromSeconds(10)),
            "time passes");
        await _host.Bus.StopAsync();
        await _host.AdvanceUntilAsync(() => Task.FromResult(_host.Gate.HealthySince is null), "the gate notices the outage");
        var row = Due(ReservationStates.AwaitingPayment, "mina");
        await AddAsync(row);
        var away = _host.Clock.GetUtcNow();
        await _host.AdvanceUntilAsync(() => Task.FromResult(_host.Clock.GetUtcNow() - away > TimeSpan.FromSeconds(20)), "the outage lasts");
        Assert.Null((await _host.RowAsync(row.CorrelationId)).SweptAt);

        await _host.Bus.StartAsync();
        await _host.AdvanceUntilAsync(() => Task.FromResult(_host.Gate.HealthySince is not null), "the gate notices the recovery");
        var back = _host.Gate.HealthySince!.Value;
        await _host.AdvanceUntilAsync(async () => (await _host.RowAsync(row.CorrelationId)).SweptAt is not null, "the row is swept");

        Assert.True((await _host.RowAsync(row.CorrelationId)).SweptAt >= back + TimeSpan.FromSeconds(10));
    }

    [Fact]
    public async Task Sweep_OfTwoReplicas_ActsOnceOnEachRow()
    {
        await using var other = _host.CreateReplica();
        await other.InitializeAsync();
        Reservation[] rows = [.. Enumerable.Range(0, 150).Select(i => Due(ReservationStates.Requested, $"user {i}"))];
        await AddAsync(rows);

        await _host.AdvanceUntilAsync(async () => await CountAsync(row => row.CurrentState == ReservationStates.AwaitingPayment) == 150,
            "all sagas have started", TimeSpan.FromMilliseconds(100));

        // Commands may have been resent, but no step was taken twice.
        Assert.Equal(300, await _host.DatabaseAsync(database => database.Transitions.CountAsync(row => row.FromState != row.ToState)));
    }

    [Fact]
    public async Task DeadlineEvent_LateOrRepeated_ChangesNothing()
    {
        var user = _host.User();
        var id = await user.HoldAsync();
        var before = await _host.RowAsync(id);

        for (var i = 0; i < 3; i++)
            await _host.HandleAsync(new ReservationDeadlineReached(id));
        // An operator has deleted this row.
        await _host.Bus.Publish(new ReservationDeadlineReached(Guid.CreateVersion7()));
        (await user.PayAsync(id)).Is(200).Has("Confirmed");
        await _host.HandleAsync(new ReservationDeadlineReached(id));
        (await user.CancelAsync(id)).Is(200).Has("Cancelled");

        Assert.Equal(
            ["Requested", "HoldingSeats", "AwaitingPayment", "DeductingPoints", "ConfirmingPayment", "ConfirmingSeats", "Confirmed",
                "CancellingPayment", "RefundingPoints", "ReleasingSeats", "Cancelled"],
            (await _host.HistoryAsync(id)).Select(row => row.ToState));
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

    // Collects the events of the sweeper as they arrive at the saga's queue.
    private static ConcurrentBag<Guid> ObserveSweeps(OrchestratorHost host)
    {
        var swept = new ConcurrentBag<Guid>();
        host.Bus.ConnectConsumeMessageObserver(new Observer(swept));
        return swept;
    }

    private sealed class Observer(ConcurrentBag<Guid> swept) : MassTransit.IConsumeMessageObserver<ReservationDeadlineReached>
    {
        public Task PreConsume(MassTransit.ConsumeContext<ReservationDeadlineReached> context) => Task.CompletedTask;

        public Task PostConsume(MassTransit.ConsumeContext<ReservationDeadlineReached> context)
        {
            swept.Add(context.Message.ReservationId);
            return Task.CompletedTask;
        }

        public Task ConsumeFault(MassTransit.ConsumeContext<ReservationDeadlineReached> context, Exception exception) => Task.CompletedTask;
    }
}
