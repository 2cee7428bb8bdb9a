using ConcertSaga.Testing.Processes;
using Npgsql;
using Testcontainers.PostgreSql;
using Xunit;

namespace ConcertSaga.Testing.Servers;

/// <summary>
/// A PostgreSQL server for tests, started when the first test asks for it: the one of <c>CONCERT_TEST_POSTGRES</c> (a connection string), or
/// a container, or a local program. Where none is possible the asking test is skipped. Use it as an assembly fixture.
/// </summary>
public sealed class PostgreSqlServer : IAsyncDisposable
{
    private const string Setting = "CONCERT_TEST_POSTGRES";
    private const string DefaultImage = "postgres:16";

    // What a container and a local program share. Commits survive the kill of the process without these writes to disk, but not a power
    // cut, which no test here makes; synchronous_commit stays on, because a commit that a kill may lose would be a lie to the tests.
    private static readonly string[] ForTests =
        ["-c", "fsync=off", "-c", "full_page_writes=off", "-c", "synchronous_commit=on", "-c", "max_connections=400"];

    private readonly SharedServer _server;

    /// <summary>Nothing runs until it is asked for.</summary>
    public PostgreSqlServer() => _server = new SharedServer(ChooseAsync);

    /// <summary>Whether a commit waits for the disk, as it does in production. For measurements; tests do without.</summary>
    public bool IsDurable { get; init; }

    private string[] Options => IsDurable ? ["-c", "max_connections=400"] : ForTests;

    /// <summary>Leads to the server's own database, as its administrator.</summary>
    public async Task<string> ConnectionStringAsync() => (await _server.GetAsync()).ConnectionString;

    /// <summary>Creates an empty database.</summary>
    /// <param name="name">Its name, or its beginning: a unique end is added.</param>
    /// <returns>The connection string that leads there.</returns>
    public async Task<string> CreateDatabaseAsync(string name)
    {
        var unique = $"{name}_{Guid.CreateVersion7():n}".ToLowerInvariant();
        var server = await ConnectionStringAsync();
        await using var connection = new NpgsqlConnection(server);
        await connection.OpenAsync();
        await using var command = connection.CreateCommand();
#pragma warning disable CA2100 // An identifier cannot be a parameter, and this one is quoted.
        command.CommandText = $"CREATE DATABASE \"{unique.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";
#pragma warning restore CA2100
        await command.ExecuteNonQueryAsync();
        return new NpgsqlConnectionStringBuilder(server) { Database = unique, Pooling = true }.ConnectionString;
    }

    /// <summary>The id of the server's process; null where it runs somewhere else or in a container.</summary>
    public async Task<int?> ProcessIdAsync() => (await _server.GetAsync()).ProcessId;

    /// <summary>Ends the server as <c>kill -9</c> does. What was committed is there after <see cref="StartAsync"/>.</summary>
    public async Task KillAsync() => await (await _server.GetAsync()).KillAsync();

    /// <summary>Ends the server orderly.</summary>
    public async Task StopAsync() => await (await _server.GetAsync()).StopAsync();

    /// <summary>Starts it again, at the same address and with the same data.</summary>
    public async Task StartAsync() => await (await _server.GetAsync()).StartAsync();

    /// <inheritdoc />
    public ValueTask DisposeAsync() => _server.DisposeAsync();

    private async Task<IServerInstance> ChooseAsync()
    {
        if (Environment.GetEnvironmentVariable(Setting) is { Length: > 0 } given)
            return new GivenServer(given, Setting);
        if (await ContainerServer.IsPossibleAsync())
            return Container();
        // Debian keeps the programs of each version in a folder of its own.
        string[] folders = Directory.Exists("/usr/lib/postgresql")
            ? [.. Directory.EnumerateDirectories("/usr/lib/postgresql").OrderDescending().Select(version => Path.Combine(version, "bin"))] : [];
        if (LocalServer.Find("initdb", folders) is { } initdb && LocalServer.Find("postgres", folders) is { } postgres)
            return await LocalAsync(initdb, postgres);
        Assert.Skip($"No PostgreSQL: {Setting} is not set, no Docker API answers, and no PostgreSQL is installed (Debian: apt-get install postgresql).");
        return null!;
    }

    private ContainerServer Container()
    {
        var port = LoopbackPort.Free();
        var image = Environment.GetEnvironmentVariable("CONCERT_TEST_POSTGRES_IMAGE") is { Length: > 0 } named ? named : DefaultImage;
        var container = new PostgreSqlBuilder(image)
            .WithUsername("concert").WithPassword("concert").WithDatabase("postgres")
            // A fixed port, because a container that is started again is otherwise given another one.
            .WithPortBinding(port, PostgreSqlBuilder.PostgreSqlPort)
            .WithCommand(Options)
            .Build();
        var address = Address(port);
        return new ContainerServer(container, address, () => AnswersAsync(address));
    }

    private async Task<LocalServer> LocalAsync(string initdb, string postgres)
    {
        var folder = LocalServer.CreateFolder("postgres");
        var data = Path.Combine(folder, "data");
        var port = LoopbackPort.Free();
        // The server refuses to run as root. This becomes the other user without a process in between, so its id is the server's.
        string[] user = Environment.UserName == "root" ? ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"] : [];
        var address = Address(port);
        var server = new LocalServer
        {
            ConnectionString = address,
            Folder = folder,
            Command = [.. user, postgres, "-D", data, "-p", $"{port}", "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", .. Options],
            IsReady = () => AnswersAsync(address),
            // SIGINT is a fast shutdown; SIGTERM would wait for every client to leave.
            StopSignal = 2
        };
        try
        {
            if (user.Length > 0)
                await server.RunAsync("chown", "postgres", folder);
            await server.RunAsync([.. user, initdb, "-D", data, "-U", "concert", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]);
        }
        catch
        {
            await server.DisposeAsync();
            throw;
        }
        return server;
    }

    private static string Address(int port) => $"Host=127.0.0.1;Port={port};Username=concert;Password=concert;Database=postgres";

    private static async Task<bool> AnswersAsync(string address)
    {
        await using var connection = new NpgsqlConnection(address + ";Pooling=false;Timeout=3");
        await connection.OpenAsync();
        return true;
    }
}
