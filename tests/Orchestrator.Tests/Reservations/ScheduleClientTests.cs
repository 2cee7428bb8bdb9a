using System.Text.Json;
using ConcertSaga.Contracts.Reservations;
using ConcertSaga.Orchestrator.Reservations;
using ConcertSaga.Orchestrator.Tests.Hosts;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace ConcertSaga.Orchestrator.Tests.Reservations;

/// <summary>When a schedule is moved, the cut-off for cancellations moves with it.</summary>
public sealed class ScheduleClientTests : IAsyncLifetime
{
    // As in the scripted reply to the hold. A reservation can be cancelled until one day before.
    private static readonly DateTimeOffset StartAtHold = Machine.Start.AddDays(30);

    private readonly OrchestratorHost _host = new();
    private WebApplication _seats = null!;
    private Func<IResult> _answer = () => Results.NotFound();

    public async ValueTask InitializeAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        _seats = builder.Build();
        _seats.Urls.Add("http://127.0.0.1:0");
        _seats.MapGet("/internal/schedules/{id:int}", (int id) => _answer());
        await _seats.StartAsync();
        await _host.InitializeAsync();
        _host.Get<IOptions<ReservationOptions>>().Value.SeatsAddress = new Uri(_seats.Urls.Single());
    }

    public async ValueTask DisposeAsync()
    {
        await _host.DisposeAsync();
        await _seats.DisposeAsync();
    }

    [Fact]
    public async Task Cancel_ScheduleMovedEarlier_IsRefusedFromTheNewCutoffOn()
    {
        var (user, id) = await BuyAsync();
        _answer = () => Start(_host.Clock.GetUtcNow().AddHours(23));

        (await user.CancelAsync(id)).Is(409, "RESERVATION_NOT_CANCELLABLE").Has("Confirmed");
    }

    [Fact]
    public async Task Cancel_ScheduleMovedLater_IsAllowedUntilTheNewCutoff()
    {
        var (user, id) = await BuyAsync();
        await SetStartOfHoldAsync(id, _host.Clock.GetUtcNow().AddHours(23));
        (await user.CancelAsync(id)).Is(409, "RESERVATION_NOT_CANCELLABLE");

        _answer = () => Start(_host.Clock.GetUtcNow().AddHours(25));

        (await user.CancelAsync(id)).Is(200).Has("Cancelled");
    }

    /// <summary>The deadline that a customer sees is the one that decides, also after the schedule was moved.</summary>
    [Fact]
    public async Task Get_Confirmed_ShowsTheCurrentCutoff()
    {
        var (user, id) = await BuyAsync();
        Assert.Equal(StartAtHold.AddDays(-1), await CancellableUntilAsync(user, id));

        var moved = _host.Clock.GetUtcNow().AddHours(25);
        _answer = () => Start(moved);
        Assert.Equal(moved.AddDays(-1), await CancellableUntilAsync(user, id));

        (await user.CancelAsync(id)).Is(200).Has("Cancelled");
        Assert.Null(await CancellableUntilAsync(user, id));
        Assert.Null(await CancellableUntilAsync(user, await user.HoldAsync()));
    }

    /// <summary>If Seats gives no usable answer, the start as of the hold decides.</summary>
    [Theory]
    [InlineData(404, "")]
    [InlineData(503, "")]
    [InlineData(200, "no JSON")]
    [InlineData(200, """{"scheduleId":31,"concertId":3}""")]
    public async Task Cancel_SeatsGivesNoStart_UsesTheStartOfTheHold(int status, string body)
    {
        var (user, id) = await BuyAsync();
        _answer = () => Results.Text(body, "application/json", statusCode: status);

        (await user.CancelAsync(id)).Is(200).Has("Cancelled");
    }

    [Fact]
    public async Task Cancel_SeatsIsDown_UsesTheStartOfTheHold()
    {
        var (user, id) = await BuyAsync();
        await _seats.StopAsync();

        (await user.CancelAsync(id)).Is(200).Has("Cancelled");
    }

    [Fact]
    public async Task Saga_ReceivingTheNewStart_IgnoresItsCopy()
    {
        var (_, early) = await BuyAsync();
        var (_, late) = await BuyAsync();
        await SetStartOfHoldAsync(late, _host.Clock.GetUtcNow());

        await _host.HandleAsync(new CancelReservation(early, (await _host.RowAsync(early)).Version, _host.Clock.GetUtcNow().AddHours(23)));
        await _host.HandleAsync(new CancelReservation(late, (await _host.RowAsync(late)).Version, _host.Clock.GetUtcNow().AddHours(25)));

        await _host.UntilItEndsAsync(late, ReservationStates.Cancelled, TimeSpan.Zero);
        Assert.Equal(ReservationStates.Confirmed, (await _host.RowAsync(early)).CurrentState);
    }

    /// <summary>The endpoint has accepted the request in time. A message that waits, or another clock, must not refuse it.</summary>
    [Fact]
    public async Task Saga_ReceivingARequestLate_JudgesTheInstantOfTheRequest()
    {
        var (_, inTime) = await BuyAsync();
        var (_, late) = await BuyAsync();
        var now = _host.Clock.GetUtcNow();

        await _host.HandleAsync(new CancelReservation(inTime, (await _host.RowAsync(inTime)).Version, now.AddHours(23), now.AddHours(-2)));
        await _host.HandleAsync(new CancelReservation(late, (await _host.RowAsync(late)).Version, now.AddHours(23), now));

        await _host.UntilItEndsAsync(inTime, ReservationStates.Cancelled, TimeSpan.Zero);
        Assert.Equal(ReservationStates.Confirmed, (await _host.RowAsync(late)).CurrentState);
    }

    private async Task<(User User, Guid Id)> BuyAsync()
    {
        var user = _host.User();
        var id = await user.HoldAsync();
        (await user.PayAsync(id)).Is(200);
        Assert.Equal(StartAtHold, (await _host.RowAsync(id)).StartsAt);
        return (user, id);
    }

    private static async Task<DateTimeOffset?> CancellableUntilAsync(User user, Guid id)
    {
        var until = (await user.GetAsync(id)).Is(200).Body.GetProperty("cancellableUntil");
        return until.ValueKind == JsonValueKind.Null ? null : until.GetDateTimeOffset();
    }

    private Task<int> SetStartOfHoldAsync(Guid id, DateTimeOffset startsAt) => _host.DatabaseAsync(async database =>
    {
        (await database.Reservations.FindAsync(id))!.StartsAt = startsAt;
        return await database.SaveChangesAsync();
    });

    private static IResult Start(DateTimeOffset startsAt) => Results.Json(new { scheduleId = 31, concertId = 3, startsAt });
}
