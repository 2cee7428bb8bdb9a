using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing.Servers;
using Npgsql;

namespace ConcertSaga.Testing.Services;

/// <summary>Provides an empty database for one test.</summary>
public sealed class TestDatabase : IAsyncDisposable
{
    private readonly string? _folder;

    private TestDatabase(DatabaseProvider provider, string connectionString, string? folder)
    {
        Provider = provider;
        ConnectionString = connectionString;
        _folder = folder;
    }

    /// <summary>The data of a theory that runs on SQLite and PostgreSQL.</summary>
    public static IEnumerable<object[]> Providers => [[DatabaseProvider.Sqlite], [DatabaseProvider.PostgreSql]];

    /// <summary>The kind of server.</summary>
    public DatabaseProvider Provider { get; }

    /// <summary>The connection string of the database.</summary>
    public string ConnectionString { get; }

    /// <summary>Wraps an existing database, which is not deleted.</summary>
    public static TestDatabase At(DatabaseProvider provider, string connectionString) => new(provider, connectionString, null);

    /// <summary>Creates a database; on PostgreSQL it lives as long as the server.</summary>
    public static async Task<TestDatabase> CreateAsync(DatabaseProvider provider, PostgreSqlServer server)
    {
        if (provider == DatabaseProvider.PostgreSql)
        {
            // Tests run in parallel, and the server limits its connections.
            var address = new NpgsqlConnectionStringBuilder(await server.CreateDatabaseAsync("test")) { MaxPoolSize = 40 };
            return new TestDatabase(provider, address.ConnectionString, null);
        }
        var folder = Directory.CreateTempSubdirectory("concertsaga-test-").FullName;
        return new TestDatabase(provider, $"Data Source={Path.Combine(folder, "test.db")}", folder);
    }

    /// <inheritdoc />
    public async ValueTask DisposeAsync()
    {
        if (_folder is null)
        {
            await using var connection = new NpgsqlConnection(ConnectionString);
            NpgsqlConnection.ClearPool(connection);
            return;
        }
        Microsoft.Data.Sqlite.SqliteConnection.ClearPool(new Microsoft.Data.Sqlite.SqliteConnection(ConnectionString));
        // Two replicas share the folder, and each one deletes it.
        if (Directory.Exists(_folder))
            Directory.Delete(_folder, recursive: true);
    }
}
