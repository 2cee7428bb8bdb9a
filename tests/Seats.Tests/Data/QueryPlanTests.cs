using System.Net.Http.Json;
using ConcertSaga.Contracts.Reservations;
using ConcertSaga.Contracts.Seats;
using ConcertSaga.Seats.Data;
using ConcertSaga.Seats.Tests.Fixtures;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Shared.Hosting.Http;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using Microsoft.EntityFrameworkCore;
using Xunit;
using static ConcertSaga.Seats.Tests.Fixtures.SeatsUnderTest;

namespace ConcertSaga.Seats.Tests.Data;

/// <summary>
/// On large tables, every statement of the service uses an index: none scans a table, and each frequent query uses the index made for it.
/// </summary>
public sealed class QueryPlanTests(PostgreSqlServer server)
{
    private const int Concerts = 1_000, Schedules = 40_000, SchedulesWithSeats = 4_000, SeatsOfSchedule = 50, Holds = 40_000;

    // The schedules of a concert are spread over the table, and most seats and holds belong to others.
    private const int ConcertId = 17, ScheduleId = 3 * Concerts + ConcertId;

    private static readonly string[] Large = ["Concerts", "Schedules", "Seats", "SeatHolds"];

    public static IEnumerable<object[]> Providers => TestDatabase.Providers;

    [Theory, MemberData(nameof(Providers))]
    public async Task Statements_OnLargeTables_UseTheirIndexes(DatabaseProvider provider)
    {
        var sent = new SentStatements();
        await using var seats = await StartAsync(provider, server, sent);
        await FillAsync(seats, provider);
        using var client = seats.Service.ClientOf("mina", ConcertId);
        var later = Uri.EscapeDataString(Now.AddDays(2).ToString("O"));

        await ExpectAsync(() => client.GetStringAsync($"/api/concerts/{ConcertId}/schedules"),
            "IX_Schedules_ConcertId_StartsAt_ScheduleId");
        await ExpectAsync(() => client.GetStringAsync(
            $"/api/concerts/{ConcertId}/schedules?limit=5&from={later}&to={Uri.EscapeDataString(Now.AddDays(30).ToString("O"))}"),
            "IX_Schedules_ConcertId_StartsAt_ScheduleId");
        var page = await client.GetStringAsync($"/api/concerts/{ConcertId}/schedules?limit=5");
        var cursor = System.Text.Json.JsonDocument.Parse(page).RootElement.GetProperty("nextCursor").GetString();
        await ExpectAsync(() => client.GetStringAsync($"/api/concerts/{ConcertId}/schedules?limit=5&cursor={cursor}"),
            "IX_Schedules_ConcertId_StartsAt_ScheduleId");
        await ExpectAsync(() => client.GetStringAsync($"/api/schedules/{ScheduleId}/seats"), provider == DatabaseProvider.Sqlite
            ? "sqlite_autoindex_Seats_1" : "PK_Seats");
        await ExpectAsync(() => client.GetStringAsync($"/internal/schedules/{ScheduleId}"));
        await ExpectAsync(() => client.GetStringAsync("/api/concerts?limit=100"));
        await ExpectAsync(() => client.GetStringAsync($"/internal/concerts?after={Concerts - 500}"));
        client.DefaultRequestHeaders.Add(Caller.UserRolesHeader, "ops");
        await ExpectAsync(() => client.PatchAsJsonAsync($"/ops/api/schedules/{ScheduleId}",
            new { startsAt = Now.AddDays(9), saleClosesAt = Now.AddDays(9), reason = "x" }));

        var hold = Hold(ScheduleId, 7, 8);
        await ExpectAsync(() => seats.AskAsync(hold), "IX_SeatHolds_UserId_ConcertId");
        await ExpectAsync(() => seats.ConfirmAsync(hold.ReservationId));
        await ExpectAsync(() => seats.ReleaseAsync(hold.ReservationId));
        await ExpectAsync(() => client.PostAsJsonAsync($"/internal/schedules/{ScheduleId}/cancel",
            new CancelSchedule(Guid.CreateVersion7(Now), "olga", "x")));
        await ExpectAsync(async () =>
        {
            await seats.PublishAsync(new ReservationsDeleted([hold.ReservationId, Guid.CreateVersion7(Now)]));
            await Eventually.TrueAsync(() => sent.All.Any(sql => sql.Text.StartsWith("DELETE", StringComparison.Ordinal)),
                TimeSpan.FromSeconds(60), "the hold is deleted");
        });

        async Task ExpectAsync(Func<Task> ask, params string[] indexes)
        {
            sent.Clear();
            await ask();
            Assert.NotEmpty(sent.All);
            var used = new List<string>();
            await seats.Service.WithAsync<SeatsDbContext, bool>(async database =>
            {
                await database.Database.OpenConnectionAsync();
                // An insert has no plan worth checking, and its text may contain other statements.
                var checkedStatements = sent.All.Where(sql => !sql.Text.StartsWith("INSERT", StringComparison.Ordinal)).ToList();
                foreach (var statement in checkedStatements)
                {
                    var plan = await QueryPlans.OfAsync(database.Database.GetDbConnection(), statement);
                    var scans = plan.Scans.Select(scan => Large.FirstOrDefault(table => scan == table
                        || statement.Text.Contains($"\"{table}\" AS \"{scan}\"", StringComparison.Ordinal)));
                    Assert.False(scans.Any(table => table is not null), $"{statement.Text}\n{plan.Text}");
                    used.AddRange(plan.Indexes);
                }
                return true;
            });
            Assert.Empty(indexes.Except(used));
        }
    }

    private static Task<bool> FillAsync(SeatsUnderTest seats, DatabaseProvider provider) =>
        seats.Service.WithAsync<SeatsDbContext, bool>(async database =>
    {
        string At(string days) => provider == DatabaseProvider.Sqlite
            ? $"strftime('%Y-%m-%d %H:%M:%S', '2026-06-01', printf('%+d days', {days}))"
            : $"timestamptz '2026-06-01 00:00:00Z' + ({days}) * interval '1 day'";
        var id = provider == DatabaseProvider.Sqlite
            ? "upper(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-' || hex(randomblob(2)) || '-' || hex(randomblob(2)) || '-' || "
                + "hex(randomblob(6)))" : "gen_random_uuid()";
        string[] statements =
        [
            $"""
            INSERT INTO "Concerts" ("ConcertId", "Title", "Venue", "SaleOpensAt", "SaleClosesAt") {Rows(Concerts)}
            SELECT i, 'Concert', 'Hall', {At("-100")}, {At("1000")} FROM n WHERE i > 2
            """,
            $"""
            INSERT INTO "Schedules" ("ScheduleId", "ConcertId", "StartsAt", "TotalSeats", "AvailableSeats", "Version") {Rows(Schedules)}
            SELECT i, (i - 1) % {Concerts} + 1, {At($"i / {Concerts}")}, {SeatsOfSchedule}, {SeatsOfSchedule}, 0 FROM n
            """,
            $"""
            INSERT INTO "Seats" ("ScheduleId", "Number", "Price", "Status") {Rows(SchedulesWithSeats * SeatsOfSchedule)}
            SELECT (i - 1) / {SeatsOfSchedule} + 1, (i - 1) % {SeatsOfSchedule} + 1, 1000, 'Available' FROM n
            """,
            $"""
            INSERT INTO "SeatHolds" ("ReservationId", "UserId", "ConcertId", "ScheduleId", "SeatNumbers", "SeatCount", "TotalPrice",
                "Status", "RefusedSeats", "CreatedAt", "UpdatedAt")
            {Rows(Holds)} SELECT {id}, 'user-' || i % 5000, i % {Concerts} + 1, i, '1', 1, 1000, 'Released', '', {At("0")}, {At("0")} FROM n
            """,
            "ANALYZE"
        ];
        foreach (var statement in statements)
#pragma warning disable EF1002 // These are constants of the test.
            await database.Database.ExecuteSqlRawAsync(statement);
#pragma warning restore EF1002
        return true;
    });

    // Generates rows on both servers; SQLite has no generate_series.
    private static string Rows(int count) => $"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})";
}
