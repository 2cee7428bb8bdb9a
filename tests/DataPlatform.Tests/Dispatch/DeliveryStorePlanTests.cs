using ConcertSaga.DataPlatform.Data;
using ConcertSaga.DataPlatform.Dispatch;
using ConcertSaga.DataPlatform.Tests.Fixtures;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using Microsoft.EntityFrameworkCore;
using Xunit;

namespace ConcertSaga.DataPlatform.Tests.Dispatch;

/// <summary>The statements find due rows by an index, however many rows were delivered.</summary>
public sealed class DeliveryStorePlanTests(PostgreSqlServer server)
{
    private const int Rows = 20_000;

    public static IEnumerable<object[]> Providers => TestDatabase.Providers;

    [Theory, MemberData(nameof(Providers))]
    public async Task Lease_AmongManyDelivered_UsesTheIndexOfDueRows(DatabaseProvider provider)
    {
        await using var relay = await RelayUnderTest.StartAsync(provider, server);
        await relay.WithAsync<DataPlatformDbContext, bool>(async database =>
        {
            await ManyDeliveries.AddAsync(database, Rows, "CASE WHEN i % 100 = 0 THEN 'Pending' ELSE 'Delivered' END");
            await database.Database.ExecuteSqlRawAsync("ANALYZE");
            return true;
        });

        var plan = await relay.WithAsync<DataPlatformDbContext, QueryPlan>(async database =>
        {
            await database.Database.OpenConnectionAsync();
            var now = RelayUnderTest.Now;
            object Instant(DateTimeOffset at) => provider == DatabaseProvider.Sqlite ? at.UtcDateTime : at;
            return await QueryPlans.OfAsync(database.Database.GetDbConnection(), new SentStatement(DeliveryStore.LeaseText(database),
            [
                new("@max", 32), new("@now", Instant(now)), new("@lease", Guid.CreateVersion7(now)),
                new("@until", Instant(now.AddMinutes(1))), new("@recheck", Instant(now.AddSeconds(10)))
            ]));
        });

        Assert.True(!plan.Scans.Contains("Deliveries") && plan.Indexes.Contains("IX_Deliveries_NextAttemptAt"), plan.Text);
    }

    // After a quiet night, the statistics still claim that nothing is due.
    [Fact]
    public async Task Statements_WithOutdatedStatistics_ReadOnlyTheRowsTheyWrite()
    {
        await using var relay = await RelayUnderTest.StartAsync(DatabaseProvider.PostgreSql, server);
        await relay.WithAsync<DataPlatformDbContext, bool>(async database =>
        {
            await ManyDeliveries.AddAsync(database, Rows, "'Delivered'");
            await database.Database.ExecuteSqlRawAsync("VACUUM ANALYZE");
            await ManyDeliveries.AddAsync(database, Rows, "'Pending'");
            var before = await ReadRowsAsync(database);
            var now = RelayUnderTest.Now;

            var (_, leases) = await database.LeaseAsync(32, now, TimeSpan.FromMinutes(1), CancellationToken.None);
            var leased = await ReadRowsAsync(database);
            await database.WriteAsync(leases.ConvertAll(lease => new DeliveryOutcome(lease, DeliveryStatus.Delivered, now, 0, lease.Since,
                new DeliveryAttempt { DeliveryId = lease.DeliveryId, Number = 1, At = now, DurationMilliseconds = 5 })), now,
                CancellationToken.None);
            var written = await ReadRowsAsync(database);

            Assert.Equal(32, leases.Count);
            Assert.InRange(leased - before, 32, 320);
            Assert.InRange(written - leased, 32, 320);
            return true;
        });
    }

    // Counts the rows of full scans and the index entries read so far.
    private static async Task<long> ReadRowsAsync(DataPlatformDbContext database)
    {
        await database.Database.OpenConnectionAsync();
        await database.Database.ExecuteSqlRawAsync("SELECT pg_stat_force_next_flush()");
        return await database.Database.SqlQueryRaw<long>(
            """
            SELECT ((SELECT sum(seq_tup_read) FROM pg_stat_user_tables WHERE relname LIKE 'Deliver%')
                + (SELECT sum(idx_tup_read) FROM pg_stat_user_indexes WHERE relname LIKE 'Deliver%'))::bigint AS "Value"
            """).SingleAsync();
    }
}
