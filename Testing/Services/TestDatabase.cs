using System.Collections.Concurrent;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing.Servers;
using Microsoft.Data.Sqlite;
using Npgsql;

namespace ConcertSaga.Testing.Services;

/// <summary>Provides a database for one test.</summary>
public sealed class TestDatabase : IAsyncDisposable
{
    // Migrated databases of owners, which are copied: a copy takes a fraction of the time of the migrations.
    private static readonly ConcurrentDictionary<(DatabaseProvider Provider, PostgreSqlServer? Server, string Owner), string> Templates =
        new();

    private static readonly SemaphoreSlim Keeping = new(1);

    private readonly string? _folder;
    private readonly PostgreSqlServer? _server;
    private bool _isNew;

    private TestDatabase(DatabaseProvider provider, string connectionString, string? folder, PostgreSqlServer? server)
    {
        Provider = provider;
        ConnectionString = connectionString;
        _folder = folder;
        _server = server;
    }

    /// <summary>The data of a theory that runs on SQLite and PostgreSQL.</summary>
    public static IEnumerable<object[]> Providers => [[DatabaseProvider.Sqlite], [DatabaseProvider.PostgreSql]];

    /// <summary>The kind of server.</summary>
    public DatabaseProvider Provider { get; }

    /// <summary>The connection string of the database.</summary>
    public string ConnectionString { get; }

    /// <summary>Wraps an existing database, which is not deleted.</summary>
    public static TestDatabase At(DatabaseProvider provider, string connectionString) => new(provider, connectionString, null, null);

    /// <summary>Creates a database; on PostgreSQL it lives as long as the server.</summary>
    /// <param name="provider">The kind of server.</param>
    /// <param name="server">The server, if it is PostgreSQL.</param>
    /// <param name="owner">
    /// The service whose migrated tables it gets, once this process has migrated one; null for an empty database.
    /// </param>
    public static async Task<TestDatabase> CreateAsync(DatabaseProvider provider, PostgreSqlServer server, string? owner = null)
    {
        var home = provider == DatabaseProvider.PostgreSql ? server : null;
        var template = owner is null ? null : Templates.GetValueOrDefault((provider, home, owner));
        if (home is not null)
        {
            // Tests run in parallel, and the server limits its connections.
            var address = new NpgsqlConnectionStringBuilder(await server.CreateDatabaseAsync("test", template)) { MaxPoolSize = 40 };
            return new TestDatabase(provider, address.ConnectionString, null, home) { _isNew = template is null };
        }
        var folder = Directory.CreateTempSubdirectory("concertsaga-test-").FullName;
        var file = Path.Combine(folder, "test.db");
        if (template is not null)
            File.Copy(template, file);
        return new TestDatabase(provider, $"Data Source={file}", folder, null) { _isNew = template is null };
    }

    /// <summary>Lets later databases of the owner begin as copies of this one, which has just been migrated.</summary>
    public async Task KeepAsync(string owner)
    {
        if (!_isNew)
            return;
        await Keeping.WaitAsync();
        try
        {
            if (!Templates.ContainsKey((Provider, _server, owner)))
                Templates[(Provider, _server, owner)] = await CopyAsync();
        }
        finally
        {
            Keeping.Release();
        }
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
        SqliteConnection.ClearPool(new SqliteConnection(ConnectionString));
        // Two replicas share the folder, and each one deletes it.
        if (Directory.Exists(_folder))
            Directory.Delete(_folder, recursive: true);
    }

    private async Task<string> CopyAsync()
    {
        if (_server is not null)
        {
            // A database with connections cannot be copied.
            NpgsqlConnection.ClearAllPools();
            return await _server.CreateDatabaseAsync("template", ConnectionString);
        }
        var folder = Directory.CreateTempSubdirectory("concertsaga-template-").FullName;
        AppDomain.CurrentDomain.ProcessExit += (_, _) => Directory.Delete(folder, recursive: true);
        var file = Path.Combine(folder, "template.db");
        await using var connection = new SqliteConnection(ConnectionString);
        await connection.OpenAsync();
        await using var copy = new SqliteCommand("VACUUM INTO @file", connection);
        copy.Parameters.AddWithValue("@file", file);
        await copy.ExecuteNonQueryAsync();
        return file;
    }
}
