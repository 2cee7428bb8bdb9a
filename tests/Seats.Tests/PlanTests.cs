using ConcertSaga.Seats.Data;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using Microsoft.EntityFrameworkCore;
using Xunit;
using static ConcertSaga.Seats.Tests.SeatsUnderTest;

namespace ConcertSaga.Seats.Tests;

/// <summary>
/// With so many rows that the planner must choose, whatever the service sends goes by an index: nothing reads a large table from end to end,
/// and each hot query uses the index that was made for it.
/// </summary>
public sealed class PlanTests(PostgreSqlServer server)
{
    private const int Concerts = 1_000, Dates = 40_000, DatesWithSeats = 4_000, SeatsOfDate = 50, Holds = 40_000;

    // Dates of a concert are not neighbours, and most seats and holds are of others.
    private const int ConcertId = 17, ScheduleId = 3 * Concerts + ConcertId;

    private static readonly string[] Large = ["Concerts", "Schedules", "Seats", "SeatHolds"];

    public static IEnumerable<object[]> Providers => TestDatabase.Providers;

    [Theory, MemberData(nameof(Providers))]
    public async Task Statements_OnLargeTables_GoByTheirIndexes(DatabaseProvider provider)
    {
        var sent = new SentStatements();
        await using var seats = await StartAsync(provider, server, sent);
        await FillAsync(seats, provider);
        using var client = seats.Service.ClientOf("mina", ConcertId);
        var later = Uri.EscapeDataString(Now.AddDays(2).ToString("O"));

        await ExpectAsync(() => client.GetStringAsync($"/api/concerts/{ConcertId}/schedules"), "IX_Schedules_ConcertId_StartsAt_ScheduleId");
        await ExpectAsync(() => client.GetStringAsync($"/api/concerts/{ConcertId}/schedules?limit=5&from={later}&to={Uri.EscapeDataString(Now.AddDays(30).ToString("O"))}"),
            "IX_Schedules_ConcertId_StartsAt_ScheduleId");
        var page = await client.GetStringAsync($"/api/concerts/{ConcertId}/schedules?limit=5");
        var cursor = System.Text.Json.JsonDocument.Parse(page).RootElement.GetProperty("nextCursor").GetString();
        await ExpectAsync(() => client.GetStringAsync($"/api/concerts/{ConcertId}/schedules?limit=5&cursor={cursor}"), "IX_Schedules_ConcertId_StartsAt_ScheduleId");
        await ExpectAsync(() => client.GetStringAsync($"/api/schedules/{ScheduleId}/seats"), provider == DatabaseProvider.Sqlite ? "sqlite_autoindex_Seats_1" : "PK_Seats");
        await ExpectAsync(() => client.GetStringAsync($"/internal/schedules/{ScheduleId}"));
        await ExpectAsync(() => client.GetStringAsync("/api/concerts?limit=100"));
        await ExpectAsync(() => client.GetStringAsync($"/internal/concerts?after={Concerts - 500}"));

        var hold = Hold(ScheduleId, 7, 8);
        await ExpectAsync(() => seats.AskAsync(hold), "IX_SeatHolds_UserId_ConcertId");
        await ExpectAsync(() => seats.ConfirmAsync(hold.ReservationId));
        await ExpectAsync(() => seats.ReleaseAsync(hold.ReservationId));

        async Task ExpectAsync(Func<Task> ask, params string[] indexes)
        {
            sent.Clear();
            await ask();
            Assert.NotEmpty(sent.All);
            var used = new List<string>();
            await seats.Service.WithAsync<SeatsDbContext, bool>(async database =>
            {
                await database.Database.OpenConnectionAsync();
                // An insert may come with other statements in one text, and has no plan to speak of.
                foreach (var statement in sent.All.Where(one => !one.Text.StartsWith("INSERT", StringComparison.Ordinal)).ToList())
                {
                    var plan = await QueryPlans.OfAsync(database.Database.GetDbConnection(), statement);
                    // A page of all concerts by id has no condition but its start.
                    var scans = plan.Scans.Select(scan => Large.FirstOrDefault(table => scan == table || statement.Text.Contains($"\"{table}\" AS \"{scan}\"", StringComparison.Ordinal)));
                    Assert.False(scans.Any(table => table is not null), $"{statement.Text}\n{plan.Text}");
                    used.AddRange(plan.Indexes);
                }
                return true;
            });
            Assert.Empty(indexes.Except(used));
        }
    }

    private static Task<bool> FillAsync(SeatsUnderTest seats, DatabaseProvider provider) => seats.Service.WithAsync<SeatsDbContext, bool>(async database =>
    {
        string At(string days) => provider == DatabaseProvider.Sqlite ? $"strftime('%Y-%m-%d %H:%M:%S', '2026-06-01', printf('%+d days', {days}))" : $"timestamptz '2026-06-01 00:00:00Z' + ({days}) * interval '1 day'";
        var id = provider == DatabaseProvider.Sqlite
            ? "upper(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-' || hex(randomblob(2)) || '-' || hex(randomblob(2)) || '-' || hex(randomblob(6)))" : "gen_random_uuid()";
        string[] statements =
        [
            $"""INSERT INTO "Concerts" {Rows(Concerts)} SELECT i, 'Concert', 'Hall', {At("-100")}, {At("1000")} FROM n WHERE i > 2""",
            $"""INSERT INTO "Schedules" ("ScheduleId", "ConcertId", "StartsAt", "TotalSeats", "AvailableSeats", "Version") {Rows(Dates)} SELECT i, (i - 1) % {Concerts} + 1, {At($"i / {Concerts}")}, {SeatsOfDate}, {SeatsOfDate}, 0 FROM n""",
            $"""INSERT INTO "Seats" ("ScheduleId", "Number", "Price", "Status") {Rows(DatesWithSeats * SeatsOfDate)} SELECT (i - 1) / {SeatsOfDate} + 1, (i - 1) % {SeatsOfDate} + 1, 1000, 'Available' FROM n""",
            $"""
            INSERT INTO "SeatHolds" ("ReservationId", "UserId", "ConcertId", "ScheduleId", "SeatNumbers", "SeatCount", "TotalPrice", "Status", "RefusedSeats", "CreatedAt", "UpdatedAt")
            {Rows(Holds)} SELECT {id}, 'user-' || i % 5000, i % {Concerts} + 1, i, '1', 1, 1000, 'Released', '', {At("0")}, {At("0")} FROM n
            """,
            "ANALYZE"
        ];
        foreach (var statement in statements)
#pragma warning disable EF1002 // Constants of this test.
            await database.Database.ExecuteSqlRawAsync(statement);
#pragma warning restore EF1002
        return true;
    });

    // SQLite has no function that makes rows, but both can do it by themselves.
    private static string Rows(int count) => $"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})";
}
