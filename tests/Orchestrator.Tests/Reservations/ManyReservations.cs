using ConcertSaga.Orchestrator.Reservations;
using ConcertSaga.Shared.Hosting.Databases;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Orchestrator.Tests.Reservations;

/// <summary>
/// Adds thousands of reservations for a test of query plans. The database copies a few rows, because the change tracker takes seconds for
/// so many.
/// </summary>
internal static class ManyReservations
{
    /// <summary>Fills an empty table with copies.</summary>
    /// <param name="database">The database.</param>
    /// <param name="count">The number of copies.</param>
    /// <param name="originals">One reservation of each state.</param>
    /// <param name="state">The state of copy <c>i</c>, which counts from 0, as an SQL expression.</param>
    /// <param name="columns">The columns of copy <c>i</c> that differ from the original, as SQL expressions.</param>
    public static async Task AddAsync(OrchestratorDbContext database, int count, Reservation[] originals, string state,
        params (string Column, string Value)[] columns)
    {
        database.AddRange(originals);
        await database.SaveChangesAsync();
        database.ChangeTracker.Clear();
        var id = NewId(database);
        var values = database.Model.FindEntityType(typeof(Reservation))!.GetProperties()
            .ToDictionary(property => property.GetColumnName(), property => $"\"{property.GetColumnName()}\"");
        values["ReservationId"] = id;
        foreach (var column in new[] { "IdempotencyKey", "PaymentId" })
            values[column] = $"CASE WHEN \"{column}\" IS NULL THEN NULL ELSE {id} END";
        foreach (var (column, value) in columns)
            values[column] = value;
        // In a random order, as the change tracker writes rows with random ids.
        var sql = $"""
            INSERT INTO "Reservations" ({string.Join(", ", values.Keys.Select(column => $"\"{column}\""))})
            WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {count - 1})
            SELECT {string.Join(", ", values.Values)} FROM n JOIN "Reservations" ON "CurrentState" = {state} ORDER BY random()
            """;
        var ids = originals.Select(row => row.CorrelationId).ToList();
#pragma warning disable EF1002 // Constants of the tests.
        Assert.Equal(count, await database.Database.ExecuteSqlRawAsync(sql));
#pragma warning restore EF1002
        Assert.Equal(ids.Count, await database.Reservations.Where(row => ids.Contains(row.CorrelationId)).ExecuteDeleteAsync());
    }

    /// <summary>An SQL expression for an instant.</summary>
    /// <param name="database">The database.</param>
    /// <param name="start">The start, in whole seconds.</param>
    /// <param name="amount">The distance from the start, as an SQL expression.</param>
    /// <param name="unit">The unit of the distance, such as <c>minutes</c>.</param>
    public static string At(OrchestratorDbContext database, DateTimeOffset start, string amount, string unit) =>
        database.Database.GetProvider() == DatabaseProvider.Sqlite
            ? $"strftime('%Y-%m-%d %H:%M:%S', '{start.UtcDateTime:s}', printf('%+d {unit}', {amount}))"
            : $"timestamptz '{start.UtcDateTime:s}Z' + ({amount}) * interval '1 {unit}'";

    /// <summary>An SQL expression for a new id.</summary>
    public static string NewId(OrchestratorDbContext database) => database.Database.GetProvider() == DatabaseProvider.Sqlite
        ? "upper(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-' || hex(randomblob(2)) || '-' || hex(randomblob(2)) || '-' || "
            + "hex(randomblob(6)))"
        : "gen_random_uuid()";
}
