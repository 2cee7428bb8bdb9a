using ConcertSaga.DataPlatform.Data;
using ConcertSaga.DataPlatform.Operations;
using ConcertSaga.DataPlatform.Tests.Fixtures;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using Microsoft.EntityFrameworkCore;
using Xunit;

namespace ConcertSaga.DataPlatform.Tests.Operations;

/// <summary>The lists, counts and repairs read only ranges of an index, however many deliveries there are.</summary>
public sealed class DeliveryListPlanTests(PostgreSqlServer server)
{
    private const int Rows = 20_000;

    private const string Index = "IX_Deliveries_EventType_Status_CreatedAt_DeliveryId";

    public static IEnumerable<object[]> Providers => TestDatabase.Providers;

    /// <summary>All but a few deliveries are delivered, so most of these filters match nothing.</summary>
    [Theory, MemberData(nameof(Providers))]
    public async Task Lists_AmongManyDeliveries_UseTheirIndex(DatabaseProvider provider)
    {
        var sent = new SentStatements();
        await using var relay = await RelayUnderTest.StartAsync(provider, server, interceptor: sent);
        await relay.WithAsync<DataPlatformDbContext, bool>(FillAsync);

        foreach (var query in new[]
        {
            "", "status=Delivered", "status=Discarded", "status=Pending", "status=Dead", "eventType=reservation.cancelled",
            "status=Pending&eventType=reservation.confirmed", "from=2020-01-01T00:00:00Z&to=2020-01-02T00:00:00Z"
        })
            await ExpectAsync(query, () => relay.CallAsync(HttpMethod.Get, $"?{query}"));
        await ExpectAsync("the choice", () =>
            relay.AskAsync("choice", new { action = "SendAgain", limit = 50, sampleSize = 5, filter = new { status = "Delivered" } }));
        await ExpectAsync("the backlog", () => relay.WithAsync<DataPlatformDbContext, DeliveryBacklog>(database =>
            DeliveryBacklog.ReadAsync(database, CancellationToken.None)));
        await ExpectAsync("the repair", () => relay.WithAsync<InstantRepair, int>(repair => repair.RepairAsync(CancellationToken.None)));
        await ExpectAsync("the cleaner", () =>
            relay.WithAsync<DeliveryCleaner, int>(cleaner => cleaner.CleanAsync(CancellationToken.None)));

        async Task ExpectAsync<T>(string what, Func<Task<T>> ask)
        {
            sent.Clear();
            await ask();
            var statements = sent.All.Where(statement => statement.Text.Contains("\"EventType\"", StringComparison.Ordinal)
                && !statement.Text.Contains("INSERT", StringComparison.Ordinal)).ToList();
            Assert.NotEmpty(statements);
            await relay.WithAsync<DataPlatformDbContext, bool>(async database =>
            {
                await database.Database.OpenConnectionAsync();
                foreach (var statement in statements)
                {
                    var plan = await QueryPlans.OfAsync(database.Database.GetDbConnection(), statement);
                    var scans = plan.Scans.Where(scan => scan == "Deliveries"
                        || (statement.Text.Contains($"\"Deliveries\" AS \"{scan}\"", StringComparison.Ordinal)
                            && !plan.Text.Contains($"CO-ROUTINE {scan}\n", StringComparison.Ordinal)));
                    // The sample of a choice is read by its ids.
                    Assert.True(!scans.Any() && (plan.Indexes.Contains(Index) || what == "the choice"),
                        $"{what}\n{statement.Text}\n{plan.Text}");
                }
                return true;
            });
        }
    }

    private static async Task<bool> FillAsync(DataPlatformDbContext database)
    {
        await ManyDeliveries.AddAsync(database, Rows, "'Delivered'", areCompleted: true);
        await database.Database.ExecuteSqlRawAsync("ANALYZE");
        return true;
    }
}
