using ConcertSaga.Orchestrator.Reservations;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Shared.Hosting.Http;
using ConcertSaga.Shared.Hosting.Messaging;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using Microsoft.AspNetCore.Http;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;

namespace ConcertSaga.Orchestrator.Tests.Reservations;

/// <summary>With many reservations, the list of a customer and the sweeper still use their indexes.</summary>
public sealed class QueryPlanTests(PostgreSqlServer server)
{
    private const int Rows = 20_000, Users = 50;

    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    public static IEnumerable<object[]> Providers => TestDatabase.Providers;

    [Theory, MemberData(nameof(Providers))]
    public async Task Queries_OnManyReservations_UseTheirIndexes(DatabaseProvider provider)
    {
        var sent = new SentStatements();
        await using var orchestrator = await StartAsync(provider, sent);
        await orchestrator.WithAsync<OrchestratorDbContext, bool>(FillAsync);
        sent.Clear();
        using var client = orchestrator.ClientOf("user-7");

        await client.GetStringAsync("/api/reservations");
        await client.GetStringAsync("/api/reservations?status=Confirmed");
        await client.GetStringAsync("/api/tickets/revoked/1");
        await Eventually.TrueAsync(() => sent.All.Any(IsSweep), Limit, "the sweeper has run");

        // Other background work, such as counting, may have run meanwhile. Its own tests look at its plans.
        var statements = sent.All.Where(statement => statement.Text.StartsWith("SELECT", StringComparison.Ordinal)
            && statement.Text.Contains("FROM \"Reservations\"", StringComparison.Ordinal)
            && (IsSweep(statement) || IsRevoked(statement) || statement.Text.Contains("\"UserId\" =", StringComparison.Ordinal))).ToList();
        Assert.True(statements.Count >= 4);
        await orchestrator.WithAsync<OrchestratorDbContext, bool>(async database =>
        {
            await database.Database.OpenConnectionAsync();
            foreach (var statement in statements)
            {
                var plan = await QueryPlans.OfAsync(database.Database.GetDbConnection(), statement);
                var index = IsSweep(statement) ? "IX_Reservations_Deadline"
                    : IsRevoked(statement) ? "IX_Reservations_ScheduleId_ReservationId" : "IX_Reservations_UserId_CreatedAt";
                Assert.True(plan.Scans.Count == 0 && plan.Indexes.Contains(index), $"{statement.Text}\n{plan.Text}");
            }
            return true;
        });
    }

    /// <summary>However many reservations there are, finding those to delete reads no others.</summary>
    [Theory, MemberData(nameof(Providers))]
    public async Task Cleaner_OnManyReservations_UsesItsIndexes(DatabaseProvider provider)
    {
        var sent = new SentStatements();
        await using var orchestrator = await StartAsync(provider, sent);
        await orchestrator.WithAsync<OrchestratorDbContext, bool>(FillWithEndedAsync);
        var before = TimeProvider.System.GetUtcNow().AddMinutes(-Rows + 100);
        var after = new InstantKey<Guid>(before.AddMinutes(-50), Guid.CreateVersion7());
        await orchestrator.WithAsync<OrchestratorDbContext, bool>(async database =>
        {
            await database.Database.OpenConnectionAsync();
            foreach (var key in new InstantKey<Guid>?[] { null, after })
            {
                await CheckAsync(FinishedCleaner.Paid(database, before, key, 10), "IX_Reservations_UpdatedAt_ReservationId");
                // The second index is as good: it contains only what ended unpaid.
                foreach (var state in new[] { ReservationStates.Failed, ReservationStates.Cancelled })
                    await CheckAsync(FinishedCleaner.Unpaid(database, state, before, key, 10),
                        "IX_Reservations_CurrentState_CreatedAt_ReservationId", "IX_Reservations_CreatedAt_UserId");
            }
            return true;

            async Task CheckAsync(IQueryable<EndedReservation> query, params string[] indexes)
            {
                sent.Clear();
                await query.ToListAsync();
                var statement = sent.All.First(other => other.Text.Contains("LIMIT", StringComparison.Ordinal)
                    && other.Text.Contains("\"ConfirmedAt\" IS", StringComparison.Ordinal));
                var plan = await QueryPlans.OfAsync(database.Database.GetDbConnection(), statement);
                Assert.True(plan.Scans.Count == 0 && plan.Indexes.Intersect(indexes).Any(), $"{statement.Text}\n{plan.Text}");
            }
        });
    }

    /// <summary>However many reservations there are, booking calls read those of their keys, users and passes.</summary>
    [Theory, MemberData(nameof(Providers))]
    public async Task Admission_AmongManyReservations_UsesItsIndexes(DatabaseProvider provider)
    {
        var sent = new SentStatements();
        await using var orchestrator = await StartAsync(provider, sent);
        await orchestrator.WithAsync<OrchestratorDbContext, bool>(FillWithKeysAsync);

        foreach (var count in new[] { 1, 64 })
        {
            sent.Clear();
            using var lockWait = new LockWait(Limit);
            await orchestrator.WithAsync<ReservationAdmission, bool>(async admission =>
            {
                var outcomes = await admission.HandleAsync([.. Enumerable.Range(0, count).Select(_ => new ReserveCall(
                    new ReservationRequest(1, [1], false), new Caller($"new-{Guid.CreateVersion7()}", Guid.CreateVersion7(), 1),
                    Guid.CreateVersion7(), new DefaultHttpContext().Response))], lockWait);
                Assert.All(outcomes, outcome => Assert.NotNull(((AdmissionResult)outcome.Reply).Added));
                return true;
            });
            await orchestrator.WithAsync<OrchestratorDbContext, bool>(async database =>
            {
                await database.Database.OpenConnectionAsync();
                await CheckAsync(database, "UNION ALL",
                    "IX_Reservations_UnpaidUserId", "IX_Reservations_UserId_IdempotencyKey");
                await CheckAsync(database, "\"QueueTokenId\" IS NOT NULL", "IX_Reservations_QueueTokenId");
                return true;
            });
        }

        async Task CheckAsync(OrchestratorDbContext database, string text, params string[] indexes)
        {
            var statement = sent.All.First(other => other.Text.Contains(text, StringComparison.Ordinal));
            var plan = await QueryPlans.OfAsync(database.Database.GetDbConnection(), statement);
            Assert.True(plan.Scans.Count == 0 && indexes.All(plan.Indexes.Contains), $"{statement.Text}\n{plan.Text}");
        }
    }

    private async Task<RunningService> StartAsync(DatabaseProvider provider, SentStatements sent)
    {
        IConfiguration? configuration = null;
        return await RunningService.StartAsync(
            "Orchestrator", await TestDatabase.CreateAsync(provider, server, "Orchestrator"), TimeProvider.System,
            builder =>
            {
                configuration = builder.Configuration;
                builder.AddOrchestrator();
                builder.Services.ConfigureDbContext<SqliteOrchestratorDbContext>(options => options.AddInterceptors(sent));
                builder.Services.ConfigureDbContext<PostgreSqlOrchestratorDbContext>(options => options.AddInterceptors(sent));
            },
            bus => bus.AddOrchestratorConsumers(configuration!), app => app.MapOrchestrator());
    }

    // A statement of the sweeper, or of the repair of deadlines that lie too far ahead.
    private static bool IsSweep(SentStatement statement) =>
        statement.Text.Contains("\"Deadline\" <=", StringComparison.Ordinal)
            || statement.Text.Contains("\"Deadline\" > @", StringComparison.Ordinal);

    // The list of revoked tickets.
    private static bool IsRevoked(SentStatement statement) =>
        statement.Text.Contains("\"Outcome\" = 'Cancelled'", StringComparison.Ordinal);

    // One reservation in fifty has failed, and each ended a minute before the one before it.
    private static async Task<bool> FillWithEndedAsync(OrchestratorDbContext database)
    {
        var now = TimeProvider.System.GetUtcNow();
        var confirmed = Row(ReservationStates.Confirmed, now);
        confirmed.ConfirmedAt = now;
        var at = ManyReservations.At(database, now, "-i", "minutes");
        await ManyReservations.AddAsync(database, Rows, [Row(ReservationStates.Failed, now), confirmed],
            "CASE WHEN i % 50 = 0 THEN 'Failed' ELSE 'Confirmed' END", ("UserId", $"'user-' || i % {Users}"),
            ("CreatedAt", at), ("UpdatedAt", at), ("ConfirmedAt", $"CASE WHEN \"ConfirmedAt\" IS NOT NULL THEN {at} END"));
        await database.Database.ExecuteSqlRawAsync("ANALYZE");
        return true;
    }

    // One reservation in twenty is unpaid.
    private static async Task<bool> FillWithKeysAsync(OrchestratorDbContext database)
    {
        var now = TimeProvider.System.GetUtcNow();
        var (waiting, confirmed) = (Row(ReservationStates.AwaitingPayment, now), Row(ReservationStates.Confirmed, now));
        (waiting.Deadline, waiting.IdempotencyKey) = (now.AddHours(1), Guid.CreateVersion7());
        (confirmed.ConfirmedAt, confirmed.IdempotencyKey) = (now, Guid.CreateVersion7());
        await ManyReservations.AddAsync(database, Rows, [waiting, confirmed],
            "CASE WHEN i % 20 = 0 THEN 'AwaitingPayment' ELSE 'Confirmed' END", ("UserId", $"'user-' || i % {Rows / 5}"),
            ("UnpaidUserId", $"CASE WHEN i % 20 = 0 AND i < {Rows / 5} THEN 'user-' || i END"),
            ("QueueTokenId", ManyReservations.NewId(database)));
        await database.Database.ExecuteSqlRawAsync("ANALYZE");
        return true;
    }

    private static async Task<bool> FillAsync(OrchestratorDbContext database)
    {
        var now = TimeProvider.System.GetUtcNow();
        var waiting = Row(ReservationStates.AwaitingPayment, now);
        waiting.Deadline = now.AddHours(1);
        await ManyReservations.AddAsync(database, Rows, [waiting, Row(ReservationStates.Confirmed, now)],
            "CASE WHEN i % 20 = 0 THEN 'AwaitingPayment' ELSE 'Confirmed' END", ("UserId", $"'user-' || i % {Users}"),
            ("CreatedAt", ManyReservations.At(database, now, "-i", "seconds")));
        await database.Database.ExecuteSqlRawAsync("ANALYZE");
        return true;
    }

    private static Reservation Row(string state, DateTimeOffset now) => new()
    {
        CorrelationId = Guid.CreateVersion7(now),
        CurrentState = state,
        UserId = "user",
        ScheduleId = 1,
        SeatNumbers = [1],
        CreatedAt = now,
        UpdatedAt = now
    };
}
