using ConcertSaga.Testing.Servers;
using Npgsql;

namespace ConcertSaga.Benchmarks.Measuring;

/// <summary>
/// A broker and a database server for one run: local programs with private data, or the servers at <c>CONCERT_TEST_RABBITMQ</c> and
/// <c>CONCERT_TEST_POSTGRES</c>. Servers that it starts always end with the run.
/// </summary>
internal sealed class ServerPair : IAsyncDisposable
{
    private ServerPair()
    {
    }

    public RabbitMqServer Broker { get; } = new();

    public PostgreSqlServer Database { get; } = new() { IsDurable = true };

    public int? BrokerProcess { get; private set; }

    public int? DatabaseProcess { get; private set; }

    public static async Task<ServerPair> StartAsync()
    {
        // A container would add the cost of its network and file system, and hide the processes.
        Environment.SetEnvironmentVariable("CONCERT_TEST_NO_DOCKER", "1");
        var servers = new ServerPair();
        try
        {
            var broker = servers.Broker.ProcessIdAsync();
            servers.DatabaseProcess = await servers.Database.ProcessIdAsync();
            servers.BrokerProcess = await broker;
            await RequireDurabilityAsync(await servers.Database.ConnectionStringAsync());
            return servers;
        }
        catch
        {
            await servers.DisposeAsync();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await Broker.DisposeAsync();
        await Database.DisposeAsync();
    }

    /// <summary>Fails unless commits wait for the disk.</summary>
    public static async Task RequireDurabilityAsync(string connectionString)
    {
        await using var source = NpgsqlDataSource.Create(connectionString);
        foreach (var setting in new[] { "fsync", "synchronous_commit", "full_page_writes" })
        {
            await using var command = source.CreateCommand("SELECT current_setting($1)");
            command.Parameters.AddWithValue(setting);
            if (await command.ExecuteScalarAsync() is not "on")
                throw new BenchmarkException($"PostgreSQL runs with {setting} off; allowed: on. The product's commits wait for the disk.");
        }
    }
}
