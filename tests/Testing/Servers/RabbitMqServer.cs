using System.Net.Sockets;
using ConcertSaga.Testing.Processes;
using Testcontainers.RabbitMq;
using Xunit;

namespace ConcertSaga.Testing.Servers;

/// <summary>
/// A RabbitMQ broker for tests, started when the first test asks for it: the one of <c>CONCERT_TEST_RABBITMQ</c> (an <c>amqp://</c> address),
/// or a container, or a local program. Where none is possible the asking test is skipped. Use it as an assembly fixture.
/// </summary>
public sealed class RabbitMqServer : IAsyncDisposable
{
    private const string Setting = "CONCERT_TEST_RABBITMQ";
    private const string DefaultImage = "rabbitmq:3.13";
    private const string User = "concert";

    private readonly SharedServer _server;

    // Where the program that administers the broker is; by its name in a container.
    private string _administer = "rabbitmqctl";

    /// <summary>Nothing runs until it is asked for.</summary>
    public RabbitMqServer() => _server = new SharedServer(ChooseAsync);

    /// <summary>Leads to the broker's first virtual host.</summary>
    public async Task<string> ConnectionStringAsync() => (await _server.GetAsync()).ConnectionString;

    /// <summary>
    /// Creates a virtual host, so that tests that use the product's queue names do not meet. At an address that was given from outside this
    /// is not possible: there the tests share its virtual host and must not run at the same time.
    /// </summary>
    /// <param name="name">Its name, or its beginning: a unique end is added.</param>
    /// <returns>The address that leads there.</returns>
    public async Task<string> CreateVirtualHostAsync(string name)
    {
        var server = await _server.GetAsync();
        if (server is GivenServer)
            return server.ConnectionString;
        var unique = $"{name}-{Guid.CreateVersion7():n}";
        await server.RunAsync(_administer, "add_vhost", unique);
        await server.RunAsync(_administer, "set_permissions", "-p", unique, User, ".*", ".*", ".*");
        return new UriBuilder(server.ConnectionString) { Path = unique }.Uri.ToString();
    }

    /// <summary>The id of the broker's process; null where it runs somewhere else or in a container.</summary>
    public async Task<int?> ProcessIdAsync() => (await _server.GetAsync()).ProcessId;

    /// <summary>Ends the broker as <c>kill -9</c> does. What it confirmed is there after <see cref="StartAsync"/>.</summary>
    public async Task KillAsync() => await (await _server.GetAsync()).KillAsync();

    /// <summary>Ends the broker orderly.</summary>
    public async Task StopAsync() => await (await _server.GetAsync()).StopAsync();

    /// <summary>Starts it again, at the same address and with the same queues.</summary>
    public async Task StartAsync() => await (await _server.GetAsync()).StartAsync();

    /// <inheritdoc />
    public ValueTask DisposeAsync() => _server.DisposeAsync();

    private async Task<IServerInstance> ChooseAsync()
    {
        if (Environment.GetEnvironmentVariable(Setting) is { Length: > 0 } given)
            return new GivenServer(given, Setting);
        if (await ContainerServer.IsPossibleAsync())
            return Container();
        // Debian's programs of these names on PATH insist on the packaged node's own user and folders; the ones behind them do not.
        const string folder = "/usr/lib/rabbitmq/bin";
        if (LocalServer.Find("rabbitmq-server", folder) is { } broker && LocalServer.Find("rabbitmqctl", folder) is { } administer)
        {
            _administer = administer;
            return await LocalAsync(broker);
        }
        Assert.Skip($"No RabbitMQ: {Setting} is not set, no Docker API answers, and no RabbitMQ is installed (Debian: apt-get install rabbitmq-server).");
        return null!;
    }

    private static ContainerServer Container()
    {
        var port = LoopbackPort.Free();
        var image = Environment.GetEnvironmentVariable("CONCERT_TEST_RABBITMQ_IMAGE") is { Length: > 0 } named ? named : DefaultImage;
        var container = new RabbitMqBuilder(image)
            .WithUsername(User).WithPassword(User)
            // A fixed port, because a container that is started again is otherwise given another one.
            .WithPortBinding(port, RabbitMqBuilder.RabbitMqPort)
            .Build();
        return new ContainerServer(container, Address(port), () => AnswersAsync(port));
    }

    private static async Task<LocalServer> LocalAsync(string broker)
    {
        var folder = LocalServer.CreateFolder("rabbitmq");
        var port = LoopbackPort.Free();
        var plugins = Path.Combine(folder, "enabled_plugins");
        var settings = Path.Combine(folder, "rabbitmq.conf");
        await File.WriteAllTextAsync(plugins, "[].\n");
        await File.WriteAllTextAsync(settings, $"default_user = {User}\ndefault_pass = {User}\ndisk_free_limit.absolute = 50MB\nraft.wal_max_size_bytes = 64000000\n");
        return new LocalServer
        {
            ConnectionString = Address(port),
            Folder = folder,
            // The broker needs a port mapper. One of its own, in its own process group, ends with it; the shared one would stay behind.
            Command = ["sh", "-c", "epmd -port $ERL_EPMD_PORT & until epmd -port $ERL_EPMD_PORT -names >/dev/null 2>&1; do sleep 0.05; done; exec \"$1\"", "broker", broker],
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
                ["RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS"] = "-kernel inet_dist_use_interface {127,0,0,1}",
                ["RABBITMQ_MNESIA_BASE"] = Path.Combine(folder, "data"),
                ["RABBITMQ_LOG_BASE"] = Path.Combine(folder, "log"),
                ["RABBITMQ_LOGS"] = "-",
                ["RABBITMQ_PID_FILE"] = Path.Combine(folder, "pid"),
                ["RABBITMQ_ENABLED_PLUGINS_FILE"] = plugins,
                ["RABBITMQ_CONFIG_FILE"] = settings,
                ["RABBITMQ_CONF_ENV_FILE"] = Path.Combine(folder, "no-settings-of-the-packaged-node"),
                // Makes the starting script become the broker instead of waiting beside it, so that its id is the broker's.
                ["RUNNING_UNDER_SYSTEMD"] = "true"
            }
        };
    }

    private static string Address(int port) => $"amqp://{User}:{User}@127.0.0.1:{port}/";

    // The port opens a little before the broker talks; its first frame is the answer to wait for.
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
