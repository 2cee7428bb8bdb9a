using ConcertSaga.Testing.Servers;
using Npgsql;
using RabbitMQ.Client;
using Xunit;

namespace ConcertSaga.Testing.Tests;

public sealed class ServerTests
{
    [Fact]
    public async Task PostgreSql_KilledAndStartedAgain_KeepsWhatWasCommitted()
    {
        await using var server = new PostgreSqlServer();
        var database = await server.CreateDatabaseAsync("kept");
        await ExecuteAsync(database, "CREATE TABLE kept (n int); INSERT INTO kept VALUES (42)");

        await server.KillAsync();
        await Assert.ThrowsAnyAsync<NpgsqlException>(() => ExecuteAsync(database + ";Pooling=false", "SELECT 1"));
        await server.StartAsync();

        Assert.Equal(42, await ExecuteAsync(database + ";Pooling=false", "SELECT n FROM kept"));
    }

    [Fact]
    public async Task RabbitMq_KilledAndStartedAgain_KeepsWhatItConfirmed()
    {
        await using var server = new RabbitMqServer();
        var address = await server.CreateVirtualHostAsync("kept");
        await UseAsync(address, async channel =>
        {
            // A quorum queue needs a few seconds after its first declaration before it survives a kill (its name reaches the disk late), so
            // the queue of this test is a classic one.
            await channel.QueueDeclareAsync("kept", durable: true, exclusive: false, autoDelete: false);
            await channel.BasicPublishAsync("", "kept", mandatory: true, new BasicProperties { Persistent = true }, new byte[] { 42 });
        });

        await server.KillAsync();
        await Assert.ThrowsAnyAsync<Exception>(() => UseAsync(address, _ => Task.CompletedTask));
        await server.StartAsync();

        await UseAsync(address, channel => Eventually.TrueAsync(
            async () => (await channel.BasicGetAsync("kept", autoAck: true))?.Body.ToArray() is [42], TimeSpan.FromSeconds(30), "the message is there"));
    }

    [Fact]
    public async Task Servers_StoppedAndStartedAgain_AnswerAtTheSameAddress()
    {
        await using var database = new PostgreSqlServer();
        await using var broker = new RabbitMqServer();
        var (databaseAddress, brokerAddress) = (await database.ConnectionStringAsync(), await broker.ConnectionStringAsync());

        await Task.WhenAll(database.StopAsync(), broker.StopAsync());
        await Task.WhenAll(database.StartAsync(), broker.StartAsync());

        Assert.Equal(1, await ExecuteAsync(databaseAddress + ";Pooling=false", "SELECT 1"));
        await UseAsync(brokerAddress, _ => Task.CompletedTask);
    }

    private static async Task<object?> ExecuteAsync(string connectionString, string sql)
    {
        await using var connection = new NpgsqlConnection(connectionString);
        await connection.OpenAsync();
        await using var command = connection.CreateCommand();
#pragma warning disable CA2100 // The tests' own constants.
        command.CommandText = sql;
#pragma warning restore CA2100
        return await command.ExecuteScalarAsync();
    }

    private static async Task UseAsync(string address, Func<IChannel, Task> use)
    {
        await using var connection = await new ConnectionFactory { Uri = new Uri(address), AutomaticRecoveryEnabled = false }.CreateConnectionAsync();
        await using var channel = await connection.CreateChannelAsync(new CreateChannelOptions(true, true));
        await use(channel);
    }
}
