using System.Net.Http.Json;
using ConcertSaga.Contracts.Operations;
using ConcertSaga.Orchestrator.Operations;
using ConcertSaga.Orchestrator.Reservations;
using ConcertSaga.Orchestrator.Tests.Hosts;
using ConcertSaga.Orchestrator.Tests.Reservations;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Time.Testing;
using static ConcertSaga.Orchestrator.Reservations.ReservationStates;

namespace ConcertSaga.Orchestrator.Tests.Operations;

public sealed class ReservationOverviewReaderTests(PostgreSqlServer server)
{
    public static IEnumerable<object[]> Providers => TestDatabase.Providers;

    [Theory, MemberData(nameof(Providers))]
    public async Task Overview_OfTheLastHour_CountsEachMinute(DatabaseProvider provider)
    {
        var clock = new FakeTimeProvider(Machine.Start);
        await using var service = await StartAsync(provider, clock);
        var stuck = Row(ConfirmingSeats, -90, -90);
        stuck.StuckSince = Machine.Start;
        await WriteAsync(service,
        [
            stuck, Row(AwaitingPayment, -3, -3), Row(Confirmed, -3, -2), Row(Confirmed, -59, -59), Row(Confirmed, -61, -60),
            Row(Failed, -10, -2, "STEP_TIMED_OUT"), Row(Failed, -10, -2, "STEP_TIMED_OUT"), Row(Rejected, -2, -2, "SEAT_UNAVAILABLE"),
            Row(Expired, -10, -2)
        ]);

        var overview = await ReadAsync(service);

        Assert.Equal((1, 1, 2), (overview.Stuck, overview.ByState[ConfirmingSeats], overview.Overdue));
        Assert.Equal(2, overview.ByState.Values.Sum());
        Assert.Equal(stuck.CreatedAt, overview.OldestUnfinishedAt);
        Assert.Equal(Enumerable.Range(-59, 60).Select(minute => Machine.Start.AddMinutes(minute)),
            overview.Minutes.Select(minute => minute.At));
        var two = Minute(overview, -2);
        Assert.Equal((1, 1), (two.Requested, two.Confirmed));
        Assert.Equal([("Expired", 1), ("SEAT_UNAVAILABLE", 1), ("STEP_TIMED_OUT", 2)],
            two.Failed.Select(pair => (pair.Key, pair.Value)).Order());
        Assert.Equal((2, 0, 0), (Minute(overview, -3).Requested, Minute(overview, -3).Confirmed, Minute(overview, -3).Failed.Count));
        Assert.Equal((7, 2), (overview.Minutes.Sum(minute => minute.Requested), overview.Minutes.Sum(minute => minute.Confirmed)));

        // A minute that is over stays as it was counted, and a new one is read.
        await WriteAsync(service, [Row(Confirmed, -30, -30), Row(Confirmed, 1, 1)]);
        clock.Advance(TimeSpan.FromMinutes(1));
        overview = await ReadAsync(service);
        Assert.Equal((0, 1), (Minute(overview, -30).Requested, Minute(overview, 1).Requested));
    }

    [Fact]
    public void Steps_WithResends_AreMeasuredFromTheFirstCommand()
    {
        var history = Enumerable.Range(1, 100).SelectMany(number =>
        {
            var id = Guid.CreateVersion7();
            return new[]
            {
                Transition(id, 1, null, Requested, 0), Transition(id, 2, Requested, HoldingSeats, 5),
                Transition(id, 3, HoldingSeats, HoldingSeats, 6), Transition(id, 4, HoldingSeats, AwaitingPayment, 5 + number),
                Transition(id, 5, AwaitingPayment, DeductingPoints, 9_000)
            };
        }).ToList();

        Assert.Equal([new StepLatency(Requested, 100, 5, 5), new StepLatency(HoldingSeats, 100, 50, 99)],
            ReservationOverviewReader.StepsOf(history));
    }

    /// <summary>Each statement reads an index range, however many reservations have ended.</summary>
    [Theory, MemberData(nameof(Providers))]
    public async Task Statements_AmongManyReservations_UseTheirIndexes(DatabaseProvider provider)
    {
        var sent = new SentStatements();
        await using var service = await StartAsync(provider, new FakeTimeProvider(Machine.Start), sent);
        await service.WithAsync<OrchestratorDbContext, bool>(AddManyAsync);
        await service.WithAsync<OrchestratorDbContext, int>(database => database.Database.ExecuteSqlRawAsync("ANALYZE"));
        sent.Clear();

        await ReadAsync(service);

        var statements = sent.All.Where(statement => statement.Text.Contains("\"Reservations\"", StringComparison.Ordinal)
            || statement.Text.Contains("\"ReservationTransitions\"", StringComparison.Ordinal)).ToList();
        Assert.True(statements.Count > 180, $"{statements.Count}");
        await service.WithAsync<OrchestratorDbContext, bool>(async database =>
        {
            await database.Database.OpenConnectionAsync();
            foreach (var statement in statements.DistinctBy(statement => statement.Text))
            {
                var plan = await QueryPlans.OfAsync(database.Database.GetDbConnection(), statement);
                // SQLite calls reading the result of a part a scan, and also reading a filtered index of unfinished rows in its order.
                var scans = plan.Scans.Where(table => !plan.Text.Contains($"CO-ROUTINE {table}\n", StringComparison.Ordinal)
                    && !plan.Text.Contains($"SCAN {table} USING INDEX IX_Reservations_CreatedAt_ReservationId", StringComparison.Ordinal)
                    && !plan.Text.Contains($"SCAN {table} USING COVERING INDEX IX_Reservations_CreatedAt_ReservationId",
                        StringComparison.Ordinal)
                    // The history of the test is empty.
                    && !statement.Text.Contains("\"ReservationTransitions\"", StringComparison.Ordinal));
                Assert.True(!scans.Any(), $"{string.Join(", ", scans)}:\n{statement.Text}\n{plan.Text}");
            }
            return true;
        });
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Minutes_CountedInAdvance_AreNotReadAgain(DatabaseProvider provider)
    {
        var (clock, sent) = (new FakeTimeProvider(Machine.Start), new SentStatements());
        await using var service = await StartAsync(provider, clock, sent);
        await WriteAsync(service, [Row(Confirmed, -59, -59), Row(Confirmed, -2, -2), Row(Failed, -30, -20, "X")]);

        for (var run = 0; run < 6; run++)
            await service.WithAsync<ReservationOverviewReader, bool>(async reader =>
            {
                await reader.CloseMinutesAsync(CancellationToken.None);
                return true;
            });
        sent.Clear();
        var overview = await ReadAsync(service);

        Assert.Equal((3, 2, 1), (overview.Minutes.Sum(minute => minute.Requested), overview.Minutes.Sum(minute => minute.Confirmed),
            Minute(overview, -20).Failed["X"]));
        // The last minutes can still change.
        Assert.InRange(sent.All.Count(statement => statement.Text.Contains("\"CreatedAt\" >=", StringComparison.Ordinal)), 1, 3);
    }

    private static ReservationMinute Minute(ReservationOverview overview, int minute) =>
        Assert.Single(overview.Minutes, row => row.At == Machine.Start.AddMinutes(minute));

    private static ReservationTransition Transition(Guid id, int sequence, string? from, string to, int milliseconds) => new()
    {
        ReservationId = id,
        Sequence = sequence,
        At = Machine.Start.AddMilliseconds(milliseconds),
        FromState = from,
        ToState = to
    };

    private static Reservation Row(string state, int createdMinute, int updatedMinute, string? code = null)
    {
        var row = Given.In(state);
        row.UserId = $"{row.CorrelationId}";
        row.UnpaidUserId = null;
        row.IdempotencyKey = Guid.CreateVersion7();
        row.CreatedAt = Machine.Start.AddMinutes(createdMinute);
        row.UpdatedAt = Machine.Start.AddMinutes(updatedMinute);
        row.ConfirmedAt = state == Confirmed ? row.UpdatedAt : null;
        row.FailureCode = code;
        return row;
    }

    // One reservation in ten has failed, and one in a hundred has not ended. Each was requested a minute before the one before it.
    private static async Task<bool> AddManyAsync(OrchestratorDbContext database)
    {
        var at = ManyReservations.At(database, Machine.Start, "-i", "minutes");
        await ManyReservations.AddAsync(database, 30_000, [Row(ConfirmingSeats, 0, 0), Row(Failed, 0, 0, "X"), Row(Confirmed, 0, 0)],
            "CASE WHEN i % 100 = 0 THEN 'ConfirmingSeats' WHEN i % 10 = 1 THEN 'Failed' ELSE 'Confirmed' END", ("UserId", "'user-' || i"),
            ("CreatedAt", at), ("UpdatedAt", at), ("ConfirmedAt", $"CASE WHEN \"ConfirmedAt\" IS NOT NULL THEN {at} END"));
        return true;
    }

    private static async Task<ReservationOverview> ReadAsync(RunningService service)
    {
        using var client = service.ClientOf("operations");
        return (await client.GetFromJsonAsync<ReservationOverview>("/internal/overview/reservations"))!;
    }

    private static Task<int> WriteAsync(RunningService service, IEnumerable<Reservation> rows) =>
        service.WithAsync<OrchestratorDbContext, int>(database =>
        {
            database.AddRange(rows);
            return database.SaveChangesAsync();
        });

    private async Task<RunningService> StartAsync(DatabaseProvider provider, TimeProvider clock, SentStatements? sent = null) =>
        await RunningService.StartAsync("Orchestrator", await TestDatabase.CreateAsync(provider, server, "Orchestrator"), clock, builder =>
            {
                builder.AddOrchestrator();
                // It would count minutes before a test has written their rows.
                builder.Services.Remove(builder.Services.Single(service => service.ServiceType == typeof(IHostedService)
                    && service.ImplementationFactory?.GetType().GenericTypeArguments[1] == typeof(ReservationCounter)));
                if (sent is null)
                    return;
                builder.Services.ConfigureDbContext<SqliteOrchestratorDbContext>(options => options.AddInterceptors(sent));
                builder.Services.ConfigureDbContext<PostgreSqlOrchestratorDbContext>(options => options.AddInterceptors(sent));
            },
            bus => bus.AddOrchestratorConsumers(new ConfigurationManager { ["Messaging:Transport"] = "InMemory" }),
            // The sweeper must not touch the unfinished rows of these tests.
            app => app.MapOrchestrator(), ("Reservation:SweepInterval", "00:10:00"));
}
