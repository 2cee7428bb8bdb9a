using System.Data.Common;
using ConcertSaga.Shared.Hosting.Databases;

namespace ConcertSaga.Benchmarks.Volume;

/// <summary>
/// The keys, references and indexes of the catalogue's tables, as the server has them in its own catalogue: taken away before rows come in
/// bulk, and made again after it. What a server cannot do without stays: SQLite its keys, SQL Server its clustered ones.
/// </summary>
internal sealed class TableIndexes
{
    private const string PostgreSql = """
        SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname),
               format('ALTER TABLE %s ADD CONSTRAINT %I %s', conrelid::regclass, conname, pg_get_constraintdef(oid)), conname::text
        FROM pg_constraint WHERE conrelid IN ('"Concerts"'::regclass, '"Schedules"'::regclass, '"Seats"'::regclass) AND contype IN ('f', 'p')
        UNION ALL
        SELECT format('DROP INDEX %s', indexrelid::regclass), pg_get_indexdef(indexrelid), indexrelid::regclass::text
        FROM pg_index WHERE indrelid IN ('"Concerts"'::regclass, '"Schedules"'::regclass, '"Seats"'::regclass) AND NOT indisprimary
        ORDER BY 2
        """;

    private const string Sqlite = """
        SELECT 'DROP INDEX "' || name || '"', sql, name FROM sqlite_master
        WHERE type = 'index' AND sql IS NOT NULL AND tbl_name IN ('Concerts', 'Schedules', 'Seats')
        """;

    private const string SqlServer = """
        SELECT CONCAT('ALTER INDEX ', QUOTENAME(i.name), ' ON ', QUOTENAME(t.name), ' DISABLE'), CONCAT('ALTER INDEX ', QUOTENAME(i.name), ' ON ', QUOTENAME(t.name), ' REBUILD'), i.name
        FROM sys.indexes i JOIN sys.tables t ON t.object_id = i.object_id WHERE i.type = 2 AND t.name IN ('Concerts', 'Schedules', 'Seats')
        UNION ALL
        SELECT CONCAT('ALTER TABLE ', QUOTENAME(t.name), ' NOCHECK CONSTRAINT ALL'), CONCAT('ALTER TABLE ', QUOTENAME(t.name), ' WITH CHECK CHECK CONSTRAINT ALL'), CONCAT('references of ', t.name)
        FROM sys.tables t WHERE t.name IN ('Schedules', 'Seats')
        """;

    private readonly List<string[]> _all;

    private TableIndexes(List<string[]> all) => _all = all;

    /// <summary>Takes them away.</summary>
    public static async Task<TableIndexes> DropAsync(DbConnection connection, DatabaseProvider provider, CancellationToken cancellationToken)
    {
        var all = await CatalogueDatabase.QueryAsync(connection, provider switch
        {
            DatabaseProvider.PostgreSql => PostgreSql,
            DatabaseProvider.SqlServer => SqlServer,
            _ => Sqlite
        }, cancellationToken);
        // References first, for they need the keys they point to; and last when all is made again.
        var indexes = new TableIndexes([.. all.OrderByDescending(one => one[1].Contains("FOREIGN KEY", StringComparison.Ordinal))]);
        if (provider == DatabaseProvider.Sqlite)
            await CatalogueDatabase.ExecuteAsync(connection, "PRAGMA foreign_keys = OFF", cancellationToken);
        foreach (var one in indexes._all)
            await CatalogueDatabase.ExecuteAsync(connection, one[0], cancellationToken);
        return indexes;
    }

    /// <summary>Makes them again, and tells of each.</summary>
    public async Task CreateAsync(DbConnection connection, Func<string, Task, Task> time, CancellationToken cancellationToken)
    {
        foreach (var one in Enumerable.Reverse(_all))
            await time(one[2], CatalogueDatabase.ExecuteAsync(connection, one[1], cancellationToken));
        if (connection is Microsoft.Data.Sqlite.SqliteConnection)
            await time("references", CatalogueDatabase.ExecuteAsync(connection, "PRAGMA foreign_key_check", cancellationToken));
    }
}
