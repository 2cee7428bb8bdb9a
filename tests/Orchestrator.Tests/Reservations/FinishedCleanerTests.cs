using System.Collections.Concurrent;
using ConcertSaga.Contracts.DataPlatform;
using ConcertSaga.Contracts.Reservations;
using ConcertSaga.Orchestrator.Reservations;
using ConcertSaga.Orchestrator.Tests.Hosts;
using ConcertSaga.Testing;
using MassTransit;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using static ConcertSaga.Orchestrator.Reservations.ReservationStates;

namespace ConcertSaga.Orchestrator.Tests.Reservations;

/// <summary>Reservations are deleted after their retention, but none that any service still needs.</summary>
public sealed class FinishedCleanerTests : IAsyncLifetime
{
    private const int Over = 31, Moved = 32;

    private static readonly DateTimeOffset Old = Machine.Start.AddDays(-401);

    private readonly ConcurrentBag<Guid> _deleted = [];
    private readonly HashSet<Guid> _undelivered = [];
    private readonly ConcurrentQueue<DateTimeOffset> _checks = [];
    private TimeSpan _checkDuration;
    private DateTimeOffset? _reconciledTo = Machine.Start;
    private OrchestratorHost _host = null!;
    private WebApplication _others = null!;

    public async ValueTask InitializeAsync()
    {
        // The cleaner's own first round is a day away, so only these tests run it.
        _host = await OrchestratorHost.StartAsync("--Reservation:CleaningBatch=2", "--Reservation:CleaningInterval=1.00:00:00");
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        _others = builder.Build();
        _others.Urls.Add("http://127.0.0.1:0");
        _others.MapGet("/internal/schedules/{id:int}", (int id) =>
            Results.Json(new { startsAt = Machine.Start.AddDays(id == Moved ? 1 : -300) }));
        _others.MapPost("/internal/deliveries/check", (DeliveryCheck check) =>
        {
            _checks.Enqueue(_host.Clock.GetUtcNow());
            _host.Clock.Advance(_checkDuration);
            return Results.Json(new DeliveryCheckResult(_reconciledTo, [.. check.ReservationIds.Where(_undelivered.Contains)]));
        });
        await _others.StartAsync();
        var options = _host.Get<IOptions<ReservationOptions>>().Value;
        options.SeatsAddress = options.DataPlatformAddress = new Uri(_others.Urls.Single());
        var listener = _host.Bus.ConnectReceiveEndpoint("test-deleted", endpoint => endpoint.Handler<ReservationsDeleted>(context =>
        {
            foreach (var id in context.Message.ReservationIds)
                _deleted.Add(id);
            return Task.CompletedTask;
        }));
        await listener.Ready;
    }

    public async ValueTask DisposeAsync()
    {
        await _host.DisposeAsync();
        await _others.DisposeAsync();
    }

    [Fact]
    public async Task Cleaner_AmongAllStates_DeletesWhatEndedLongAgoAndAnnouncesIt()
    {
        var rows = All.Select(state => Row(state, Old)).ToList();
        var cancelled = Enumerable.Range(0, 5).Select(_ => Row(Cancelled, Old, isPaid: true)).ToList();
        var byOperator = Row(Cancelled, Old);
        byOperator.FailureCode = "CANCELLED_BY_OPERATOR";
        var failed = Enumerable.Range(0, 4).Select(_ => Row(Failed, Old)).ToList();
        var young = Row(Confirmed, Machine.Start.AddDays(-399));
        // It was requested long ago and has just been cancelled.
        var late = Row(Cancelled, Old, isPaid: true);
        late.UpdatedAt = Machine.Start;
        await AddAsync([.. rows, .. cancelled, byOperator, .. failed, young, late]);

        await CleanAsync();

        // Rejected, expired and cancelled ones without payment are the business of the other cleaner.
        var expected = rows.Where(row => row.CurrentState is Confirmed or Failed or Cancelled).Concat(cancelled).Concat(failed)
            .Append(byOperator).ToList();
        await GoneAsync(expected);
        Assert.Equal(rows.Except(expected).Append(young).Append(late).Select(row => row.CorrelationId).Order(), await LeftAsync());
        Assert.Equal(expected.Select(row => row.CorrelationId).Order(), _deleted.Order());
    }

    [Fact]
    public async Task Cleaner_WhileTheDataPlatformLacksAnEvent_KeepsThatReservationOnly()
    {
        var rows = Enumerable.Range(0, 5).Select(number => Row(Confirmed, Old.AddMinutes(number))).ToList();
        await AddAsync(rows);
        _undelivered.Add(rows[0].CorrelationId);
        _undelivered.Add(rows[1].CorrelationId);
        // The relay has not compared so far.
        _reconciledTo = rows[3].UpdatedAt;

        await CleanAsync();
        await GoneAsync(rows[2..4]);
        Assert.Equal(new[] { rows[0], rows[1], rows[4] }.Select(row => row.CorrelationId).Order(), await LeftAsync());

        _reconciledTo = Machine.Start;
        _undelivered.Clear();
        await CleanAsync();
        await GoneAsync(rows);
    }

    [Fact]
    public async Task Cleaner_WithoutTheRelay_KeepsPaidReservations()
    {
        var (paid, failed) = (Row(Confirmed, Old), Row(Failed, Old));
        await AddAsync([paid, failed]);
        var options = _host.Get<IOptions<ReservationOptions>>().Value;

        (_reconciledTo, var address) = (null, options.DataPlatformAddress);
        await CleanAsync();
        options.DataPlatformAddress = null;
        await CleanAsync();
        options.DataPlatformAddress = address;
        await _others.StopAsync();
        await Assert.ThrowsAsync<HttpRequestException>(CleanAsync);

        Assert.Equal([paid.CorrelationId], await LeftAsync());
    }

    [Fact]
    public async Task Cleaner_OfAScheduleThatWasMoved_WaitsForItsStart()
    {
        var row = Row(Confirmed, Old);
        row.ScheduleId = Moved;
        await AddAsync([row]);

        await CleanAsync();
        Assert.Equal([row.CorrelationId], await LeftAsync());

        _host.Clock.Advance(TimeSpan.FromDays(1));
        await CleanAsync();
        await GoneAsync([row]);
    }

    [Fact]
    public async Task Cleaner_AfterABatchOfASecond_RestsFourSeconds()
    {
        await AddAsync(Enumerable.Range(0, 3).Select(number => Row(Confirmed, Old.AddMinutes(number))));
        _checkDuration = TimeSpan.FromSeconds(1);

        var cleaning = CleanAsync();
        await _host.AdvanceUntilAsync(() => Task.FromResult(cleaning.IsCompleted), "all are deleted", TimeSpan.FromMilliseconds(100));

        await cleaning;
        var checks = _checks.ToArray();
        Assert.Equal(2, checks.Length);
        Assert.True(checks[1] - checks[0] >= TimeSpan.FromSeconds(5), $"{checks[1] - checks[0]}");
    }

    private static Reservation Row(string state, DateTimeOffset at, bool isPaid = false)
    {
        var row = Given.In(state);
        row.CorrelationId = Guid.CreateVersion7(at);
        row.IdempotencyKey = Guid.CreateVersion7();
        row.UnpaidUserId = null;
        row.ScheduleId = Over;
        (row.CreatedAt, row.Version) = (at, 0);
        row.ConfirmedAt = isPaid || row.ConfirmedAt is not null ? at : null;
        // Far enough that no sweeper takes it.
        row.Deadline = row.Deadline is null ? null : Machine.Start.AddHours(1);
        row.Record("Test", null, state, null, null, at);
        return row;
    }

    private Task<int> AddAsync(IEnumerable<Reservation> rows) => _host.DatabaseAsync(database =>
    {
        database.AddRange(rows);
        return database.SaveChangesAsync();
    });

    private Task CleanAsync() => _host.Get<FinishedCleaner>().RunOnceAsync(CancellationToken.None);

    private Task GoneAsync(List<Reservation> rows) => Eventually.TrueAsync(
        () => rows.TrueForAll(row => _deleted.Contains(row.CorrelationId)), TimeSpan.FromSeconds(60), "the deletion is announced");

    private Task<List<Guid>> LeftAsync() => _host.DatabaseAsync(async database =>
    {
        var rows = await database.Reservations.Select(row => row.CorrelationId).ToListAsync();
        Assert.Equal(rows.Count, await database.Transitions.CountAsync());
        return rows.Order().ToList();
    });
}
