using ConcertSaga.Testing.Servers;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Shared.Persistence.Tests.Hosts;

/// <summary>The databases of a test that uses contexts of its own.</summary>
public sealed class TestDatabaseSet(PostgreSqlServer server) : IAsyncDisposable
{
    private readonly List<TestDatabase> _databases = [];

    /// <summary>Creates a database with the tables of one context.</summary>
    public async Task<TestDatabase> CreateAsync<TContext>(Store store, Func<DbContextOptions<TContext>, TContext> open)
        where TContext : DbContext
    {
        var database = await TestDatabase.CreateEmptyAsync(store, server);
        _databases.Add(database);
        await using var context = open(database.OptionsOf<TContext>());
        await context.Database.EnsureCreatedAsync();
        return database;
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var database in _databases)
            await database.DisposeAsync();
    }
}
