using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;

namespace ConcertSaga.Shared.Hosting.Databases;

/// <summary>Finds out, by the applied migrations, whether a database is the one of its owner.</summary>
internal static class DatabaseOrigin
{
    /// <summary>Says what a database is that is not the owner's; null for the owner's and for an empty one.</summary>
    /// <param name="database">The database.</param>
    /// <param name="others">The other owners in this process, with their migrations.</param>
    /// <param name="cancellationToken">Stops the search.</param>
    public static async Task<string?> FindProblemAsync(
        DatabaseFacade database, IEnumerable<(string Owner, IEnumerable<string> Migrations)> others, CancellationToken cancellationToken)
    {
        var applied = (await database.GetAppliedMigrationsAsync(cancellationToken)).ToArray();
        if (applied is [])
            return await HasTablesAsync(database, cancellationToken) ? "has tables of another program" : null;
        if (others.FirstOrDefault(other => other.Migrations.Intersect(applied).Any()) is { Owner: { } owner })
            return $"is the database of {owner}";
        return applied.Intersect(database.GetMigrations()).Any() ? null : "is the database of another service or program";
    }

    /// <summary>Says which other version of the product has migrated a database; null if none has.</summary>
    public static async Task<string?> FindVersionProblemAsync(DatabaseFacade database, CancellationToken cancellationToken)
    {
        var known = database.GetMigrations().ToArray();
        var unknown = (await database.GetAppliedMigrationsAsync(cancellationToken)).Except(known).Max(StringComparer.Ordinal);
        // Migrations are named by their time.
        var version = StringComparer.Ordinal.Compare(unknown, known.Max(StringComparer.Ordinal)) > 0 ? "a newer" : "another";
        return unknown is null ? null
            : $"has the migration '{unknown}' of {version} version; allowed: that version, or a backup from before it ran.";
    }

    /// <summary>Names a database for a message.</summary>
    public static string AddressOf(DatabaseFacade database) =>
        database.GetDbConnection() is var connection && database.IsSqlite() ? connection.DataSource
            : $"{connection.Database} at {connection.DataSource}";

    // A start that was killed may have left the tables of the migration tool. On a server, extensions may have created tables.
    private static async Task<bool> HasTablesAsync(DatabaseFacade database, CancellationToken cancellationToken) =>
        database.IsSqlite() && File.Exists(database.GetDbConnection().DataSource)
        && await database.SqlQuery<int>(
            $"SELECT COUNT(*) AS \"Value\" FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name NOT LIKE '__EF%'")
            .SingleAsync(cancellationToken) > 0;
}
