using System.Net;
using System.Net.Sockets;
using ConcertSaga.EndToEnd.Tests.Client;
using ConcertSaga.EndToEnd.Tests.Invariants;
using ConcertSaga.EndToEnd.Tests.Systems;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Processes;
using ConcertSaga.Testing.Servers;
using Xunit;

namespace ConcertSaga.EndToEnd.Tests;

/// <summary>Starts and ends AllInOne. A failed start prints one line with the reason.</summary>
[Trait("Part", "Sale")]
public sealed class StartTests(SystemFixture systems, PostgreSqlServer database, RabbitMqServer broker, PreparedFolder prepared,
    ITestOutputHelper output) : IClassFixture<PreparedFolder>
{
    [Theory]
    [InlineData("serve", "'serve' is not a command")]
    [InlineData("--Nonsense=1", "'--Nonsense' is not an option")]
    [InlineData("-h", "'-h' is not an option")]
    [InlineData("--Reservation:HoldDuration", "'--Reservation:HoldDuration' needs a value")]
    [InlineData("--Reservation:HoldDuration=soon", "Reservation:HoldDuration is 'soon'")]
    [InlineData("--Seats:MaxPerReservation=0", "Seats:MaxPerReservation is '0'")]
    [InlineData("--Database:Provider=Oracle", "Database:Provider is 'Oracle'")]
    [InlineData("--DataPlatform:Timeout=soon", "DataPlatform:Timeout is 'soon'")]
    [InlineData("--DataPlatform:Destination=https://platform.example/events", "DataPlatform:Secrets is missing")]
    [InlineData("--DataPlatform:Secrets=whsec_c2hvcnQ=", "DataPlatform:Secrets is given without DataPlatform:Destination")]
    [InlineData("--RateLimits:Read:PerSecond=none", "RateLimits:Read:PerSecond is 'none'")]
    [InlineData("--urls=127.0.0.1:18080", "urls is '127.0.0.1:18080'")]
    [InlineData("--urls=http://127.0.0.1:18080?x=1", "urls is 'http://127.0.0.1:18080?***'")]
    [InlineData("--urls=http://127.0.0.1:18080#x", "urls is 'http://127.0.0.1:18080#x'")]
    [InlineData("--urls=http://127.0.0.1:port", "urls is 'http://127.0.0.1:port'")]
    [InlineData("--urls=http://shop.example:18080", "urls is 'http://shop.example:18080'")]
    [InlineData("--urls=https://127.0.0.1:18443", "certificate")]
    [InlineData("--AllowedHosts=foo", "'--AllowedHosts' is not an option")]
    [InlineData("--Gateway:Secret=short", "Gateway:Secret")]
    [InlineData("--urls=http://192.0.2.1:18080", "cannot be listened on")]
    [InlineData("--ConnectionStrings:Points=garbage", "ConnectionStrings:Points is not a connection string")]
    [InlineData("--ConnectionStrings:Points=Data Source=/proc/points.db", "/proc/points.db")]
    [InlineData("--DataPlatform:Destination=", "DataPlatform:Destination is missing")]
    [InlineData("--Logging:LogLevel:Default=Loud", "Logging:LogLevel:Default is 'Loud'")]
    [InlineData("--Kestrel:Endpoints:One:Url=http://127.0.0.1:18080", "Kestrel:Endpoints:One is not a setting of AllInOne")]
    [InlineData("--Authentication:Demo:Key=short", "Authentication:Demo:Key is too short")]
    [InlineData("--Messaging:Transport=RabbitMq", "ConnectionStrings:RabbitMq is missing")]
    [InlineData("backup", "'--urls' is not an option of backup")]
    [InlineData("restore", "'--urls' is not an option of restore")]
    public async Task AllInOne_WrongArgument_SaysWhyInOneLine(string argument, string says)
    {
        using var folder = new Folder();
        await prepared.CopyAsync(folder.Path);

        var (code, written) = await ServiceProcess.RunAsync(EmbeddedSystem.Project,
            [.. argument[0] == '-' ? Array.Empty<string>() : [argument],
            $"--DataDirectory={folder.Path}", $"--urls=http://127.0.0.1:{LoopbackPort.Free()}", .. argument[0] == '-' ? [argument]
                : Array.Empty<string>()], limit: TimeSpan.FromSeconds(30));

        CheckOneLine(code, written, says);
    }

    [Theory]
    [InlineData("ftp://x/", "DataPlatform:Destination is 'ftp://x/'")]
    [InlineData("user1:secret", "DataPlatform:Destination is not an address")]
    [InlineData("http://user1:secret@host/", "DataPlatform:Destination has a user name")]
    public async Task AllInOne_InvalidDestination_SaysWhyInOneLineWithoutTheSecret(string destination, string says)
    {
        using var folder = new Folder();

        var (code, written) = await ServiceProcess.RunAsync(EmbeddedSystem.Project,
            [$"--DataDirectory={folder.Path}", $"--DataPlatform:Destination={destination}",
                $"--DataPlatform:Secrets=whsec_{Convert.ToBase64String(new byte[32])}",
                "--DataPlatform:AllowedNetworks=127.0.0.1/32"], limit: TimeSpan.FromSeconds(30));

        CheckOneLine(code, written, says);
        Assert.DoesNotContain("user1", written, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Orchestrator")]
    [InlineData("Services/Queue")]
    [InlineData("Services/Seats")]
    [InlineData("Services/Points")]
    [InlineData("Services/Payments")]
    [InlineData("Services/DataPlatform")]
    [InlineData("Services/Operations")]
    public async Task Service_BrokenConnectionString_SaysWhyInOneLine(string project)
    {
        var owner = Path.GetFileName(project);
        var (code, written) = await ServiceProcess.RunAsync(project,
            ["--Gateway:Secret=0123456789abcdef0123456789abcdef", "--Messaging:Transport=InMemory", "--Database:Provider=PostgreSql",
                $"--ConnectionStrings:{owner}=garbage"],
            limit: TimeSpan.FromSeconds(30));

        CheckOneLine(code, written, $"ConnectionStrings:{owner} is not a connection string");
    }

    /// <summary>Every second start ends by a signal, and the others are killed.</summary>
    [Fact]
    public async Task AllInOne_EndedDuringItsFirstStart_EndsAtOnceAndCanStartAgain()
    {
        using var folder = new Folder();
        var program = Repository.ProgramOf(EmbeddedSystem.Project);
        string[] arguments = [$"--DataDirectory={folder.Path}", $"--urls=http://127.0.0.1:{LoopbackPort.Free()}"];
        for (var (delay, isKilled) = (400, false); delay < 4_000; (delay, isKilled) = (delay + 400, !isKilled))
        {
            await using var start = await GuardedProcess.StartAsync(["dotnet", program, .. arguments], [], Path.GetDirectoryName(program)!);
            await Task.Delay(delay);
            if (isKilled)
                await start.KillAsync();
            else
                await start.TerminateAsync(TimeSpan.FromSeconds(10));
        }

        await using var service = await ServiceProcess.StartAsync(EmbeddedSystem.Project, [$"--DataDirectory={folder.Path}"]);
        Assert.Equal(0, await service.StopAsync());
    }

    [Theory]
    [InlineData("points.db-wal")]
    [InlineData("points.db-shm")]
    public async Task AllInOne_FileOfADatabaseDeleted_RefusesWritesAndIsUnhealthy(string file)
    {
        await using var system = await StartPreparedAsync();
        var visitor = await Customer.SignInAsync(system, points: 77);

        File.Delete(Path.Combine(system.DataDirectory, file));

        Assert.Equal(503, (await visitor.ChargeAsync(1)).Status);
        var health = await Customer.SendAsync(system.Address, HttpMethod.Get, "/health/ready", null, null);
        Assert.Equal(503, health.Status);
        Assert.Contains($"{file} of database Points was deleted", health.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task AllInOne_DatabaseDeleted_IsUnhealthyAndDoesNotRestart()
    {
        await using var system = await StartPreparedAsync();
        var visitor = await Customer.SignInAsync(system, points: 77);

        File.Delete(Path.Combine(system.DataDirectory, "points.db"));

        Assert.Equal(503, (await visitor.ChargeAsync(1)).Status);
        var health = await Customer.SendAsync(system.Address, HttpMethod.Get, "/health/ready", null, null);
        Assert.Equal(503, health.Status);
        Assert.Contains("points.db of database Points was deleted", health.ToString(), StringComparison.Ordinal);
        Assert.Equal(0, await system.StopAsync(EmbeddedSystem.Project));
        var (code, written) = await ServiceProcess.RunAsync(EmbeddedSystem.Project, [$"--DataDirectory={system.DataDirectory}"],
            limit: TimeSpan.FromSeconds(30));
        CheckOneLine(code, written, "points.db is missing");
    }

    [Fact]
    public async Task AllInOne_RestoredFromABackupUnderLoad_SettlesItsBooks()
    {
        using var folder = new Folder();
        var file = Path.Combine(folder.Path, "backup.zip");
        var system = await StartSharedAsync();
        using (var shoppers = await ShopperCrowd.StartAsync(system, customers: 12, schedules: 2, seed: 3))
        {
            await Eventually.TrueAsync(() => shoppers.Accepted >= 15, TimeSpan.FromSeconds(60), "reservations are accepted");

            var (code, written) = await ServiceProcess.RunAsync(EmbeddedSystem.Project,
                ["backup", file, $"--DataDirectory={system.DataDirectory}"]);
            output.WriteLine(written);
            Assert.True(code == 0, written);
            CheckOneLine(await ServiceProcess.RunAsync(EmbeddedSystem.Project, ["backup", file, $"--DataDirectory={system.DataDirectory}"]),
                "exists; allowed: a file that does not exist");
            CheckOneLine(await ServiceProcess.RunAsync(EmbeddedSystem.Project,
                ["restore", file, $"--DataDirectory={system.DataDirectory}"]), "which another process is using");
            await shoppers.CloseAsync();
        }

        // Reservations that were in progress at the backup finish as after a kill, and all databases agree.
        await using var restored = new EmbeddedSystem();
        var (restoredCode, restoreOutput) = await ServiceProcess.RunAsync(EmbeddedSystem.Project,
            ["restore", file, $"--DataDirectory={restored.DataDirectory}"]);
        output.WriteLine(restoreOutput);
        Assert.True(restoredCode == 0, restoreOutput);
        CheckOneLine(await ServiceProcess.RunAsync(EmbeddedSystem.Project, ["restore", file, $"--DataDirectory={restored.DataDirectory}"]),
            "allowed: an empty folder");
        await restored.ApplyAsync(new Dictionary<string, string> { [Settings.ShortHold.Key] = Settings.ShortHold.Value });
        var books = await Auditor.CheckAsync(restored, TimeSpan.FromSeconds(60), mayWait: new HashSet<Guid>());
        Assert.NotEmpty(books.Reservations);
    }

    [Theory]
    [InlineData("not a backup at all", "cannot be restored")]
    [InlineData(null, "does not exist")]
    public async Task AllInOne_RestoredFromSomethingElse_SaysWhyInOneLine(string? content, string says)
    {
        using var folder = new Folder();
        var file = Path.Combine(folder.Path, "backup.zip");
        if (content is not null)
            await File.WriteAllTextAsync(file, content, TestContext.Current.CancellationToken);

        CheckOneLine(await ServiceProcess.RunAsync(EmbeddedSystem.Project, ["restore", file, $"--DataDirectory={folder.Path}/data"]), says);
        Assert.False(File.Exists(Path.Combine(folder.Path, "data", "points.db")));
    }

    [Fact]
    public async Task AllInOne_PortTaken_SaysWhyInOneLine()
    {
        using var folder = new Folder();
        await prepared.CopyAsync(folder.Path);
        using var other = new TcpListener(IPAddress.Loopback, 0);
        other.Start();
        var port = ((IPEndPoint)other.LocalEndpoint).Port;

        var (code, written) = await ServiceProcess.RunAsync(EmbeddedSystem.Project,
            [$"--DataDirectory={folder.Path}", $"--urls=http://127.0.0.1:{port}"], limit: TimeSpan.FromSeconds(45));

        CheckOneLine(code, written, $"127.0.0.1:{port}");
    }

    [Fact]
    public async Task AllInOne_SecondProcessOnTheSameFolder_SaysWhyInOneLine()
    {
        var system = await StartSharedAsync();

        var (code, written) = await ServiceProcess.RunAsync(EmbeddedSystem.Project,
            [$"--DataDirectory={system.DataDirectory}", $"--urls=http://127.0.0.1:{LoopbackPort.Free()}"], limit: TimeSpan.FromSeconds(30));

        CheckOneLine(code, written, "which another process is using");
        // The first process may have started only now, so its health may need a moment.
        await Eventually.TrueAsync(async () => (await Customer.SendAsync(system.Address, HttpMethod.Get, "/health/ready", null, null))
            .Text("status") == "Healthy",
            TimeSpan.FromSeconds(60), "the first process is healthy");
    }

    [Fact]
    public async Task AllInOne_StoppedUnderLoad_EndsOrderlyAndLosesNothing()
    {
        var system = await StartSharedAsync();
        var visitor = await Customer.SignInAsync(system, points: 77);
        using var shoppers = await ShopperCrowd.StartAsync(system, customers: 12, schedules: 2, seed: 1);

        for (var round = 0; round < 2; round++)
        {
            var before = shoppers.Accepted;
            await Eventually.TrueAsync(() => shoppers.Accepted >= before + 15, TimeSpan.FromSeconds(60), "reservations are accepted");
            var code = await system.StopAsync(EmbeddedSystem.Project);
            Assert.True(code == 0, $"Ended with {code}:\n{system.Output}");
            await system.StartAsync(EmbeddedSystem.Project);
        }

        // State and tokens survive a restart.
        Assert.Equal(77, await visitor.BalanceAsync());
        output.WriteLine(await shoppers.CloseAsync());
        shoppers.Check(await Auditor.CheckAsync(system, TimeSpan.FromSeconds(60), mayWait: new HashSet<Guid>()));
    }

    // The tests of this class that only need a running system use the same one, with the same settings.
    private async Task<EmbeddedSystem> StartSharedAsync() =>
        (EmbeddedSystem)await systems.GetAsync(SystemKind.Embedded, database, broker, Settings.ShortHold);

    private async Task<EmbeddedSystem> StartPreparedAsync()
    {
        var system = new EmbeddedSystem();
        await prepared.CopyAsync(system.DataDirectory);
        await system.ApplyAsync(new Dictionary<string, string>());
        return system;
    }

    private void CheckOneLine((int Code, string Written) run, string says) => CheckOneLine(run.Code, run.Written, says);

    private void CheckOneLine(int code, string written, string says)
    {
        output.WriteLine(written);
        Assert.Equal(1, code);
        var line = Assert.Single(written.Split('\n', StringSplitOptions.RemoveEmptyEntries),
            line => line.StartsWith("concertsaga: ", StringComparison.Ordinal));
        Assert.Contains(says, line, StringComparison.Ordinal);
        // There is no stack trace and no second error.
        Assert.DoesNotContain(written.Split('\n'), other => other.StartsWith("   at ", StringComparison.Ordinal)
            || other.Contains("fail:", StringComparison.Ordinal)
            || other.Contains("Unhandled", StringComparison.Ordinal));
    }

    private sealed class Folder : IDisposable
    {
        public string Path { get; } = Directory.CreateTempSubdirectory("concertsaga-e2e-").FullName;

        public void Dispose() => Directory.Delete(Path, recursive: true);
    }
}
