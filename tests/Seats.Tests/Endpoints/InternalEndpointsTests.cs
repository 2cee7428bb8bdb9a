using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using ConcertSaga.Contracts.Seats;
using ConcertSaga.Seats.Data;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using Microsoft.EntityFrameworkCore;
using Xunit;
using static ConcertSaga.Seats.Tests.Fixtures.SeatsUnderTest;

namespace ConcertSaga.Seats.Tests.Endpoints;

public sealed class InternalEndpointsTests(PostgreSqlServer server)
{
    public static IEnumerable<object[]> Providers => TestDatabase.Providers;

    [Theory, MemberData(nameof(Providers))]
    public async Task Schedule_ReadByTheGateway_NamesItsConcert(DatabaseProvider provider)
    {
        await using var seats = await StartAsync(provider, server);
        var scheduleId = await seats.AddScheduleAsync(concertId: 2);
        using var gateway = seats.Service.ClientOf("mina");
        gateway.DefaultRequestHeaders.Remove("X-User-Id");

        Assert.StartsWith($$"""{"scheduleId":{{scheduleId}},"concertId":2,"startsAt":"2026-07-01T12:00:00+00:00","title":"Concert 2",""",
            await gateway.GetStringAsync($"/internal/schedules/{scheduleId}"), StringComparison.Ordinal);
        // The next response shows a changed start.
        await seats.Service.WithAsync<SeatsDbContext, int>(database => database.Schedules
            .Where(schedule => schedule.ScheduleId == scheduleId)
            .ExecuteUpdateAsync(set => set.SetProperty(schedule => schedule.StartsAt, Now.AddDays(1))));
        Assert.Contains("2026-06-02T12:00:00", await gateway.GetStringAsync($"/internal/schedules/{scheduleId}"), StringComparison.Ordinal);
        using var unknown = await gateway.GetAsync("/internal/schedules/4711");
        Assert.Equal(HttpStatusCode.NotFound, unknown.StatusCode);
        Assert.Equal("SCHEDULE_NOT_FOUND", (await unknown.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("code").GetString());
    }

    /// <summary>Only schedules that customers can still reserve count. Held seats are not available, but may be again.</summary>
    [Theory, MemberData(nameof(Providers))]
    public async Task Concert_WithoutAnAvailableSeat_IsSoldOut(DatabaseProvider provider)
    {
        await using var seats = await StartAsync(provider, server);
        using var client = seats.Service.ClientOf("mina");
        Assert.False(await IsSoldOutAsync());
        await seats.AddScheduleAsync(startsAt: Now.AddDays(-1));
        var cancelled = await seats.AddScheduleAsync();
        await seats.Service.WithAsync<SeatsDbContext, int>(database => database.Schedules
            .Where(schedule => schedule.ScheduleId == cancelled)
            .ExecuteUpdateAsync(set => set.SetProperty(schedule => schedule.CancelledAt, Now)));
        Assert.False(await IsSoldOutAsync());
        var hold = Hold(await seats.AddScheduleAsync(seats: 2), 1, 2);
        Assert.False(await IsSoldOutAsync());

        await seats.AskAsync(hold);
        Assert.True(await IsSoldOutAsync());
        await seats.ReleaseAsync(hold.ReservationId);
        Assert.False(await IsSoldOutAsync());
        await seats.AskAsync(Hold(hold.ScheduleId, 1));
        Assert.False(await IsSoldOutAsync());

        async Task<bool> IsSoldOutAsync()
        {
            var one = await client.GetFromJsonAsync<ConcertPublished>("/internal/concerts/1");
            var all = await client.GetFromJsonAsync<ConcertPublished[]>("/internal/concerts");
            Assert.Equal(one, all![0]);
            Assert.False(all[1].SoldOut);
            return one!.SoldOut!.Value;
        }
    }
}
