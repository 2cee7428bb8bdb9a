using System.Data.Common;
using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using ConcertSaga.Contracts.Seats;
using ConcertSaga.Seats.Data;
using ConcertSaga.Seats.Tests.Fixtures;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Shared.Hosting.Http;
using ConcertSaga.Shared.Hosting.Operators;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Xunit;
using static ConcertSaga.Seats.Tests.Fixtures.SeatsUnderTest;

namespace ConcertSaga.Seats.Tests.Endpoints;

/// <summary>An operator moves a schedule, and Operations cancels one.</summary>
public sealed class ScheduleOperatorEndpointsTests(PostgreSqlServer server)
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    public static IEnumerable<object[]> Providers => TestDatabase.Providers;

    [Theory, MemberData(nameof(Providers))]
    public async Task Change_OfAllTimes_ShowsEverywhereAtOnce(DatabaseProvider provider)
    {
        await using var seats = await StartAsync(provider, server);
        var scheduleId = await seats.AddScheduleAsync(seats: 2);
        var (start, opens, closes) = (Now.AddDays(50).AddTicks(10), Now.AddDays(-2), Now.AddDays(49));

        var (status, body) = await ChangeAsync(seats, scheduleId,
            Body(new { startsAt = start, saleOpensAt = opens, saleClosesAt = closes }));

        Assert.Equal(200, status);
        Assert.Equal((start, opens, closes), (Instant(body, "startsAt"), Instant(body, "saleOpensAt"), Instant(body, "saleClosesAt")));
        using var client = seats.Service.ClientOf("mina");
        var listed = (await client.GetFromJsonAsync<JsonElement>("/api/concerts/1/schedules")).GetProperty("items")[0];
        Assert.Equal((start, false), (Instant(listed, "startsAt"), listed.GetProperty("cancelled").GetBoolean()));
        // A client that knew version 0 misses version 1, so it reads the map again.
        var map = await client.GetFromJsonAsync<JsonElement>($"/api/schedules/{scheduleId}/seats");
        Assert.Equal((start, 2), (Instant(map, "startsAt"), map.GetProperty("version").GetInt32()));
        Assert.Equal(start, Instant(await client.GetFromJsonAsync<JsonElement>($"/internal/schedules/{scheduleId}"), "startsAt"));
        var concert = (await client.GetFromJsonAsync<JsonElement>("/api/concerts")).GetProperty("items")[0];
        Assert.Equal((opens, closes), (Instant(concert, "saleOpensAt"), Instant(concert, "saleClosesAt")));
        await PublishedAsync(seats, new ConcertPublished(1, opens, closes));
        Assert.Contains(seats.Service.Published.OfType<SeatsChanged>(), change => change is { Version: 2, Seats.Length: 0 });
        var action = Assert.Single(await ActionsAsync(seats));
        Assert.Equal(("olga", "Change", $"schedules/{scheduleId}", "The hall is flooded.", null),
            (action.Operator, action.Action, action.Target, action.Reason, action.Refusal));
        Assert.Equal((Now.AddDays(30), start), (InstantOf(action.Before, "startsAt"), InstantOf(action.After, "startsAt")));
        Assert.IsType<SeatsHeld>(await seats.AskAsync(Hold(scheduleId, 1)));
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Change_OfOneMember_KeepsTheOthers(DatabaseProvider provider)
    {
        await using var seats = await StartAsync(provider, server);
        var scheduleId = await seats.AddScheduleAsync();

        var (_, body) = await ChangeAsync(seats, scheduleId, Body(new { saleClosesAt = Now.AddHours(1) }));

        Assert.Equal((Now.AddDays(30), Now.AddDays(-1), Now.AddHours(1)),
            (Instant(body, "startsAt"), Instant(body, "saleOpensAt"), Instant(body, "saleClosesAt")));
        seats.Clock.Advance(TimeSpan.FromHours(1));
        Assert.Equal("SCHEDULE_CLOSED", Assert.IsType<SeatHoldRejected>(await seats.AskAsync(Hold(scheduleId, 1))).Code);
    }

    [Theory]
    [InlineData("""{"startsAt":"2026-09-01T20:00:00Z"}""", null, 403, "FORBIDDEN")]
    [InlineData("""{"startsAt":"2026-09-01T20:00:00Z"}""", "ops", 422, "INVALID_REASON")]
    [InlineData("""{"startsAt":"2026-06-01T12:00:00Z","reason":"x"}""", "ops", 422, "INVALID_SCHEDULE")]
    [InlineData("""{"startsAt":null,"reason":"x"}""", "ops", 422, "INVALID_SCHEDULE")]
    [InlineData("""{"saleOpensAt":null,"reason":"x"}""", "ops", 422, "INVALID_SCHEDULE")]
    [InlineData("""{"saleClosesAt":"2026-05-31T12:00:00Z","reason":"x"}""", "ops", 422, "INVALID_SCHEDULE")]
    [InlineData("""{"saleOpensAt":"2026-08-01T12:00:00Z","saleClosesAt":"2026-08-01T12:00:00Z","reason":"x"}""", "ops", 422,
        "INVALID_SCHEDULE")]
    [InlineData("""{"startsAt":"2026-09-01T20:00:00","reason":"x"}""", "ops", 400, "BAD_REQUEST")]
    [InlineData("""{"startsAt":5,"reason":"x"}""", "ops", 400, "BAD_REQUEST")]
    [InlineData("""{"cancelledAt":"2026-09-01T20:00:00Z","reason":"x"}""", "ops", 400, "UNKNOWN_MEMBER")]
    [InlineData("""{"startsAt":"2026-09-01T20:00:00Z","reason":"x"}""", "ops", 404, "SCHEDULE_NOT_FOUND", 999)]
    public async Task Change_ThatIsInvalid_ChangesNothing(string body, string? roles, int status, string code, int? scheduleId = null)
    {
        await using var seats = await StartAsync(DatabaseProvider.Sqlite, server);
        var known = await seats.AddScheduleAsync();

        var answer = await ChangeAsync(seats, scheduleId ?? known, body, roles);

        Assert.Equal((status, code), (answer.Status, answer.Body.GetProperty("code").GetString()));
        Assert.Empty(await ActionsAsync(seats));
        var schedule = await seats.ScheduleAsync(known);
        Assert.Equal((Now.AddDays(30), 0L), (schedule.StartsAt, schedule.Version));
    }

    /// <summary>Wherever the change is interrupted, the schedule moves with its record or not at all.</summary>
    [Theory, MemberData(nameof(Providers))]
    public async Task Change_Interrupted_HasItsRecordOrNoEffect(DatabaseProvider provider)
    {
        var interruption = new Interruption();
        await using var seats = await StartAsync(provider, server, interruption);
        var scheduleId = await seats.AddScheduleAsync();
        for (var step = 1; step <= 12; step++)
        {
            var start = Now.AddDays(40 + step);
            interruption.After(step);
            await ChangeAsync(seats, scheduleId, Body(new { startsAt = start }));
            interruption.After(0);

            Assert.Equal((await seats.ScheduleAsync(scheduleId)).StartsAt == start,
                (await ActionsAsync(seats)).Exists(action => InstantOf(action.After, "startsAt") == start));
        }
        Assert.InRange(interruption.Count, 6, 12);
        Assert.InRange((await ActionsAsync(seats)).Count, 1, 11);
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Cancel_Repeated_ClosesTheSaleOnce(DatabaseProvider provider)
    {
        await using var seats = await StartAsync(provider, server);
        var (scheduleId, other) = (await seats.AddScheduleAsync(seats: 3), await seats.AddScheduleAsync());
        var sold = Hold(scheduleId, 1);
        await seats.AskAsync(sold);
        await seats.ConfirmAsync(sold.ReservationId);
        var command = new CancelSchedule(Guid.CreateVersion7(Now), "olga", "The band is ill.");

        Assert.Equal(HttpStatusCode.NotFound, await CancelAsync(seats, 999, command));
        Assert.Equal(HttpStatusCode.OK, await CancelAsync(seats, scheduleId, command));
        seats.Clock.Advance(TimeSpan.FromMinutes(1));
        Assert.Equal(HttpStatusCode.OK, await CancelAsync(seats, scheduleId, command));
        Assert.Equal(HttpStatusCode.OK, await CancelAsync(seats, scheduleId, command with { ActionId = Guid.CreateVersion7(Now) }));

        Assert.Equal(Now, (await seats.AssertConsistentAsync(scheduleId)).CancelledAt);
        Assert.Equal(2, (await ActionsAsync(seats)).Count);
        var refused = Assert.IsType<SeatHoldRejected>(await seats.AskAsync(Hold(scheduleId, 2)));
        Assert.Equal("SCHEDULE_CANCELLED", refused.Code);
        Assert.IsType<SeatsHeld>(await seats.AskAsync(Hold(other, 2)));
        // What was sold is released by the sagas of the reservations.
        Assert.IsType<SeatsReleased>(await seats.ReleaseAsync(sold.ReservationId));
        using var client = seats.Service.ClientOf("mina");
        var listed = (await client.GetFromJsonAsync<JsonElement>("/api/concerts/1/schedules")).GetProperty("items").EnumerateArray()
            .Single(item => item.GetProperty("scheduleId").GetInt32() == scheduleId);
        Assert.Equal((true, 0), (listed.GetProperty("cancelled").GetBoolean(), listed.GetProperty("availableSeats").GetInt32()));
        var map = await client.GetFromJsonAsync<JsonElement>($"/api/schedules/{scheduleId}/seats");
        Assert.True(map.GetProperty("cancelled").GetBoolean());
        var (status, body) = await ChangeAsync(seats, scheduleId, Body(new { startsAt = Now.AddDays(70) }));
        Assert.Equal((409, "SCHEDULE_CANCELLED"), (status, body.GetProperty("code").GetString()));
    }

    // On SQLite the transaction of the command keeps the cancellation out.
    [Fact]
    public async Task Hold_ThatReadItsDecisionBeforeTheCancellation_IsRefused()
    {
        var between = new AfterTheDecision();
        await using var seats = await StartAsync(DatabaseProvider.PostgreSql, server, between);
        var scheduleId = await seats.AddScheduleAsync();
        between.Work = () => CancelAsync(seats, scheduleId, new CancelSchedule(Guid.CreateVersion7(Now), "olga", "The band is ill."));

        var answer = await seats.AskAsync(Hold(scheduleId, 1));

        Assert.Equal("SCHEDULE_CANCELLED", Assert.IsType<SeatHoldRejected>(answer).Code);
        Assert.Equal(10, (await seats.AssertConsistentAsync(scheduleId)).AvailableSeats);
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Holds_RacingTheCancellation_AreHeldBeforeItOrRefused(DatabaseProvider provider)
    {
        await using var seats = await StartAsync(provider, server);
        await seats.WarmUpAsync();
        var scheduleId = await seats.AddScheduleAsync(seats: 40);

        var holds = Enumerable.Range(1, 40).Select(number => seats.AskAsync(Hold(scheduleId, number))).ToList();
        await CancelAsync(seats, scheduleId, new CancelSchedule(Guid.CreateVersion7(Now), "olga", "The band is ill."));
        var held = 40 - (await seats.ScheduleAsync(scheduleId)).AvailableSeats;
        var answers = await Task.WhenAll(holds);

        Assert.Equal(held, answers.OfType<SeatsHeld>().Count());
        Assert.All(answers.OfType<SeatHoldRejected>(), answer => Assert.Equal("SCHEDULE_CANCELLED", answer.Code));
        Assert.Equal(40 - held, (await seats.AssertConsistentAsync(scheduleId)).AvailableSeats);
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Confirm_AfterTheCancellation_KeepsWhatWasDecided(DatabaseProvider provider)
    {
        await using var seats = await StartAsync(provider, server);
        var scheduleId = await seats.AddScheduleAsync();
        var (sold, held, refused) = (Hold(scheduleId, 1), Hold(scheduleId, 2, 3), Hold(scheduleId, 2, 4));
        foreach (var command in new[] { sold, held, refused })
            await seats.AskAsync(command);
        await seats.ConfirmAsync(sold.ReservationId);
        await CancelAsync(seats, scheduleId, new CancelSchedule(Guid.CreateVersion7(Now), "olga", "The band is ill."));
        var version = (await seats.ScheduleAsync(scheduleId)).Version;

        for (var copy = 0; copy < 2; copy++)
        {
            Assert.Equal("SCHEDULE_CANCELLED", CodeOf(await seats.ConfirmAsync(held.ReservationId)));
            Assert.IsType<SeatsConfirmed>(await seats.ConfirmAsync(sold.ReservationId));
            Assert.Equal("SEATS_NOT_HELD", CodeOf(await seats.ConfirmAsync(refused.ReservationId)));
        }

        // No seat has changed, so a client that watches the seat map has nothing to read.
        Assert.Equal(version, (await seats.AssertConsistentAsync(scheduleId)).Version);
        await seats.ReleaseAsync(held.ReservationId);
        Assert.Equal("SCHEDULE_CANCELLED", CodeOf(await seats.ConfirmAsync(held.ReservationId)));
        Assert.Equal(9, (await seats.AssertConsistentAsync(scheduleId)).AvailableSeats);
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Confirmations_RacingTheCancellation_SellBeforeItOrAreRefused(DatabaseProvider provider)
    {
        await using var seats = await StartAsync(provider, server);
        await seats.WarmUpAsync();
        var scheduleId = await seats.AddScheduleAsync(seats: 40);
        var holds = Enumerable.Range(1, 40).Select(number => Hold(scheduleId, number)).ToList();
        await Task.WhenAll(holds.Select(seats.AskAsync));

        var confirmations = holds.ConvertAll(hold => seats.ConfirmAsync(hold.ReservationId));
        await CancelAsync(seats, scheduleId, new CancelSchedule(Guid.CreateVersion7(Now), "olga", "The band is ill."));
        var sold = (await seats.ScheduleAsync(scheduleId)).Seats.Count(seat => seat.Status == SeatStatus.Sold);
        var answers = await Task.WhenAll(confirmations);

        Assert.Equal(sold, answers.OfType<SeatsConfirmed>().Count());
        Assert.All(answers.OfType<SeatConfirmationRejected>(), answer => Assert.Equal("SCHEDULE_CANCELLED", answer.Code));
        Assert.Equal(sold, (await seats.AssertConsistentAsync(scheduleId)).Seats.Count(seat => seat.Status == SeatStatus.Sold));
    }

    // On SQLite the transaction of the command keeps the cancellation out.
    [Fact]
    public async Task Confirm_ThatReadItsDecisionBeforeTheCancellation_IsRefused()
    {
        var between = new AfterTheDecision();
        await using var seats = await StartAsync(DatabaseProvider.PostgreSql, server, between);
        var scheduleId = await seats.AddScheduleAsync();
        var hold = Hold(scheduleId, 1);
        await seats.AskAsync(hold);
        between.Work = () => CancelAsync(seats, scheduleId, new CancelSchedule(Guid.CreateVersion7(Now), "olga", "The band is ill."));

        Assert.Equal("SCHEDULE_CANCELLED", CodeOf(await seats.ConfirmAsync(hold.ReservationId)));

        var decision = await seats.DecisionAsync(hold.ReservationId);
        Assert.Equal((SeatHoldStatus.Held, "SCHEDULE_CANCELLED"), (decision.Status, decision.Code));
    }

    [Fact]
    public async Task InternalRoutes_ForAStranger_DoNotExist()
    {
        await using var seats = await StartAsync(DatabaseProvider.Sqlite, server);
        var scheduleId = await seats.AddScheduleAsync();

        using var answer = await seats.Service.Stranger.PostAsJsonAsync($"/internal/schedules/{scheduleId}/cancel",
            new CancelSchedule(Guid.CreateVersion7(Now), "olga", "x"));

        Assert.Equal(HttpStatusCode.NotFound, answer.StatusCode);
        Assert.Null((await seats.ScheduleAsync(scheduleId)).CancelledAt);
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task ActionCleaner_AfterTwoYears_DeletesOnlyOldRecords(DatabaseProvider provider)
    {
        await using var seats = await StartAsync(provider, server);
        var scheduleId = await seats.AddScheduleAsync();
        await CancelAsync(seats, scheduleId, new CancelSchedule(Guid.CreateVersion7(Now), "olga", "old"));
        seats.Clock.Advance(TimeSpan.FromDays(1));
        await CancelAsync(seats, scheduleId, new CancelSchedule(Guid.CreateVersion7(Now), "olga", "new"));
        seats.Clock.Advance(TimeSpan.FromDays(730) - TimeSpan.FromHours(1));

        await seats.Service.WithAsync<OperatorActionCleaner<SeatsDbContext>, bool>(async cleaner =>
        {
            await cleaner.RunOnceAsync(CancellationToken.None);
            return true;
        });

        Assert.Equal("new", Assert.Single(await ActionsAsync(seats)).Reason);
    }

    private static async Task PublishedAsync(SeatsUnderTest seats, object message) => await Eventually.TrueAsync(
        () => seats.Service.Published.Contains(message), Limit, $"{message} is published");

    private static string Body(object members) =>
        JsonSerializer.Serialize(members).Replace("{", "{\"reason\":\"The hall is flooded.\",", StringComparison.Ordinal);

    private static async Task<(int Status, JsonElement Body)> ChangeAsync(
        SeatsUnderTest seats, int scheduleId, string body, string? roles = "ops")
    {
        using var client = seats.Service.ClientOf("olga");
        if (roles is not null)
            client.DefaultRequestHeaders.Add(Caller.UserRolesHeader, roles);
        using var answer = await client.PatchAsync($"/ops/api/schedules/{scheduleId}",
            new StringContent(body, Encoding.UTF8, "application/json"));
        var text = await answer.Content.ReadAsStringAsync();
        return ((int)answer.StatusCode, text.Length == 0 ? default : JsonDocument.Parse(text).RootElement);
    }

    private static async Task<HttpStatusCode> CancelAsync(SeatsUnderTest seats, int scheduleId, CancelSchedule command)
    {
        using var client = seats.Service.ClientOf("operations");
        using var answer = await client.PostAsJsonAsync($"/internal/schedules/{scheduleId}/cancel", command);
        return answer.StatusCode;
    }

    private static Task<List<OperatorAction>> ActionsAsync(SeatsUnderTest seats) => seats.Service.WithAsync<SeatsDbContext,
        List<OperatorAction>>(database => database.OperatorActions.AsNoTracking().OrderBy(action => action.ActionId).ToListAsync());

    private static DateTimeOffset Instant(JsonElement body, string member) => body.GetProperty(member).GetDateTimeOffset();

    private static DateTimeOffset InstantOf(string? json, string member) => Instant(JsonDocument.Parse(json!).RootElement, member);

    private static string CodeOf(object reply) => Assert.IsType<SeatConfirmationRejected>(reply).Code;

    // Does some work once, when a command has read its decision and has not locked the schedule.
    private sealed class AfterTheDecision : DbCommandInterceptor
    {
        public Func<Task>? Work { get; set; }

        public override async ValueTask<DbDataReader> ReaderExecutedAsync(
            DbCommand command, CommandExecutedEventData eventData, DbDataReader result, CancellationToken cancellationToken = default)
        {
            if (Work is { } work && command.CommandText.Contains("FROM \"SeatHolds\"", StringComparison.Ordinal))
            {
                Work = null;
                await work();
            }
            return result;
        }
    }
}
