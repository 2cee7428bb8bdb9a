using System.Net;
using System.Net.Sockets;
using ConcertSaga.EndToEnd.Tests.Client;
using ConcertSaga.EndToEnd.Tests.Invariants;
using ConcertSaga.EndToEnd.Tests.Systems;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Processes;
using Xunit;

namespace ConcertSaga.EndToEnd.Tests;

/// <summary>How AllInOne starts, or says in one line why it does not, and how it ends.</summary>
[Trait("Category", "RunOnce")]
public sealed class StartTests(ITestOutputHelper output)
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
    public async Task AllInOne_WrongArgument_SaysSoInOneLine(string argument, string says)
    {
        using var folder = new Folder();

        var (code, written) = await ServiceProcess.RunAsync(EmbeddedSystem.Project, [.. argument[0] == '-' ? Array.Empty<string>() : [argument],
            $"--DataDirectory={folder.Path}", $"--urls=http://127.0.0.1:{LoopbackPort.Free()}", .. argument[0] == '-' ? [argument] : Array.Empty<string>()], limit: TimeSpan.FromSeconds(30));

        CheckOneLine(code, written, says);
    }

    [Fact]
    public async Task AllInOne_PortTaken_SaysSoInOneLine()
    {
        using var folder = new Folder();
        using var other = new TcpListener(IPAddress.Loopback, 0);
        other.Start();
        var port = ((IPEndPoint)other.LocalEndpoint).Port;

        var (code, written) = await ServiceProcess.RunAsync(EmbeddedSystem.Project,
            [$"--DataDirectory={folder.Path}", $"--urls=http://127.0.0.1:{port}"], limit: TimeSpan.FromSeconds(45));

        CheckOneLine(code, written, $"127.0.0.1:{port}");
    }

    [Fact]
    public async Task AllInOne_SecondProcessOnTheSameFolder_SaysSoInOneLine()
    {
        await using var system = new EmbeddedSystem();
        await system.UseAsync(new Dictionary<string, string>());

        var (code, written) = await ServiceProcess.RunAsync(EmbeddedSystem.Project,
            [$"--DataDirectory={system.DataDirectory}", $"--urls=http://127.0.0.1:{LoopbackPort.Free()}"], limit: TimeSpan.FromSeconds(30));

        CheckOneLine(code, written, "which another process is using");
        // It was ready, and may just have started.
        await Eventually.TrueAsync(async () => (await Customer.SendAsync(system.Address, HttpMethod.Get, "/health/ready", null, null)).Text("status") == "Healthy",
            TimeSpan.FromSeconds(10), "the first process is healthy");
    }

    [Fact]
    public async Task AllInOne_AskedToEndUnderLoad_EndsOrderlyAndLosesNothing()
    {
        await using var system = new EmbeddedSystem();
        await system.UseAsync(new Dictionary<string, string> { ["Reservation:HoldDuration"] = "00:00:08" });
        var visitor = await Customer.SignInAsync(system, points: 77);
        using var shoppers = await Shoppers.StartAsync(system, people: 12, dates: 2, seed: 1);

        for (var round = 0; round < 2; round++)
        {
            var before = shoppers.Accepted;
            await Eventually.TrueAsync(() => shoppers.Accepted >= before + 15, TimeSpan.FromSeconds(60), "reservations are accepted");
            var code = await system.StopAsync(EmbeddedSystem.Project);
            Assert.True(code == 0, $"Ended with {code}:\n{system.Output}");
            await system.StartAsync(EmbeddedSystem.Project);
        }

        // State outlives a restart, and so does a token.
        Assert.Equal(77, await visitor.BalanceAsync());
        output.WriteLine(await shoppers.CloseAsync());
        shoppers.Check(await Auditor.CheckAsync(system, TimeSpan.FromSeconds(60), mayWait: new HashSet<Guid>()));
    }

    private void CheckOneLine(int code, string written, string says)
    {
        output.WriteLine(written);
        Assert.NotEqual(0, code);
        var line = Assert.Single(written.Split('\n', StringSplitOptions.RemoveEmptyEntries), line => line.StartsWith("concertsaga: ", StringComparison.Ordinal));
        Assert.Contains(says, line, StringComparison.Ordinal);
        // No stack trace beside it, and nothing that reads like a second error.
        Assert.DoesNotContain(written.Split('\n'), other => other.StartsWith("   at ", StringComparison.Ordinal) || other.Contains("fail:", StringComparison.Ordinal)
            || other.Contains("Unhandled", StringComparison.Ordinal));
    }

    private sealed class Folder : IDisposable
    {
        public string Path { get; } = Directory.CreateTempSubdirectory("concertsaga-e2e-").FullName;

        public void Dispose() => Directory.Delete(Path, recursive: true);
    }
}
