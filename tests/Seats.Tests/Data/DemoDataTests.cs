using ConcertSaga.Contracts.Seats;
using ConcertSaga.Seats.Data;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using Microsoft.EntityFrameworkCore;
using Xunit;
using static ConcertSaga.Seats.Tests.Fixtures.SeatsUnderTest;

namespace ConcertSaga.Seats.Tests.Data;

public sealed class DemoDataTests(PostgreSqlServer server)
{
    public static IEnumerable<object[]> Providers => TestDatabase.Providers;

    [Theory, MemberData(nameof(Providers))]
    public async Task SeedDemoData_Enabled_FillsAnEmptyDatabaseOnce(DatabaseProvider provider)
    {
        await using var seats = await StartAsync(provider, server, ("Seats:SeedDemoData", "true"));
        await seats.Service.WithAsync<SeatsDbContext, int>(database => database.Concerts.ExecuteDeleteAsync());

        for (var i = 0; i < 2; i++)
            await seats.Service.WithAsync<IServiceProvider, bool>(async services =>
            {
                await SeatsService.SeedDemoDataAsync(services, CancellationToken.None);
                return true;
            });

        var (concerts, schedules, seatCount) = await seats.Service.WithAsync<SeatsDbContext, (int, int, int)>(async database =>
            (await database.Concerts.CountAsync(), await database.Schedules.CountAsync(), await database.Seats.CountAsync()));
        Assert.Equal((3, 90, 4_500), (concerts, schedules, seatCount));
        var schedule = await seats.AssertConsistentAsync(1);
        Assert.Equal(new DateTimeOffset(2026, 6, 3, 10, 0, 0, TimeSpan.Zero), schedule.StartsAt);
        Assert.Equal([150_000, 130_000, 110_000, 90_000, 70_000],
            schedule.Seats.OrderBy(seat => seat.Number).Chunk(10).Select(row => (long)row.Average(seat => seat.Price)));
        var zones = await seats.Service.WithAsync<SeatsDbContext, List<string>>(database =>
            database.Concerts.OrderBy(concert => concert.ConcertId).Select(concert => concert.TimeZone).ToListAsync());
        Assert.Equal(["Asia/Seoul", "Europe/London", "America/New_York"], zones);
        using var client = seats.Service.ClientOf("mina");
        Assert.StartsWith("{\"sections\":[{\"name\":\"Stalls\",\"rows\":[{\"name\":\"A\",\"firstSeat\":1,\"lastSeat\":10,",
            await client.GetStringAsync("/api/schedules/90/plan"), StringComparison.Ordinal);
        Assert.IsType<SeatsHeld>(await seats.AskAsync(Hold(90, 50)));
    }

    /// <summary>Daylight saving ends in London on 25 October 2026, within the thirty evenings.</summary>
    [Fact]
    public async Task SeedDemoData_OverTheEndOfDaylightSaving_KeepsTheHourOfTheHall()
    {
        await using var seats = await StartAsync(DatabaseProvider.Sqlite, server, ("Seats:SeedDemoData", "true"));
        await seats.Service.WithAsync<SeatsDbContext, int>(database => database.Concerts.ExecuteDeleteAsync());
        seats.Clock.SetUtcNow(new DateTimeOffset(2026, 10, 20, 12, 0, 0, TimeSpan.Zero));

        await seats.Service.WithAsync<IServiceProvider, bool>(async services =>
        {
            await SeatsService.SeedDemoDataAsync(services, CancellationToken.None);
            return true;
        });

        var starts = await seats.Service.WithAsync<SeatsDbContext, List<DateTimeOffset>>(database => database.Schedules
            .Where(schedule => schedule.ConcertId == 2).OrderBy(schedule => schedule.StartsAt).Select(schedule => schedule.StartsAt)
            .ToListAsync());
        Assert.Equal(new DateTimeOffset(2026, 10, 24, 19, 0, 0, TimeSpan.Zero), starts[2]);
        Assert.Equal(new DateTimeOffset(2026, 10, 25, 20, 0, 0, TimeSpan.Zero), starts[3]);
    }
}
