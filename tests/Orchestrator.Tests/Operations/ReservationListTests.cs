using System.Net.Http.Json;
using System.Text.Json;
using System.Text.Json.Serialization;
using ConcertSaga.Orchestrator.Operations;
using ConcertSaga.Orchestrator.Reservations;
using ConcertSaga.Orchestrator.Tests.Hosts;
using ConcertSaga.Orchestrator.Tests.Reservations;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Shared.Hosting.Http;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;
using static ConcertSaga.Orchestrator.Reservations.ReservationStates;

namespace ConcertSaga.Orchestrator.Tests.Operations;

/// <summary>The list of reservations for operators, on each database.</summary>
public sealed class ReservationListTests(PostgreSqlServer server)
{
    private const string Route = "/ops/api/reservations";

    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web) { Converters = { new JsonStringEnumConverter() } };

    public static IEnumerable<object[]> Providers => TestDatabase.Providers;

    [Theory, MemberData(nameof(Providers))]
    public async Task List_WithAnyFilter_HasTheMatchingRowsInOrder(DatabaseProvider provider)
    {
        await using var service = await StartAsync(provider);
        var rows = All.Select((state, minute) => Row(state, minute)).ToList();
        var stuck = Row(ConfirmingSeats, 50);
        (stuck.StuckSince, stuck.StepAttempts, stuck.SeatNumbers) = (Machine.Start, 9, [1, 17]);
        var other = Row(Confirmed, 51);
        (other.UserId, other.ScheduleId, other.ConcertId, other.SeatNumbers) = ("=noor", 32, 4, [7]);
        var all = rows.Append(stuck).Append(other).ToList();
        await WriteAsync(service, all);

        foreach (var (query, expected) in new (string, Func<Reservation, bool>)[]
        {
            ("", _ => true),
            ("state=confirmingseats", row => row.CurrentState == ConfirmingSeats),
            ("status=Paying", row => row.CurrentState is DeductingPoints or ConfirmingPayment or ConfirmingSeats),
            ("status=Paying&state=Failed", _ => false),
            ("userId==noor", row => row == other),
            ("userId=mina&status=Confirmed", row => row.CurrentState == Confirmed && row != other),
            ("concertId=4", row => row == other),
            ("scheduleId=32", row => row == other),
            ("scheduleId=31&seat=7", row => row != stuck && row != other),
            ("scheduleId=31&seat=8", row => row != stuck && row != other),
            ("scheduleId=31&seat=17", row => row == stuck),
            ("scheduleId=31&seat=1", row => row == stuck),
            ("scheduleId=32&seat=70", _ => false),
            ("failureCode=STEP_TIMED_OUT", row => row.FailureCode == "STEP_TIMED_OUT"),
            ("failureCode=STEP_TIMED_OUT&state=Failed", row => row.CurrentState == Failed),
            ("stuck=true", row => row == stuck),
            ("stuck=false", row => row != stuck),
            ("retrying=true", row => row == stuck),
            ("retrying=false&scheduleId=31", row => row != stuck && row != other),
            ($"createdFrom={At(3)}&createdTo={At(6)}", row => row.CreatedAt >= Machine.Start.AddMinutes(3)
                && row.CreatedAt < Machine.Start.AddMinutes(6))
        })
        {
            var newest = await ReadAsync(service, query);
            Assert.True(all.Where(expected).OrderByDescending(row => row.CreatedAt).Select(row => row.CorrelationId)
                .SequenceEqual(newest.Select(row => row.ReservationId)), $"{query}: {string.Join(", ", newest.Select(row => row.State))}");
            Assert.Equal(newest.Select(row => row.ReservationId).Reverse(),
                (await ReadAsync(service, $"{query}&sort=oldest")).Select(row => row.ReservationId));
        }
        Assert.All(await ReadAsync(service, ""), row => Assert.Equal(RemainingSteps.Of($"{row.State}"), row.RemainingSteps));
        Assert.Equal([Machine.Start], (await ReadAsync(service, "stuck=true")).Select(row => row.NextAttemptAt));
        Assert.All(await ReadAsync(service, "state=AwaitingPayment"), row => Assert.Null(row.NextAttemptAt));
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Pages_OfRowsOfOneInstant_ShowEachOnce(DatabaseProvider provider)
    {
        await using var service = await StartAsync(provider);
        // Three rows of each state per instant, so that a page ends among them, and among finished and unfinished ones.
        var rows = Enumerable.Range(0, 9).SelectMany(number => All.Select(state => Row(state, number / 3))).ToList();
        await WriteAsync(service, rows);

        foreach (var query in new[] { "limit=5", "limit=5&sort=oldest", "limit=7&scheduleId=31", "limit=7&userId=mina", "limit=200" })
        {
            var seen = new List<ReservationView>();
            for (string? cursor = ""; cursor is not null;)
            {
                var page = await PageAsync(service, $"{query}&cursor={cursor}");
                seen.AddRange(page.Items);
                cursor = page.NextCursor;
            }
            Assert.Equal(rows.Select(row => row.CorrelationId).Order(), seen.Select(row => row.ReservationId).Order());
            Assert.Equal(seen.Select(row => row.CreatedAt).Order(),
                (query.Contains("oldest", StringComparison.Ordinal) ? seen : seen.AsEnumerable().Reverse()).Select(row => row.CreatedAt));
        }
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Csv_OfMoreThanAPage_HasEachRowOnce(DatabaseProvider provider)
    {
        await using var service = await StartAsync(provider);
        var rows = Enumerable.Range(0, 2_100).Select(number => Row(number % 3 == 0 ? ConfirmingSeats : Confirmed, number % 7)).ToList();
        rows[0].UserId = "=cmd|' /C calc'!A0";
        (rows[1].FailureCode, rows[1].FailureDetail) = ("PAYMENT_REJECTED", "Say \"no\", twice.");
        await WriteAsync(service, rows);
        using var client = ClientOf(service);

        using var answer = await client.GetAsync(new Uri($"{Route}?format=csv&limit=1", UriKind.Relative));

        Assert.Equal("text/csv", answer.Content.Headers.ContentType!.MediaType);
        var lines = (await answer.Content.ReadAsStringAsync()).Split("\r\n");
        Assert.StartsWith("reservationId,state,status,userId,", lines[0], StringComparison.Ordinal);
        Assert.Equal(("", rows.Count + 2), (lines[^1], lines.Length));
        Assert.Equal(rows.Select(row => $"{row.CorrelationId}").Order(), lines[1..^1].Select(line => line.Split(',')[0]).Order());
        Assert.Contains("'=cmd|' /C calc'!A0,", lines.Single(line => line.StartsWith($"{rows[0].CorrelationId}", StringComparison.Ordinal)),
            StringComparison.Ordinal);
        Assert.Contains(",\"Say \"\"no\"\", twice.\",", lines.Single(line => line.StartsWith($"{rows[1].CorrelationId}",
            StringComparison.Ordinal)), StringComparison.Ordinal);
    }

    /// <summary>Among many reservations, each filter with few or many matches reads the list from an index.</summary>
    [Theory, MemberData(nameof(Providers))]
    public async Task Queries_AmongManyReservations_UseTheirIndexes(DatabaseProvider provider)
    {
        var sent = new SentStatements();
        await using var service = await StartAsync(provider, sent);
        await service.WithAsync<OrchestratorDbContext, bool>(AddSampleAsync);
        await service.WithAsync<OrchestratorDbContext, int>(database => database.Database.ExecuteSqlRawAsync("ANALYZE"));
        var cursor = (await PageAsync(service, "limit=200")).NextCursor;
        sent.Clear();

        foreach (var query in new[]
        {
            "", $"cursor={cursor}", "sort=oldest", "state=Confirmed", "state=Failed", "status=Pending", "userId=user-7", "scheduleId=7",
            "scheduleId=7&seat=7", "scheduleId=7&seat=7&sort=oldest", "concertId=7", "failureCode=STEP_TIMED_OUT", "stuck=true",
            "retrying=true",
            $"createdFrom={At(100)}&createdTo={At(200)}"
        })
            await PageAsync(service, $"{query}&limit=200");
        using var operations = service.ClientOf("operations");
        foreach (var list in new[] { "unfinished?limit=200", $"unfinished?limit=200&after={cursor}", "reservations?limit=200" })
            await operations.GetStringAsync(new Uri($"/internal/facts/{list}", UriKind.Relative));
        await service.WithAsync<ReservationCounter, bool>(async counter =>
        {
            await counter.RunOnceAsync(CancellationToken.None);
            return true;
        });

        var statements = sent.All.Where(statement => statement.Text.Contains("\"CreatedAt\" DESC", StringComparison.Ordinal)
            || statement.Text.Contains("\"CreatedAt\", ", StringComparison.Ordinal)
            || statement.Text.Contains("ORDER BY r.\"ReservationId\"", StringComparison.Ordinal)
            || statement.Text.Contains("ORDER BY \"r\".\"ReservationId\"", StringComparison.Ordinal)
            || statement.Text.Contains("COUNT(*)", StringComparison.OrdinalIgnoreCase)).ToList();
        Assert.True(statements.Count >= 20, $"{statements.Count}");
        await service.WithAsync<OrchestratorDbContext, bool>(async database =>
        {
            await database.Database.OpenConnectionAsync();
            foreach (var statement in statements)
            {
                var plan = await QueryPlans.OfAsync(database.Database.GetDbConnection(), statement);
                // SQLite calls reading the result of a part a scan, and also reading a filtered index in its order up to the limit.
                var scans = plan.Scans.Where(table => !plan.Text.Contains($"CO-ROUTINE {table}\n", StringComparison.Ordinal)
                    && !plan.Text.Contains($"SCAN {table} USING INDEX IX_Reservations_CreatedAt_ReservationId", StringComparison.Ordinal));
                Assert.True(!scans.Any(), $"{string.Join(", ", scans)}:\n{statement.Text}\n{plan.Text}");
            }
            return true;
        });
    }

    /// <summary>
    /// A state that hardly occurs with a code, in a concert or in a schedule, and a seat of a large schedule: the list reads only the
    /// rows that match.
    /// </summary>
    [Theory, MemberData(nameof(Providers))]
    public async Task Filters_ThatMatchFewOfManyRows_ReadOnlyThese(DatabaseProvider provider)
    {
        var sent = new SentStatements();
        await using var service = await StartAsync(provider, sent);
        await AddManyAsync(service, 10_000, [Rejected, Failed], "CASE WHEN i % 2 = 0 THEN 'Rejected' ELSE 'Failed' END",
            ("ScheduleId", "7"), ("FailureCode", "CASE WHEN i % 2 = 0 THEN 'A' ELSE 'B' END"), ("SeatNumbers", "CAST(i AS text)"));
        await service.WithAsync<OrchestratorDbContext, int>(database => database.Database.ExecuteSqlRawAsync(
            provider == DatabaseProvider.Sqlite ? "ANALYZE" : "VACUUM (ANALYZE) \"Reservations\""));

        Assert.Empty(await FindAsync(service, sent, "failureCode=A&state=Failed", "IX_Reservations_OfFailure"));
        Assert.Empty(await FindAsync(service, sent, "concertId=3&state=Confirmed", "IX_Reservations_OfConcert"));
        Assert.Empty(await FindAsync(service, sent, "scheduleId=7&state=Confirmed", "IX_Reservations_OfSchedule"));
        // SQLite also reads a row only after the conditions on columns of the index, but its plan does not say so.
        var scan = provider == DatabaseProvider.Sqlite ? "IX_Reservations_OfSchedule" : "\"Index Only Scan\"";
        var found = await FindAsync(service, sent, "scheduleId=7&seat=4321", scan);
        Assert.Equal([4321], Assert.Single(found).SeatNumbers);
    }

    /// <summary>
    /// A code that is frequent elsewhere, in a concert or schedule with many others: the list reads only the rows that match.
    /// </summary>
    [Theory, MemberData(nameof(Providers))]
    public async Task Filters_ByACodeThatIsRareThere_ReadOnlyTheRowsThatMatch(DatabaseProvider provider)
    {
        var sent = new SentStatements();
        await using var service = await StartAsync(provider, sent);
        await AddManyAsync(service, 10_000, [Failed], "'Failed'", ("ConcertId", "3 + i % 2"), ("ScheduleId", "7 + i % 2"),
            ("FailureCode", "CASE WHEN i % 2 = 0 THEN 'A' ELSE 'B' END"));
        await service.WithAsync<OrchestratorDbContext, int>(database => database.Database.ExecuteSqlRawAsync("ANALYZE"));

        foreach (var rest in new[] { "", "&sort=oldest", "&state=Failed", $"&createdFrom={At(100)}&createdTo={At(200)}" })
        {
            Assert.Empty(await FindAsync(service, sent, $"concertId=3&failureCode=B{rest}", "IX_Reservations_OfConcertFailure"));
            Assert.Empty(await FindAsync(service, sent, $"scheduleId=7&failureCode=B{rest}", "IX_Reservations_OfScheduleFailure"));
        }
    }

    // The rows of a list whose statement uses an index, or a kind of scan.
    private static async Task<IReadOnlyList<ReservationView>> FindAsync(
        RunningService service, SentStatements sent, string query, string used)
    {
        sent.Clear();
        var rows = await ReadAsync(service, query);
        var statement = sent.All.Single(other => other.Text.Contains("\"CreatedAt\" DESC", StringComparison.Ordinal)
            || other.Text.Contains("\"CreatedAt\", ", StringComparison.Ordinal));
        await service.WithAsync<OrchestratorDbContext, bool>(async database =>
        {
            await database.Database.OpenConnectionAsync();
            var plan = await QueryPlans.OfAsync(database.Database.GetDbConnection(), statement);
            Assert.True(plan.Text.Contains(used, StringComparison.Ordinal), $"{statement.Text}\n{plan.Text}");
            return true;
        });
        return rows;
    }

    // One reservation in a hundred has not ended, one in five hundred is stuck, one in three hundred has failed.
    private static async Task<bool> AddSampleAsync(OrchestratorDbContext database)
    {
        var stuck = Row(ConfirmingSeats, 0);
        (stuck.StuckSince, stuck.StepAttempts) = (Machine.Start, 9);
        await ManyReservations.AddAsync(database, 30_000, [stuck, Row(AwaitingPayment, 0), Row(Failed, 0), Row(Confirmed, 0)], """
            CASE WHEN i % 500 = 0 THEN 'ConfirmingSeats' WHEN i % 100 = 0 THEN 'AwaitingPayment' WHEN i % 300 = 1 THEN 'Failed'
                ELSE 'Confirmed' END
            """, ("UserId", "'user-' || i % 1000"), ("ScheduleId", "i % 200"), ("ConcertId", "i % 50"),
            ("CreatedAt", ManyReservations.At(database, Machine.Start, "i", "seconds")));
        return true;
    }

    // Each reservation was requested a minute after the one before it.
    private static Task<bool> AddManyAsync(RunningService service, int count, string[] states, string state,
        params (string Column, string Value)[] columns) => service.WithAsync<OrchestratorDbContext, bool>(async database =>
        {
            await ManyReservations.AddAsync(database, count, Array.ConvertAll(states, name => Row(name, 0)), state,
                [.. columns, ("CreatedAt", ManyReservations.At(database, Machine.Start, "i", "minutes"))]);
            return true;
        });

    private static Reservation Row(string state, int minute)
    {
        var row = Given.In(state);
        row.UnpaidUserId = null;
        row.IdempotencyKey = Guid.CreateVersion7();
        row.CreatedAt = Machine.Start.AddMinutes(minute);
        row.ConcertId = 3;
        return row;
    }

    private static string At(int minute) => $"{Machine.Start.AddMinutes(minute).UtcDateTime:s}Z";

    private static async Task<IReadOnlyList<ReservationView>> ReadAsync(RunningService service, string query) =>
        (await PageAsync(service, $"limit=200&{query}")).Items;

    private static async Task<Page<ReservationView>> PageAsync(RunningService service, string query)
    {
        using var client = ClientOf(service);
        using var answer = await client.GetAsync(new Uri($"{Route}?{query}", UriKind.Relative));
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync());
        return (await answer.Content.ReadFromJsonAsync<Page<ReservationView>>(Json))!;
    }

    private static HttpClient ClientOf(RunningService service)
    {
        var client = service.ClientOf("olga");
        client.DefaultRequestHeaders.Add(Caller.UserRolesHeader, "ops");
        return client;
    }

    private static Task<int> WriteAsync(RunningService service, IEnumerable<Reservation> rows) =>
        service.WithAsync<OrchestratorDbContext, int>(database =>
        {
            database.AddRange(rows);
            return database.SaveChangesAsync();
        });

    private async Task<RunningService> StartAsync(DatabaseProvider provider, SentStatements? sent = null) =>
        await RunningService.StartAsync("Orchestrator", await TestDatabase.CreateAsync(provider, server, "Orchestrator"),
            new FakeTimeProvider(Machine.Start), builder =>
            {
                builder.AddOrchestrator();
                if (sent is null)
                    return;
                builder.Services.ConfigureDbContext<SqliteOrchestratorDbContext>(options => options.AddInterceptors(sent));
                builder.Services.ConfigureDbContext<PostgreSqlOrchestratorDbContext>(options => options.AddInterceptors(sent));
            },
            bus => bus.AddOrchestratorConsumers(new ConfigurationManager { ["Messaging:Transport"] = "InMemory" }),
            // The sweeper must not touch the unfinished rows of these tests.
            app => app.MapOrchestrator(), ("Reservation:SweepInterval", "00:10:00"));
}
