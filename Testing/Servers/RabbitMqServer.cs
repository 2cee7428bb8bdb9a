using System.Collections.Concurrent;
using System.Net.Sockets;
using System.Text.Json;
using ConcertSaga.Testing.Processes;
using Testcontainers.RabbitMq;

namespace ConcertSaga.Testing.Servers;

/// <summary>
/// Provides a RabbitMQ broker for tests, on first use: the one of <c>CONCERT_TEST_RABBITMQ</c> (an <c>amqp://</c> address), a container, or
/// a local program. Without a broker, the test is skipped. Use it as an assembly fixture.
/// </summary>
public sealed class RabbitMqServer : SharedServer
{
    private const string Setting = "CONCERT_TEST_RABBITMQ";
    private const string DefaultImage = "rabbitmq:3.13";
    private const string User = "concert";

    // A run of rabbitmqctl takes a second of processor time, so a local broker creates some virtual hosts when it first starts.
    private const int Prepared = 12;

    private readonly ConcurrentQueue<string> _unused = new();

    // The path of rabbitmqctl; a container finds it by name.
    private string _administer = "rabbitmqctl";

    /// <summary>
    /// Creates a virtual host, so tests that use the product's queue names do not interfere. On a given broker this is not possible: tests
    /// share its virtual host there and must not run concurrently.
    /// </summary>
    /// <param name="name">The prefix of its name, unless one that the broker prepared is unused.</param>
    /// <returns>The address of the virtual host.</returns>
    public async Task<string> CreateVirtualHostAsync(string name)
    {
        var server = await GetAsync();
        if (server is GivenServer)
            return server.ConnectionString;
        if (!_unused.TryDequeue(out var unique))
        {
            unique = $"{name}-{Guid.CreateVersion7():n}";
            await server.RunAsync(_administer, "add_vhost", unique);
            await server.RunAsync(_administer, "set_permissions", "-p", unique, User, ".*", ".*", ".*");
        }
        return new UriBuilder(server.ConnectionString) { Path = unique }.Uri.ToString();
    }

    /// <summary>Returns the queues of a virtual host with their message counts.</summary>
    /// <param name="address">The address from <see cref="CreateVirtualHostAsync"/>.</param>
    public async Task<IReadOnlyDictionary<string, int>> ListQueuesAsync(string address)
    {
        var host = Uri.UnescapeDataString(new Uri(address).AbsolutePath.TrimStart('/'));
        var output = await (await GetAsync()).RunAsync(
            _administer, "-q", "list_queues", "-p", host is "" ? "/" : host, "name", "messages", "--no-table-headers");
        return output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => line.Split('\t'))
            .ToDictionary(columns => columns[0], columns => int.Parse(columns[1], System.Globalization.CultureInfo.InvariantCulture));
    }

    /// <summary>Runs <c>rabbitmqctl</c>.</summary>
    public async Task<string> AdministerAsync(params string[] arguments) =>
        await (await GetAsync()).RunAsync([_administer, .. arguments]);

    private protected override async Task<IServerInstance> ChooseAsync()
    {
        if (Environment.GetEnvironmentVariable(Setting) is { Length: > 0 } given)
            return new GivenServer(given, Setting);
        if (await ContainerServer.IsPossibleAsync())
            return Container();
        // Debian's wrappers on PATH require the packaged node's user and folders; these programs do not.
        const string folder = "/usr/lib/rabbitmq/bin";
        if (LocalServer.Find("rabbitmq-server", folder) is { } broker && LocalServer.Find("rabbitmqctl", folder) is { } administer)
        {
            _administer = administer;
            return await LocalAsync(broker);
        }
        throw new MissingServerException(
            $"No RabbitMQ: {Setting} is not set, no Docker API answers, and no RabbitMQ is installed "
            + "(Debian: apt-get install rabbitmq-server).");
    }

    private static ContainerServer Container()
    {
        var port = LoopbackPort.Free();
        var image = Environment.GetEnvironmentVariable("CONCERT_TEST_RABBITMQ_IMAGE") is { Length: > 0 } named ? named : DefaultImage;
        var container = new RabbitMqBuilder(image)
            .WithUsername(User).WithPassword(User)
            // Without a fixed port, a restarted container would get another one.
            .WithPortBinding(port, RabbitMqBuilder.RabbitMqPort)
            .Build();
        return new ContainerServer(container, Address(port), () => AnswersAsync(port));
    }

    private async Task<LocalServer> LocalAsync(string broker)
    {
        var folder = LocalServer.CreateFolder("rabbitmq");
        var port = LoopbackPort.Free();
        var plugins = Path.Combine(folder, "enabled_plugins");
        var settings = Path.Combine(folder, "rabbitmq.conf");
        await File.WriteAllTextAsync(plugins, "[].\n");
        var definitions = Path.Combine(folder, "definitions.json");
        string[] prepared = [.. Enumerable.Range(1, Prepared).Select(number => $"prepared-{number}")];
        await File.WriteAllTextAsync(definitions, Definitions(["/", .. prepared]));
        await File.WriteAllTextAsync(settings,
            $"load_definitions = {definitions}\ndisk_free_limit.absolute = 50MB\nraft.wal_max_size_bytes = 64000000\n");
        Array.ForEach(prepared, _unused.Enqueue);
        var server = new LocalServer
        {
            ConnectionString = Address(port),
            Folder = folder,
            // The broker needs a port mapper. A private one in its process group ends with it; a shared one would keep running.
            Command =
                ["sh", "-c",
                "epmd -port $ERL_EPMD_PORT & until epmd -port $ERL_EPMD_PORT -names >/dev/null 2>&1; do sleep 0.05; done; exec \"$1\"",
                "broker", broker],
            IsReady = () => AnswersAsync(port),
            Environment =
            {
                ["HOME"] = folder,
                ["ERL_EPMD_ADDRESS"] = "127.0.0.1",
                ["ERL_EPMD_PORT"] = $"{LoopbackPort.Free()}",
                ["RABBITMQ_NODENAME"] = $"concert-{Guid.CreateVersion7():n}@localhost",
                ["RABBITMQ_NODE_IP_ADDRESS"] = "127.0.0.1",
                ["RABBITMQ_NODE_PORT"] = $"{port}",
                ["RABBITMQ_DIST_PORT"] = $"{LoopbackPort.Free()}",
                // Idle schedulers of the broker sleep at once. Spinning, they would take processor time from the processes under test.
                ["RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS"] =
                    "-kernel inet_dist_use_interface {127,0,0,1} +sbwt none +sbwtdcpu none +sbwtdio none",
                ["RABBITMQ_MNESIA_BASE"] = Path.Combine(folder, "data"),
                ["RABBITMQ_LOG_BASE"] = Path.Combine(folder, "log"),
                ["RABBITMQ_LOGS"] = "-",
                ["RABBITMQ_PID_FILE"] = Path.Combine(folder, "pid"),
                ["RABBITMQ_ENABLED_PLUGINS_FILE"] = plugins,
                ["RABBITMQ_CONFIG_FILE"] = settings,
                ["RABBITMQ_CONF_ENV_FILE"] = Path.Combine(folder, "no-settings-of-the-packaged-node"),
                // Makes the start script exec the broker, so its process id is the broker's.
                ["RUNNING_UNDER_SYSTEMD"] = "true"
            }
        };
        foreach (var (name, value) in Variables)
            server.Environment[name] = value;
        return server;
    }

    // The user and the virtual hosts. A broker with definitions creates no others.
    private static string Definitions(string[] hosts) => JsonSerializer.Serialize(new
    {
        users = new[] { new { name = User, password = User, tags = "administrator" } },
        vhosts = Array.ConvertAll(hosts, host => new { name = host }),
        permissions = Array.ConvertAll(hosts, host => new { user = User, vhost = host, configure = ".*", write = ".*", read = ".*" })
    });

    private static string Address(int port) => $"amqp://{User}:{User}@127.0.0.1:{port}/";

    // The port opens before the broker is ready, so this waits for its first frame.
    private static async Task<bool> AnswersAsync(int port)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(3));
        using var client = new TcpClient();
        await client.ConnectAsync("127.0.0.1", port, limit.Token);
        var stream = client.GetStream();
        await stream.WriteAsync("AMQP\0\0\u0009\u0001"u8.ToArray(), limit.Token);
        return await stream.ReadAtLeastAsync(new byte[7], 7, throwOnEndOfStream: false, limit.Token) == 7;
    }
}
