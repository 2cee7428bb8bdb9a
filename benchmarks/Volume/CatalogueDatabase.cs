using System.Data.Common;
using ConcertSaga.Benchmarks.Measuring;
using ConcertSaga.Seats.Data;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing.Servers;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Benchmarks.Volume;

/// <summary>
/// A database of the seats service with the current schema: on this run's own PostgreSQL server, in its own file, or at a connection
/// string. The latter must lead to a database without concerts.
/// </summary>
internal sealed class CatalogueDatabase : IAsyncDisposable
{
    private readonly string? _folder;

    private CatalogueDatabase(DatabaseProvider provider, string address, PostgreSqlServer? server, string? folder)
    {
        Provider = provider;
        Address = address;
        Server = server;
        _folder = folder;
    }

    public DatabaseProvider Provider { get; }

    /// <summary>The connection string.</summary>
    public string Address { get; }

    /// <summary>This run's own server, if the database is there.</summary>
    public PostgreSqlServer? Server { get; }

    public static async Task<CatalogueDatabase> CreateAsync(DatabaseProvider provider, string? address, CancellationToken cancellationToken)
    {
        Environment.SetEnvironmentVariable("CONCERT_TEST_NO_DOCKER", "1");
        PostgreSqlServer? server = null;
        string? folder = null;
        if (address is null && provider == DatabaseProvider.PostgreSql)
        {
            server = new PostgreSqlServer { IsDurable = true };
            address = await server.CreateDatabaseAsync("seats");
        }
        else if (address is null && provider == DatabaseProvider.Sqlite)
        {
            folder = Directory.CreateTempSubdirectory("concertsaga-benchmark-").FullName;
            address = $"Data Source={Path.Combine(folder, "seats.db")}";
        }
        if (address is null)
            throw new BenchmarkException($"--connection is missing; allowed: a connection string for {provider}.");
        var database = new CatalogueDatabase(provider, address, server, folder);
        try
        {
            if (provider == DatabaseProvider.PostgreSql)
                await ServerPair.RequireDurabilityAsync(database.Address);
            await using var context = database.Context();
            await context.Database.MigrateAsync(cancellationToken);
            return await context.Concerts.AnyAsync(cancellationToken)
                ? throw new BenchmarkException(
                    "the database has concerts; allowed: a database without concerts, because a load needs empty tables.")
                : database;
        }
        catch
        {
            await database.DisposeAsync();
            throw;
        }
    }

    public SeatsDbContext Context() => Provider switch
    {
        DatabaseProvider.PostgreSql => new PostgreSqlSeatsDbContext(Options<PostgreSqlSeatsDbContext>()),
        DatabaseProvider.SqlServer => new SqlServerSeatsDbContext(Options<SqlServerSeatsDbContext>()),
        _ => new SqliteSeatsDbContext(Options<SqliteSeatsDbContext>())
    };

    public static async Task<long> ExecuteAsync(DbConnection connection, string statement, CancellationToken cancellationToken)
    {
        await using var command = connection.CreateCommand();
        command.CommandTimeout = 0;
#pragma warning disable CA2100 // Statements of this program and of the server's catalogue.
        command.CommandText = statement;
#pragma warning restore CA2100
        return await command.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>All rows of a query as texts.</summary>
    public static async Task<List<string[]>> QueryAsync(DbConnection connection, string query, CancellationToken cancellationToken)
    {
        await using var command = connection.CreateCommand();
        command.CommandTimeout = 0;
#pragma warning disable CA2100 // Queries of this program.
        command.CommandText = query;
#pragma warning restore CA2100
        var rows = new List<string[]>();
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
            rows.Add([.. Enumerable.Range(0, reader.FieldCount).Select(column => $"{reader.GetValue(column)}")]);
        return rows;
    }

    public async ValueTask DisposeAsync()
    {
        if (Server is not null)
            await Server.DisposeAsync();
        if (_folder is null)
            return;
        Microsoft.Data.Sqlite.SqliteConnection.ClearAllPools();
        Directory.Delete(_folder, recursive: true);
    }

    private DbContextOptions<TContext> Options<TContext>()
        where TContext : DbContext
    {
        var options = new DbContextOptionsBuilder<TContext>();
        DatabaseRegistration.Use(options, Provider, Address);
        return options.Options;
    }
}
