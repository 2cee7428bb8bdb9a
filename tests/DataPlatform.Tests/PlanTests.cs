using ConcertSaga.DataPlatform.Data;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using Microsoft.EntityFrameworkCore;
using Xunit;

namespace ConcertSaga.DataPlatform.Tests;

/// <summary>However much was delivered, what is due is found by its index.</summary>
public sealed class PlanTests(PostgreSqlServer server)
{
    private const int Rows = 20_000;

    public static IEnumerable<object[]> Providers => TestDatabase.Providers;

    [Theory, MemberData(nameof(Providers))]
    public async Task Lease_AmongManyDelivered_GoesByWhatIsDue(DatabaseProvider provider)
    {
        await using var relay = await RelayUnderTest.StartAsync(provider, server);
        await relay.WithAsync<DataPlatformDbContext, bool>(async database =>
        {
            await FillAsync(database, number => number % 100 == 0 ? DeliveryStatus.Pending : DeliveryStatus.Delivered);
            await database.Database.ExecuteSqlRawAsync("ANALYZE");
            return true;
        });

        var plan = await relay.WithAsync<DataPlatformDbContext, QueryPlan>(async database =>
        {
            await database.Database.OpenConnectionAsync();
            var now = RelayUnderTest.Now;
            object Instant(DateTimeOffset at) => provider == DatabaseProvider.Sqlite ? at.UtcDateTime : at;
            return await QueryPlans.OfAsync(database.Database.GetDbConnection(), new SentStatement(DeliveryStatements.LeaseText(database),
            [
                new("@most", 32), new("@now", Instant(now)), new("@lease", Guid.CreateVersion7(now)), new("@until", Instant(now.AddMinutes(1))),
                new("@held", Instant(now.AddSeconds(10)))
            ]));
        });

        Assert.True(!plan.Scans.Contains("Deliveries") && plan.Indexes.Contains("IX_Deliveries_NextAttemptAt"), plan.Text);
    }

    // After a quiet night there is nothing due, and the statistics say so for a while.
    [Fact]
    public async Task Statements_WithStatisticsOfWhenNothingWasDue_ReadOnlyWhatTheyWrite()
    {
        await using var relay = await RelayUnderTest.StartAsync(DatabaseProvider.PostgreSql, server);
        await relay.WithAsync<DataPlatformDbContext, bool>(async database =>
        {
            await FillAsync(database, _ => DeliveryStatus.Delivered);
            await database.Database.ExecuteSqlRawAsync("VACUUM ANALYZE");
            await FillAsync(database, _ => DeliveryStatus.Pending);
            var (before, now) = (await ReadRowsAsync(database), RelayUnderTest.Now);

            var (_, taken) = await database.LeaseAsync(32, now, TimeSpan.FromMinutes(1), CancellationToken.None);
            var leased = await ReadRowsAsync(database);
            await database.WriteAsync(taken.ConvertAll(one => new Outcome(one, DeliveryStatus.Delivered, now,
                new DeliveryAttempt { DeliveryId = one.DeliveryId, Number = 1, At = now, DurationMilliseconds = 5 })), now, CancellationToken.None);
            var written = await ReadRowsAsync(database);

            Assert.Equal(32, taken.Count);
            Assert.InRange(leased - before, 32, 320);
            Assert.InRange(written - leased, 32, 320);
            return true;
        });
    }

    // Rows read from end to end, and entries read from indexes.
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

    private static async Task FillAsync(DataPlatformDbContext database, Func<int, DeliveryStatus> status)
    {
        var now = RelayUnderTest.Now;
        database.AddRange(Enumerable.Range(0, Rows).Select(number => new Delivery
        {
            DeliveryId = Guid.CreateVersion7(now),
            ReservationId = Guid.CreateVersion7(now),
            EventType = "reservation.confirmed",
            Sequence = 1,
            Payload = "{}",
            Status = status(number),
            Since = now,
            NextAttemptAt = now.AddSeconds(-number),
            CreatedAt = now.AddSeconds(-number)
        }));
        await database.SaveChangesAsync();
        database.ChangeTracker.Clear();
    }
}
