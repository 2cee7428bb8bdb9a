using ConcertSaga.Contracts.Reservations;
using ConcertSaga.Orchestrator.Reservations;
using ConcertSaga.Orchestrator.Tests.Hosts;
using MassTransit;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Orchestrator.Tests.Reservations;

/// <summary>The wrong instants that a wrong clock leaves behind do no lasting harm.</summary>
public sealed class WrongClockTests : IAsyncLifetime
{
    private readonly OrchestratorHost _host = new();

    public ValueTask InitializeAsync() => _host.InitializeAsync();

    public ValueTask DisposeAsync() => _host.DisposeAsync();

    /// <summary>Lists every instant of the model with the reason why a wrong one does no lasting harm.</summary>
    [Fact]
    public async Task Instants_OfTheModel_AreAllBounded()
    {
        var bounds = new Dictionary<string, string>
        {
            ["Reservation.Deadline"] = "DeadlineRepair: at most one step ahead.",
            ["Reservation.HoldExpiresAt"] = "DeadlineRepair: at most HoldDuration ahead.",
            ["Reservation.SweptAt"] = "DeadlineSweeper ignores a claim in the future.",
            ["Reservation.StuckSince"] = "Shown to an operator; no decision depends on it.",
            ["Reservation.StartsAt"] = "The start as of the hold; the cut-off asks Seats.",
            ["Reservation.CreatedAt"] = "Orders a list, and prolongs the life of a key and a row by the error of the clock.",
            ["Reservation.UpdatedAt"] = "Orders /internal/outcomes, whose readers reread ReconciliationOverlap.",
            ["Reservation.ConfirmedAt"] = "A record of what happened.",
            ["ReservationTransition.At"] = "A record of what happened."
        };
        var instants = await _host.DatabaseAsync(database => Task.FromResult(database.Model.GetEntityTypes()
            // The tables of Shared.Persistence have their own tests.
            .Where(type => type.ClrType.Assembly == typeof(Reservation).Assembly)
            .SelectMany(type => type.GetProperties()
                .Where(property => (Nullable.GetUnderlyingType(property.ClrType) ?? property.ClrType) == typeof(DateTimeOffset))
                .Select(property => $"{type.ClrType.Name}.{property.Name}")).Order().ToList()));
        Assert.Equal(bounds.Keys.Order(), instants);
    }

    /// <summary>Covers every state with a deadline, so a new state is included.</summary>
    [Fact]
    public async Task Deadline_ADayAheadOfItsStep_IsCorrected()
    {
        string[] ended = [ReservationStates.Confirmed, ReservationStates.Rejected, ReservationStates.Expired, ReservationStates.Cancelled,
            ReservationStates.Failed];
        Reservation[] rows = [.. ReservationStates.All.Except(ended)
            .Select(InState)];
        await AddAsync(rows);

        await _host.Get<DeadlineRepair>().RunOnceAsync(CancellationToken.None);

        var now = _host.Clock.GetUtcNow();
        foreach (var row in rows)
        {
            var repaired = await _host.RowAsync(row.CorrelationId);
            Assert.InRange(repaired.Deadline!.Value, now, now.AddMinutes(5));
            if (row.CurrentState == ReservationStates.AwaitingPayment)
                Assert.Equal(repaired.Deadline, repaired.HoldExpiresAt);
        }

        Reservation InState(string state)
        {
            var row = Row(state);
            row.Deadline = row.HoldExpiresAt = _host.Clock.GetUtcNow().AddDays(1);
            return row;
        }
    }

    [Fact]
    public async Task Deadline_WithinItsStep_IsUnchanged()
    {
        var user = _host.User();
        var id = await user.HoldAsync();
        var before = await _host.RowAsync(id);

        await _host.Get<DeadlineRepair>().RunOnceAsync(CancellationToken.None);

        Assert.Equal((before.Deadline, before.HoldExpiresAt, before.Version), await _host.RowAsync(id) is var row
            ? (row.Deadline, row.HoldExpiresAt, row.Version) : default);
    }

    [Fact]
    public async Task Hold_TakenWhileTheClockWasADayAhead_ExpiresInItsTime()
    {
        var row = Row(ReservationStates.AwaitingPayment);
        row.Deadline = row.HoldExpiresAt = _host.Clock.GetUtcNow().AddDays(1);
        await AddAsync(row);
        var user = _host.User(row.UserId);
        user.Script.Hold = _ => null;

        await _host.AdvanceUntilAsync(async () =>
            (await _host.RowAsync(row.CorrelationId)).CurrentState != ReservationStates.AwaitingPayment,
            "the hold expires", TimeSpan.FromSeconds(5));

        Assert.True(_host.Clock.GetUtcNow() - Machine.Start < TimeSpan.FromMinutes(10));
    }

    [Fact]
    public async Task Sweep_ClaimedInTheFuture_StillHappens()
    {
        var row = Row(ReservationStates.AwaitingPayment);
        row.Deadline = _host.Clock.GetUtcNow();
        row.SweptAt = _host.Clock.GetUtcNow().AddHours(1);
        await AddAsync(row);

        await _host.AdvanceUntilAsync(async () =>
            (await _host.RowAsync(row.CorrelationId)).CurrentState != ReservationStates.AwaitingPayment,
            "the row is swept");

        Assert.True(_host.Clock.GetUtcNow() - Machine.Start < TimeSpan.FromMinutes(1));
    }

    /// <summary>Queue suspends admission while it receives no reports.</summary>
    [Fact]
    public async Task Reports_ClockSetBackByAnHour_Continue()
    {
        var reports = new ReportObserver();
        using var connection = _host.Bus.ConnectPublishObserver(reports);
        await _host.AdvanceUntilAsync(() => Task.FromResult(reports.Count > 1), "the gate reports");

        _host.Clock.Error = TimeSpan.FromHours(-1);
        var (before, since) = (reports.Count, _host.Clock.GetUtcNow());
        await _host.AdvanceUntilAsync(() => Task.FromResult(reports.Count > before + 1), "the gate still reports");

        Assert.True(_host.Clock.GetUtcNow() - since < TimeSpan.FromMinutes(1));
        Assert.True(_host.Gate.HealthySince <= _host.Clock.GetUtcNow());
    }

    [Fact]
    public async Task Call_ClockSetBackWhileItWaits_IsAnsweredInTime()
    {
        var user = _host.User();
        user.Script.Hold = _ => null;
        var call = user.ReserveAsync();
        await Testing.Eventually.TrueAsync(() => !user.Script.Commands.IsEmpty, TimeSpan.FromSeconds(60), "the hold is requested");

        _host.Clock.Error = TimeSpan.FromHours(-1);
        var since = _host.Clock.GetUtcNow();
        await _host.AdvanceUntilAsync(() => Task.FromResult(call.IsCompleted), "the call answers", TimeSpan.FromMilliseconds(100));

        (await call).Is(202).Has("Pending");
        Assert.True(_host.Clock.GetUtcNow() - since < TimeSpan.FromMinutes(1));
    }

    private Reservation Row(string state)
    {
        var row = Given.In(state);
        row.CorrelationId = Guid.CreateVersion7(_host.Clock.GetUtcNow());
        row.UserId = row.UnpaidUserId = $"user in {state}";
        row.IdempotencyKey = Guid.CreateVersion7();
        return row;
    }

    private Task<int> AddAsync(params Reservation[] rows) => _host.DatabaseAsync(database =>
    {
        database.AddRange(rows);
        return database.SaveChangesAsync();
    });

    private sealed class ReportObserver : IPublishObserver
    {
        private int _count;

        public int Count => Volatile.Read(ref _count);

        public Task PrePublish<T>(PublishContext<T> context)
            where T : class => Task.CompletedTask;

        public Task PostPublish<T>(PublishContext<T> context)
            where T : class
        {
            if (context.Message is BookingReported)
                Interlocked.Increment(ref _count);
            return Task.CompletedTask;
        }

        public Task PublishFault<T>(PublishContext<T> context, Exception exception)
            where T : class => Task.CompletedTask;
    }
}
