using ConcertSaga.DataPlatform.Data;
using ConcertSaga.Shared.Hosting.Databases;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.DataPlatform.Tests.Fixtures;

/// <summary>Adds thousands of deliveries for a test of query plans, without the change tracker, which takes seconds for so many.</summary>
internal static class ManyDeliveries
{
    /// <summary>Adds deliveries. Each was created, and is due, a second before the one before it.</summary>
    /// <param name="database">The database.</param>
    /// <param name="count">The number of deliveries.</param>
    /// <param name="status">The status of delivery <c>i</c>, which counts from 0, as an SQL expression.</param>
    /// <param name="areCompleted">Whether each has a time of completion.</param>
    public static async Task AddAsync(DataPlatformDbContext database, int count, string status, bool areCompleted = false)
    {
        var isSqlite = database.Database.GetProvider() == DatabaseProvider.Sqlite;
        string At(string seconds) => isSqlite
            ? $"strftime('%Y-%m-%d %H:%M:%S', '{RelayUnderTest.Now.UtcDateTime:s}', printf('%+d seconds', {seconds}))"
            : $"timestamptz '{RelayUnderTest.Now.UtcDateTime:s}Z' + ({seconds}) * interval '1 second'";
        var id = isSqlite
            ? "upper(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-' || hex(randomblob(2)) || '-' || hex(randomblob(2)) || '-' || "
                + "hex(randomblob(6)))" : "gen_random_uuid()";
        // In a random order, as the change tracker writes rows with random ids.
        var sql = $"""
            INSERT INTO "Deliveries" ("DeliveryId", "ReservationId", "EventType", "Sequence", "Payload", "Status", "Attempts",
                "AttemptsBefore", "Since", "NextAttemptAt", "CreatedAt", "CompletedAt")
            WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {count - 1})
            SELECT {id}, {id}, 'reservation.confirmed', 1, '[]', {status}, 0, 0, {At("0")}, {At("-i")}, {At("-i")},
                {(areCompleted ? At("-i") : "NULL")}
            FROM n ORDER BY random()
            """;
#pragma warning disable EF1002 // Constants of the tests.
        await database.Database.ExecuteSqlRawAsync(sql);
#pragma warning restore EF1002
    }
}
