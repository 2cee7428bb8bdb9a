using ConcertSaga.Testing.Servers;
using Npgsql;

namespace ConcertSaga.Benchmarks.Measuring;

/// <summary>
/// A broker and a database server for one run: local programs with private data, or those of <c>CONCERT_TEST_RABBITMQ</c> and
/// <c>CONCERT_TEST_POSTGRES</c>. What was started here ends with the run, however that ends.
/// </summary>
internal sealed class Servers : IAsyncDisposable
{
    private Servers()
    {
    }

    public RabbitMqServer Broker { get; } = new();

    public PostgreSqlServer Database { get; } = new() { IsDurable = true };

    public int? BrokerProcess { get; private set; }

    public int? DatabaseProcess { get; private set; }

    public static async Task<Servers> StartAsync()
    {
        // A container would put a network bridge and a file system of its own into the figures, and hide the processes.
        Environment.SetEnvironmentVariable("CONCERT_TEST_NO_DOCKER", "1");
        var servers = new Servers();
        try
        {
            var broker = servers.Broker.ProcessIdAsync();
            servers.DatabaseProcess = await servers.Database.ProcessIdAsync();
            servers.BrokerProcess = await broker;
            await RefuseLooseDurabilityAsync(await servers.Database.ConnectionStringAsync());
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

    /// <summary>Ends the run where commits do not wait for the disk.</summary>
    public static async Task RefuseLooseDurabilityAsync(string connectionString)
    {
        await using var source = NpgsqlDataSource.Create(connectionString);
        foreach (var setting in new[] { "fsync", "synchronous_commit", "full_page_writes" })
        {
            await using var command = source.CreateCommand("SELECT current_setting($1)");
            command.Parameters.AddWithValue(setting);
            if (await command.ExecuteScalarAsync() is not "on")
                throw new BenchmarkException($"PostgreSQL runs with {setting} off; allowed: on, because a commit that does not wait for the disk is not the product's.");
        }
    }
}
