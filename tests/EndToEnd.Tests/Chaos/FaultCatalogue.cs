using ConcertSaga.EndToEnd.Tests.Systems;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Servers;
using Npgsql;

namespace ConcertSaga.EndToEnd.Tests.Chaos;

/// <summary>Makes the faults of a system. All random choices come from the caller, so a seed repeats them.</summary>
internal sealed class FaultCatalogue(ClusterSystem system, PostgreSqlServer database, RabbitMqServer broker, Clocks? clocks)
{
    private const string Ballast = "ballast", HeapLimit = "DOTNET_GCHeapHardLimit";

    // In megabytes. With less, no process starts.
    private const int MinHeap = 16, MaxHeap = 32;

    private static readonly string[] Changes =
        ["default_transaction_read_only = on", "commit_siblings = 0, commit_delay = 100000"];

    private static readonly LinkState[] Broken = [.. Enum.GetValues<LinkState>().Where(state => state != LinkState.Open)];

    private string[] _queues = [];
    private string _brokerAddress = "";

    private IReadOnlyList<string> Parts => system.Parts;

    private string[] Processes => [.. Parts.Where(part => !ClusterSystem.IsServer(part))];

    /// <summary>The kinds of faults that this machine can have.</summary>
    public IEnumerable<FaultKind> Kinds => Enum.GetValues<FaultKind>().Where(kind => kind switch
    {
        FaultKind.Clock => clocks is not null,
        FaultKind.DiskFull => database.Disk is not null,
        _ => true
    });

    /// <summary>Learns what the system has by now, such as its queues.</summary>
    public async Task PrepareAsync() => (_brokerAddress, _queues) = await system.QueuesAsync();

    /// <summary>Makes a fault of a kind.</summary>
    public Fault Make(FaultKind kind, Random random) => kind switch
    {
        FaultKind.Kill => Kill(random),
        FaultKind.Pause => Pause(Parts[random.Next(Parts.Count)]),
        FaultKind.RollingRestart => RestartAll(),
        FaultKind.Network => DamageNetwork(random),
        FaultKind.Database => DamageDatabase(random.Next(4)),
        FaultKind.DiskFull => FillDisk(random.Next(2) == 0),
        FaultKind.Broker => Block(random.Next(3)),
        FaultKind.Messages => Steal(random),
        FaultKind.Clock => Shift(random),
        FaultKind.Memory => Starve(Processes[random.Next(Processes.Length)], random.Next(MinHeap, MaxHeap)),
        _ => throw new ArgumentOutOfRangeException(nameof(kind))
    };

    /// <summary>Restarts what ended, as a supervisor does, until it is ready.</summary>
    public Task StartAsync(string part) => Eventually.TrueAsync(async () =>
    {
        await system.StartAsync(part);
        return true;
    }, TimeSpan.FromMinutes(3), $"{part} starts", TimeSpan.FromSeconds(1));

    /// <summary>Checks that no process has ended by itself, and restarts those that have.</summary>
    /// <returns>The last lines of those.</returns>
    public async Task<List<string>> FindDeadAsync()
    {
        var dead = Processes.Where(system.HasExited).ToList();
        var outputs = dead.ConvertAll(part =>
            system.OutputOf(part) is var text ? $"{part} has ended by itself: …{text[^Math.Min(2000, text.Length)..]}" : "");
        foreach (var part in dead)
            await StartAsync(part);
        return outputs;
    }

    // One part, two, or all.
    private Fault Kill(Random random)
    {
        string[] parts = [.. Parts];
        random.Shuffle(parts);
        parts = parts[..(random.Next(5) switch { 0 => parts.Length, 1 or 2 => 2, _ => 1 })];
        return new Fault(FaultKind.Kill, $"kill {(parts.Length == Parts.Count ? "all" : string.Join(" and ", parts))}", parts,
            () => Task.WhenAll(parts.Select(system.KillAsync)), async () =>
            {
                await Task.WhenAll(parts.Where(ClusterSystem.IsServer).Select(StartAsync));
                await Task.WhenAll(parts.Where(part => !ClusterSystem.IsServer(part)).Select(StartAsync));
            });
    }

    private Fault Pause(string part) =>
        new(FaultKind.Pause, $"pause {part}", [part], () => system.PauseAsync(part), () => system.ResumeAsync(part));

    private Fault RestartAll() => new(FaultKind.RollingRestart, "restart all in turn", Processes, async () =>
    {
        foreach (var part in Processes)
        {
            Settings.CheckExit(part, await system.StopAsync(part), system.OutputOf(part));
            await StartAsync(part);
        }
    }, () => Task.CompletedTask);

    private Fault DamageNetwork(Random random)
    {
        var state = Broken[random.Next(Broken.Length)];
        var link = system.Links.Keys.ElementAt(random.Next(system.Links.Count));
        var part = Parts[random.Next(Parts.Count)];
        var isAlone = random.Next(3) == 0;
        Link[] links = [.. system.Links.Where(other => isAlone ? other.Key.From == part || other.Key.To == part : other.Key == link)
            .Select(other => other.Value)];
        return new Fault(FaultKind.Network, $"{state} {(isAlone ? $"all of {part}" : $"{link.From} to {link.To}")}", [],
            () => SetAsync(state), () => SetAsync(LinkState.Open));

        Task SetAsync(LinkState next)
        {
            foreach (var damaged in links)
                damaged.Set(next);
            return Task.CompletedTask;
        }
    }

    private Fault DamageDatabase(int choice)
    {
        var connections = new List<NpgsqlConnection>();
        return choice switch
        {
            < 2 => Of(choice == 0 ? "read-only" : "commits of 100 ms", () => SetAsync(Changes[choice]), ResetAsync),
            2 => Of("no connection left", TakeAllAsync, GiveBackAsync),
            _ => Of("sessions ended", () => ExecuteAsync(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"),
                () => Task.CompletedTask)
        };

        static Fault Of(string name, Func<Task> begin, Func<Task> end) =>
            new(FaultKind.Database, $"{ClusterSystem.Database}: {name}", [ClusterSystem.Database], begin, end);

        async Task TakeAllAsync()
        {
            var address = await database.ConnectionStringAsync() + ";Pooling=false;Timeout=3";
            await TakeRestAsync(address);
            // What the processes have in their pools.
            await ExecuteAsync("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                + "WHERE backend_type = 'client backend' AND datname <> 'postgres'", connections[0]);
            await TakeRestAsync(address);
        }

        async Task TakeRestAsync(string address)
        {
            try
            {
                while (true)
                {
                    var connection = new NpgsqlConnection(address);
                    await connection.OpenAsync();
                    connections.Add(connection);
                }
            }
            catch (PostgresException exception) when (exception.SqlState == PostgresErrorCodes.TooManyConnections)
            {
                // None is left.
            }
        }

        async Task GiveBackAsync()
        {
            foreach (var connection in connections)
                await connection.DisposeAsync();
        }
    }

    // The log has room in its current file, unless it begins a new one.
    private Fault FillDisk(bool beginsFile)
    {
        var file = Path.Combine(database.Disk ?? "", Ballast);
        var name = $"{ClusterSystem.Database}: disk full{(beginsFile ? ", also for its log" : "")}";
        return new Fault(FaultKind.DiskFull, name, [ClusterSystem.Database], async () =>
        {
            var rest = new byte[1 << 16];
            await using var ballast = new FileStream(file, FileMode.Create, FileAccess.Write, FileShare.ReadWrite, 0);
            try
            {
                while (true)
                    await ballast.WriteAsync(rest);
            }
            catch (IOException)
            {
                // Full.
            }
            if (beginsFile)
                await TryAsync(() => ExecuteAsync("SELECT pg_switch_wal()"));
        }, async () =>
        {
            File.Delete(file);
            await RecoverAsync();
        });
    }

    private Fault Block(int choice) => choice switch
    {
        0 => ByCommand("no memory", ["set_vm_memory_high_watermark", "0.00001"], ["set_vm_memory_high_watermark", "0.4"]),
        1 => ByCommand("no disk", ["set_disk_free_limit", "900000GB"], ["set_disk_free_limit", "50MB"]),
        _ => ByCommand("connections closed", ["close_all_connections", "--global", "chaos"], [])
    };

    private Fault ByCommand(string name, string[] begin, string[] end) =>
        new(FaultKind.Broker, $"{ClusterSystem.Broker}: {name}", [ClusterSystem.Broker], () => broker.AdministerAsync(begin),
            () => end.Length == 0 ? Task.CompletedTask : broker.AdministerAsync(end));

    private Fault Steal(Random random)
    {
        MessageThief? thief = null;
        var own = new Random(random.Next());
        string[] queues = [.. _queues.Where(_ => random.Next(2) == 0)];
        return new Fault(FaultKind.Messages, $"steal from {queues.Length} queues", [ClusterSystem.Broker], () =>
        {
            (thief = new MessageThief(_brokerAddress, queues, own)).Start();
            return Task.CompletedTask;
        }, async () => await thief!.DisposeAsync());
    }

    private Fault Shift(Random random)
    {
        var part = Parts[random.Next(Parts.Count)];
        if (random.Next(3) == 0)
        {
            var rate = random.Next(2) == 0 ? 1.2 : 0.8;
            var drift = new CancellationTokenSource();
            var drifting = Task.CompletedTask;
            return new Fault(FaultKind.Clock, FormattableString.Invariant($"clock of {part} at {rate} times its speed"), [part],
                () =>
                {
                    drifting = clocks!.DriftAsync(part, rate, drift.Token);
                    return Task.CompletedTask;
                }, async () =>
                {
                    await drift.CancelAsync();
                    await drifting;
                    drift.Dispose();
                    await clocks!.SetAsync(part, 0);
                });
        }
        int[] offsets = [10, -10, 3600, -3600];
        var offset = offsets[random.Next(offsets.Length)];
        return new Fault(FaultKind.Clock, FormattableString.Invariant($"clock of {part} {offset:+0;-0} s"), [part],
            () => clocks!.SetAsync(part, offset), () => clocks!.SetAsync(part, 0));
    }

    private Fault Starve(string part, int megabytes) =>
        new(FaultKind.Memory, $"{part} with a heap of {megabytes} MB", [part], async () =>
        {
            Settings.CheckExit(part, await system.StopAsync(part), system.OutputOf(part));
            system.Set(part, HeapLimit, $"{megabytes << 20:x}");
            try
            {
                await system.StartAsync(part, TimeSpan.FromSeconds(15));
            }
            catch (Exception exception) when (exception is InvalidOperationException or TimeoutException)
            {
                // It has ended, or is not ready.
            }
        }, async () =>
        {
            system.Set(part, HeapLimit, null);
            await system.KillAsync(part);
            await StartAsync(part);
        });

    // What a broken server refuses or answers with its end.
    private static async Task TryAsync(Func<Task> act)
    {
        try
        {
            await act();
        }
        catch (Exception exception) when (exception is NpgsqlException or IOException or TimeoutException)
        {
            // As intended.
        }
    }

    private async Task SetAsync(string settings)
    {
        foreach (var setting in settings.Split(", "))
            await ExecuteAsync($"ALTER SYSTEM SET {setting}");
        await ExecuteAsync("SELECT pg_reload_conf()");
    }

    private async Task ResetAsync()
    {
        // ALTER SYSTEM writes no table.
        await ExecuteAsync("ALTER SYSTEM RESET ALL");
        await ExecuteAsync("SELECT pg_reload_conf()");
    }

    // A server that could not write its log has ended.
    private async Task RecoverAsync()
    {
        try
        {
            await Eventually.TrueAsync(async () =>
            {
                await ExecuteAsync("SELECT 1");
                return true;
            }, TimeSpan.FromSeconds(20), $"{ClusterSystem.Database} goes on", TimeSpan.FromSeconds(1));
        }
        catch (TimeoutException)
        {
            await system.KillAsync(ClusterSystem.Database);
            await StartAsync(ClusterSystem.Database);
        }
    }

    private async Task ExecuteAsync(string sql, NpgsqlConnection? given = null)
    {
        var connection = given ?? new NpgsqlConnection(await database.ConnectionStringAsync() + ";Pooling=false");
        try
        {
            if (given is null)
                await connection.OpenAsync();
            await using var command = connection.CreateCommand();
#pragma warning disable CA2100 // Constants of this class.
            command.CommandText = sql;
#pragma warning restore CA2100
            await command.ExecuteNonQueryAsync();
        }
        finally
        {
            if (given is null)
                await connection.DisposeAsync();
        }
    }
}
