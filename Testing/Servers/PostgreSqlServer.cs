using ConcertSaga.Testing.Processes;
using Npgsql;
using Testcontainers.PostgreSql;

namespace ConcertSaga.Testing.Servers;

/// <summary>
/// Provides a PostgreSQL server for tests, on first use: the one of <c>CONCERT_TEST_POSTGRES</c> (a connection string), a container, or a
/// local program. Without a server, the test is skipped. Use it as an assembly fixture.
/// </summary>
public sealed class PostgreSqlServer : SharedServer
{
    private const string Setting = "CONCERT_TEST_POSTGRES";
    private const string DefaultImage = "postgres:16";

    // Without fsync, commits survive a kill of the process but not a power failure, which no test simulates. synchronous_commit stays on,
    // because without it a kill could lose commits. Vacuuming hundreds of databases that live for seconds would take processor time.
    private static readonly string[] ForTests =
    [
        "-c", "fsync=off", "-c", "full_page_writes=off", "-c", "synchronous_commit=on", "-c", "autovacuum=off", "-c", "max_connections=400"
    ];

    /// <summary>Whether commits wait for the disk, as in production. For measurements.</summary>
    public bool IsDurable { get; init; }

    /// <summary>
    /// The size of a disk of its own for the data of a local server, in memory, which tests can fill; null for none. Where it cannot be
    /// mounted, the server has none.
    /// </summary>
    public int? DiskMegabytes { get; init; }

    /// <summary>The mount point of the disk of <see cref="DiskMegabytes"/>.</summary>
    public string? Disk { get; private set; }

    private string[] Options => IsDurable ? ["-c", "max_connections=400"] : ForTests;

    /// <summary>Creates a database.</summary>
    /// <param name="name">The prefix of its name.</param>
    /// <param name="template">The connection string of a database without connections, which is copied; otherwise it is empty.</param>
    /// <returns>The connection string of the database.</returns>
    public async Task<string> CreateDatabaseAsync(string name, string? template = null)
    {
        var unique = $"{name}_{Guid.CreateVersion7():n}".ToLowerInvariant();
        var source = template is null ? "template1" : new NpgsqlConnectionStringBuilder(template).Database!;
        var server = await ConnectionStringAsync();
        await using var connection = new NpgsqlConnection(server);
        await connection.OpenAsync();
        await using var command = connection.CreateCommand();
#pragma warning disable CA2100 // An identifier cannot be a parameter, and this one is quoted.
        command.CommandText = $"CREATE DATABASE {Quoted(unique)} TEMPLATE {Quoted(source)}";
#pragma warning restore CA2100
        await command.ExecuteNonQueryAsync();
        return new NpgsqlConnectionStringBuilder(server) { Database = unique, Pooling = true }.ConnectionString;
    }

    private protected override async Task<IServerInstance> ChooseAsync()
    {
        if (Environment.GetEnvironmentVariable(Setting) is { Length: > 0 } given)
            return new GivenServer(given, Setting);
        if (await ContainerServer.IsPossibleAsync())
            return Container();
        // Debian installs each version in a separate folder.
        string[] folders = Directory.Exists("/usr/lib/postgresql")
            ? [.. Directory.EnumerateDirectories("/usr/lib/postgresql").OrderDescending().Select(version => Path.Combine(version, "bin"))]
            : [];
        if (LocalServer.Find("initdb", folders) is { } initdb && LocalServer.Find("postgres", folders) is { } postgres)
            return await LocalAsync(initdb, postgres);
        throw new MissingServerException(
            $"No PostgreSQL: {Setting} is not set, no Docker API answers, and no PostgreSQL is installed "
            + "(Debian: apt-get install postgresql).");
    }

    private ContainerServer Container()
    {
        var port = LoopbackPort.Free();
        var image = Environment.GetEnvironmentVariable("CONCERT_TEST_POSTGRES_IMAGE") is { Length: > 0 } named ? named : DefaultImage;
        var container = new PostgreSqlBuilder(image)
            .WithUsername("concert").WithPassword("concert").WithDatabase("postgres")
            // Without a fixed port, a restarted container would get another one.
            .WithPortBinding(port, PostgreSqlBuilder.PostgreSqlPort)
            .WithCommand(Options)
            .Build();
        var address = Address(port);
        return new ContainerServer(container, address, () => AnswersAsync(address));
    }

    private async Task<LocalServer> LocalAsync(string initdb, string postgres)
    {
        var folder = LocalServer.CreateFolder("postgres");
        Disk = DiskMegabytes is { } size ? Mount(Path.Combine(folder, "disk"), size) : null;
        var data = Path.Combine(Disk ?? folder, "data");
        var port = LoopbackPort.Free();
        // The server refuses to run as root. setpriv replaces itself by the server, so the process id is the server's.
        string[] user = Environment.UserName == "root" ? ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"] : [];
        var address = Address(port);
        var server = new LocalServer
        {
            ConnectionString = address,
            Folder = folder,
            Disk = Disk,
            // Only the server gets the variables, because a preloaded library may open what belongs to its user.
            Command =
            [
                .. user, "env", .. Variables.Select(variable => $"{variable.Key}={variable.Value}"), postgres, "-D", data, "-p", $"{port}",
                "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", .. Options
            ],
            IsReady = () => AnswersAsync(address),
            // SIGINT is a fast shutdown; SIGTERM would wait for all clients to disconnect.
            StopSignal = 2
        };
        try
        {
            if (user.Length > 0)
                await server.RunAsync("chown", "postgres", folder, Disk ?? folder);
            await server.RunAsync([.. user, initdb, "-D", data, "-U", "concert", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8",
                "--no-sync"]);
        }
        catch
        {
            await server.DisposeAsync();
            throw;
        }
        return server;
    }

    // Null without the permission.
    private static string? Mount(string folder, int megabytes)
    {
        Directory.CreateDirectory(folder);
        using var mount = System.Diagnostics.Process.Start("mount", ["-t", "tmpfs", "-o", $"size={megabytes}m", "tmpfs", folder]);
        mount.WaitForExit();
        return mount.ExitCode == 0 ? folder : null;
    }

    private static string Quoted(string name) => $"\"{name.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";

    private static string Address(int port) => $"Host=127.0.0.1;Port={port};Username=concert;Password=concert;Database=postgres";

    private static async Task<bool> AnswersAsync(string address)
    {
        await using var connection = new NpgsqlConnection(address + ";Pooling=false;Timeout=3");
        await connection.OpenAsync();
        return true;
    }
}
