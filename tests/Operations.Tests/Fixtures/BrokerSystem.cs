using System.Net.Http.Json;
using System.Text.Json;
using ConcertSaga.Shared.Hosting.Http;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Processes;
using ConcertSaga.Testing.Servers;
using MassTransit;
using Npgsql;
using RabbitMQ.Client;
using Xunit;

namespace ConcertSaga.Operations.Tests.Fixtures;

/// <summary>Operations, Points and Payments as processes on a real broker, with a database each.</summary>
internal sealed class BrokerSystem : IAsyncDisposable
{
    public const string OperationsProgram = "Services/Operations", Points = "Services/Points", Payments = "Services/Payments";

    public static readonly TimeSpan Limit = TimeSpan.FromSeconds(120);

    private const string Secret = "the secret of a test, never of a product";

    private static readonly string[] Owners = [OperationsProgram, Points, Payments];

    // Migrations take as long as a test, so each database is a copy of one that was migrated once.
    private static readonly Dictionary<string, string> Migrated = [];

    private readonly Dictionary<string, string> _databases = [];
    private readonly Dictionary<string, ServiceProcess> _processes = [];
    private readonly string _broker;
    private readonly IBusControl _bus;

    private BrokerSystem(string broker)
    {
        _broker = broker;
        _bus = Bus.Factory.CreateUsingRabbitMq(transport => transport.Host(new Uri(broker)));
    }

    /// <summary>A bus of the test itself.</summary>
    public IBus TestBus => _bus;

    /// <summary>The address of the virtual host.</summary>
    public string Broker => _broker;

    /// <summary>Starts the processes, in this order. Those that are not named only have a database.</summary>
    public static async Task<BrokerSystem> StartAsync(PostgreSqlServer database, RabbitMqServer broker, params string[] processes)
    {
        var system = new BrokerSystem(await broker.CreateVirtualHostAsync("operations"));
        foreach (var owner in Owners)
        {
            if (!Migrated.TryGetValue(owner, out var template))
            {
                system._databases[owner] = await database.CreateDatabaseAsync(Path.GetFileName(owner));
                var (code, output) = await ServiceProcess.RunAsync(owner, ["migrate", .. system.Arguments(owner)]);
                Assert.True(code == 0, output);
                template = Migrated[owner] = system._databases[owner];
            }
            system._databases[owner] = await database.CreateDatabaseAsync(Path.GetFileName(owner), template) + ";Maximum Pool Size=30";
        }
        await system._bus.StartAsync();
        foreach (var process in processes)
            await system.StartAsync(process);
        return system;
    }

    /// <summary>Starts a process, and waits until its queues exist.</summary>
    public async Task StartAsync(string owner, bool waits = true)
    {
        if (_processes.TryGetValue(owner, out var ended))
            await ended.StartAgainAsync(Limit);
        else
            _processes[owner] = await ServiceProcess.StartAsync(owner, Arguments(owner), limit: Limit);
        if (waits)
            await HealthyAsync(owner);
    }

    public async Task HealthyAsync(string owner)
    {
        using var client = Client(owner);
        var health = "";
        try
        {
            await Eventually.TrueAsync(async () =>
            {
                health = await client.GetStringAsync("/health/ready");
                return JsonDocument.Parse(health).RootElement.GetProperty("status").GetString() == "Healthy";
            }, Limit, $"{owner} is healthy");
        }
        catch (TimeoutException exception)
        {
            throw new TimeoutException($"{exception.Message}: {health}\n{_processes[owner].Output}", exception);
        }
    }

    public async Task StopAsync(string owner) => Assert.Equal(0, await _processes[owner].StopAsync());

    public Task KillAsync(string owner) => _processes[owner].KillAsync();

    /// <summary>Freezes a process, or continues it.</summary>
    public async Task SignalAsync(string owner, string signal)
    {
        using var kill = System.Diagnostics.Process.Start("kill", [$"-{signal}", $"{_processes[owner].ProcessId}"]);
        await kill.WaitForExitAsync();
    }

    /// <summary>A client that calls a process as the gateway does for an operator.</summary>
    public HttpClient Client(string owner)
    {
        var client = new HttpClient { BaseAddress = _processes[owner].Address };
        client.DefaultRequestHeaders.Add(InnerWall.SecretHeader, Secret);
        client.DefaultRequestHeaders.Add(Caller.UserIdHeader, "mina");
        client.DefaultRequestHeaders.Add(Caller.UserRolesHeader, "ops");
        return client;
    }

    /// <summary>Calls a route of operators.</summary>
    public async Task<JsonElement> CallAsync(HttpMethod method, string route, object? body = null)
    {
        using var client = Client(OperationsProgram);
        using var request = new HttpRequestMessage(method, $"/ops/api/{route}");
        request.Content = body is null ? null : JsonContent.Create(body);
        using var response = await client.SendAsync(request);
        var text = await response.Content.ReadAsStringAsync();
        Assert.True(response.IsSuccessStatusCode, text);
        return JsonDocument.Parse(text).RootElement.Clone();
    }

    /// <summary>Waits for the end of an operation.</summary>
    public async Task<JsonElement> EndedAsync(JsonElement started)
    {
        JsonElement operation = default;
        await Eventually.TrueAsync(async () =>
        {
            operation = await CallAsync(HttpMethod.Get, $"operations/{started.GetProperty("operationId").GetGuid()}");
            return operation.GetProperty("status").GetString() == "Completed";
        }, Limit, "the operation is completed");
        return operation;
    }

    public async Task<NpgsqlConnection> OpenAsync(string owner)
    {
        var connection = new NpgsqlConnection(_databases[owner] + ";Pooling=false");
        await connection.OpenAsync();
        return connection;
    }

    /// <summary>Reads one column.</summary>
    public async Task<List<T>> QueryAsync<T>(string owner, string sql)
    {
        await using var connection = await OpenAsync(owner);
#pragma warning disable CA2100 // Statements of the tests.
        await using var command = new NpgsqlCommand(sql, connection);
#pragma warning restore CA2100
        await using var reader = await command.ExecuteReaderAsync();
        var values = new List<T>();
        while (await reader.ReadAsync())
            values.Add(reader.GetFieldValue<T>(0));
        return values;
    }

    public async Task<long> CountAsync(string owner, string sql) => Assert.Single(await QueryAsync<long>(owner, sql));

    /// <summary>Waits until so many failed messages are stored.</summary>
    public Task StoredAsync(int count) => Eventually.TrueAsync(
        async () => await CountAsync(OperationsProgram, "SELECT count(*) FROM \"FailedMessages\"") == count, Limit,
        $"{count} messages are stored");

    /// <summary>Opens a channel of the broker's own protocol.</summary>
    public async Task WithChannelAsync(Func<IChannel, Task> work)
    {
        await using var connection = await new ConnectionFactory { Uri = new Uri(_broker) }.CreateConnectionAsync();
        await using var channel = await connection.CreateChannelAsync();
        await work(channel);
        await channel.CloseAsync();
    }

    /// <summary>Counts the messages of a queue that no consumer has.</summary>
    public async Task<uint> ReadyAsync(string queue)
    {
        var count = 0u;
        await WithChannelAsync(async channel => count = (await channel.QueueDeclarePassiveAsync(queue)).MessageCount);
        return count;
    }

    /// <summary>Looks at the messages of a queue, which returns to its order when the channel closes.</summary>
    public async Task<List<BasicGetResult>> PeekAsync(string queue)
    {
        var found = new List<BasicGetResult>();
        await WithChannelAsync(async channel =>
        {
            while (await channel.BasicGetAsync(queue, autoAck: false) is { } message)
                found.Add(message);
        });
        return found;
    }

    /// <summary>Gives the customer points.</summary>
    public async Task ChargeAsync(long amount)
    {
        using var client = Client(Points);
        client.DefaultRequestHeaders.Add(IdempotencyKey.Header, Guid.CreateVersion7().ToString());
        using var response = await client.PostAsJsonAsync("/api/points/charges", new { amount });
        Assert.True(response.IsSuccessStatusCode);
    }

    public async ValueTask DisposeAsync()
    {
        await _bus.StopAsync(TimeSpan.FromSeconds(10));
        foreach (var process in _processes.Values)
            await process.DisposeAsync();
    }

    // These tests call no other owner.
    private static IEnumerable<string> Addresses => new[] { "Orchestrator", "Seats", "Points", "Payments", "Queue", "DataPlatform" }
        .Select(owner => $"--Operations:{owner}Address=http://127.0.0.1:1");

    private string[] Arguments(string owner) =>
    [
        $"--Gateway:Secret={Secret}", "--Database:Provider=PostgreSql",
        $"--ConnectionStrings:{Path.GetFileName(owner)}={_databases[owner]}",
        $"--ConnectionStrings:RabbitMq={_broker}", "--Messaging:DeliveryLimit=2",
        .. owner == OperationsProgram ? new[] { "--Operations:LeaseDuration=00:00:02" }.Concat(Addresses) : []
    ];
}
