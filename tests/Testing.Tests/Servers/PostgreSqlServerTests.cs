using ConcertSaga.Testing.Servers;
using Npgsql;
using Xunit;

namespace ConcertSaga.Testing.Tests.Servers;

public sealed class PostgreSqlServerTests
{
    [Fact]
    [Trait("Category", "Containers")]
    public async Task Server_AfterAKillAndAStop_KeepsCommittedData()
    {
        await using var server = new PostgreSqlServer();
        var database = await server.CreateDatabaseAsync("kept");
        await ExecuteAsync(database, "CREATE TABLE kept (n int); INSERT INTO kept VALUES (42)");

        await server.KillAsync();
        await Assert.ThrowsAnyAsync<NpgsqlException>(() => ExecuteAsync(database + ";Pooling=false", "SELECT 1"));
        await server.StartAsync();
        Assert.Equal(42, await ExecuteAsync(database + ";Pooling=false", "SELECT n FROM kept"));

        await server.StopAsync();
        await Assert.ThrowsAnyAsync<NpgsqlException>(() => ExecuteAsync(database + ";Pooling=false", "SELECT 1"));
        await server.StartAsync();
        Assert.Equal(42, await ExecuteAsync(database + ";Pooling=false", "SELECT n FROM kept"));
    }

    private static async Task<object?> ExecuteAsync(string connectionString, string sql)
    {
        await using var connection = new NpgsqlConnection(connectionString);
        await connection.OpenAsync();
        await using var command = connection.CreateCommand();
#pragma warning disable CA2100 // The statements are constants of this test.
        command.CommandText = sql;
#pragma warning restore CA2100
        return await command.ExecuteScalarAsync();
    }
}
