using ConcertSaga.Orchestrator.Data;
using ConcertSaga.Orchestrator.Reservations;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;

namespace ConcertSaga.Orchestrator.Tests.Reservations;

/// <summary>With many reservations, a user's list and the look for overdue ones go by their indexes.</summary>
public sealed class PlanTests(PostgreSqlServer server) : IClassFixture<PostgreSqlServer>
{
    private const int Rows = 20_000, Users = 50;

    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    public static IEnumerable<object[]> Providers => TestDatabase.Providers;

    [Theory, MemberData(nameof(Providers))]
    public async Task Queries_OnManyReservations_GoByTheirIndexes(DatabaseProvider provider)
    {
        var sent = new SentStatements();
        IConfiguration? configuration = null;
        await using var orchestrator = await RunningService.StartAsync(
            "Orchestrator", await TestDatabase.CreateAsync(provider, server), TimeProvider.System,
            builder =>
            {
                configuration = builder.Configuration;
                builder.AddOrchestrator();
                builder.Services.ConfigureDbContext<SqliteOrchestratorDbContext>(options => options.AddInterceptors(sent));
                builder.Services.ConfigureDbContext<PostgreSqlOrchestratorDbContext>(options => options.AddInterceptors(sent));
            },
            bus => bus.AddOrchestratorConsumers(configuration!), app => app.MapOrchestrator());
        await orchestrator.WithAsync<OrchestratorDbContext, bool>(FillAsync);
        sent.Clear();
        using var client = orchestrator.ClientOf("user-7");

        await client.GetStringAsync("/api/reservations");
        await client.GetStringAsync("/api/reservations?status=Confirmed");
        await Eventually.TrueAsync(() => sent.All.Any(IsSweep), Limit, "the sweeper has looked");

        var statements = sent.All.Where(one => one.Text.StartsWith("SELECT", StringComparison.Ordinal) && one.Text.Contains("FROM \"Reservations\"", StringComparison.Ordinal)).ToList();
        Assert.True(statements.Count >= 3);
        await orchestrator.WithAsync<OrchestratorDbContext, bool>(async database =>
        {
            await database.Database.OpenConnectionAsync();
            foreach (var statement in statements)
            {
                var plan = await QueryPlans.OfAsync(database.Database.GetDbConnection(), statement);
                Assert.True(plan.Scans.Count == 0 && plan.Indexes.Contains(IsSweep(statement) ? "IX_Reservations_Deadline" : "IX_Reservations_UserId_CreatedAt"), $"{statement.Text}\n{plan.Text}");
            }
            return true;
        });
    }

    private static bool IsSweep(SentStatement statement) => statement.Text.Contains("\"Deadline\" <=", StringComparison.Ordinal);

    private static async Task<bool> FillAsync(OrchestratorDbContext database)
    {
        var now = TimeProvider.System.GetUtcNow();
        database.AddRange(Enumerable.Range(0, Rows).Select(number => new Reservation
        {
            CorrelationId = Guid.CreateVersion7(now),
            CurrentState = number % 20 == 0 ? ReservationStates.AwaitingPayment : ReservationStates.Confirmed,
            UserId = $"user-{number % Users}",
            ScheduleId = 1,
            SeatNumbers = [1],
            Deadline = number % 20 == 0 ? now.AddHours(1) : null,
            CreatedAt = now.AddSeconds(-number),
            UpdatedAt = now
        }));
        await database.SaveChangesAsync();
        await database.Database.ExecuteSqlRawAsync("ANALYZE");
        return true;
    }
}
