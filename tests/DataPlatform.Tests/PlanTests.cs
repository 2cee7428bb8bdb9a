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
        await relay.WithAsync<DataPlatformDbContext, bool>(FillAsync);

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

    private static async Task<bool> FillAsync(DataPlatformDbContext database)
    {
        var now = RelayUnderTest.Now;
        database.AddRange(Enumerable.Range(0, Rows).Select(number => new Delivery
        {
            DeliveryId = Guid.CreateVersion7(now),
            ReservationId = Guid.CreateVersion7(now),
            EventType = "reservation.confirmed",
            Sequence = 1,
            Payload = "{}",
            Status = number % 100 == 0 ? DeliveryStatus.Pending : DeliveryStatus.Delivered,
            Since = now,
            NextAttemptAt = now.AddSeconds(-number),
            CreatedAt = now.AddSeconds(-number)
        }));
        await database.SaveChangesAsync();
        await database.Database.ExecuteSqlRawAsync("ANALYZE");
        return true;
    }
}
