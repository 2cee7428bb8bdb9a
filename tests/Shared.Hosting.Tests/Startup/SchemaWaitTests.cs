using System.Net;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Processes;

namespace ConcertSaga.Shared.Hosting.Tests.Startup;

public sealed class SchemaWaitTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("concertsaga-schema-").FullName;

    private string[] Settings => [.. PointsProgram.SettingsIn(_folder)];

    [Fact]
    public async Task Process_BeforeItsMigration_WaitsAndStartsAfterwards()
    {
        var port = LoopbackPort.Free();
        using var client = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{port}") };
        await using var process = await PointsProgram.LaunchAsync(
            [.. Settings, $"--urls={client.BaseAddress}", "--Database:SchemaTimeout=00:02:00"]);

        await Eventually.TrueAsync(async () => await PointsProgram.StatusAsync(client, "/health/live") == HttpStatusCode.OK,
            TimeSpan.FromSeconds(60), "the process is alive");
        using var ready = await client.GetAsync("/health/ready", TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, ready.StatusCode);
        Assert.Matches("Database Points lacks the migration '[0-9]+_Initial' and [0-9]+ more. Run the command migrate.",
            System.Text.RegularExpressions.Regex.Unescape(await ready.Content.ReadAsStringAsync(TestContext.Current.CancellationToken)));
        using var request = await client.GetAsync("/api/points", TestContext.Current.CancellationToken);
        Assert.Equal((HttpStatusCode.ServiceUnavailable, "1"), (request.StatusCode, request.Headers.RetryAfter?.ToString()));

        Assert.Equal(0, (await ServiceProcess.RunAsync(PointsProgram.Project, ["migrate", .. Settings])).ExitCode);

        await Eventually.TrueAsync(async () => await PointsProgram.StatusAsync(client, "/health/ready") == HttpStatusCode.OK,
            TimeSpan.FromSeconds(60), "the process is ready");
        Assert.Equal(0, await process.TerminateAsync(TimeSpan.FromSeconds(40)));
    }

    [Fact]
    public async Task Process_WithoutItsMigration_EndsWithTheReason()
    {
        var (code, output) = await ServiceProcess.RunAsync(PointsProgram.Project,
            [.. Settings, $"--urls=http://127.0.0.1:{LoopbackPort.Free()}", "--Database:SchemaTimeout=00:00:01"]);

        Assert.Equal(1, code);
        Assert.Contains("Run the command migrate. The process has waited for 00:00:01 (Database:SchemaTimeout).", output,
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task Process_StoppedWhileItWaits_EndsInOrder()
    {
        var port = LoopbackPort.Free();
        using var client = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{port}") };
        await using var process = await PointsProgram.LaunchAsync(
            [.. Settings, $"--urls={client.BaseAddress}", "--Database:SchemaTimeout=00:02:00"]);
        await Eventually.TrueAsync(async () => await PointsProgram.StatusAsync(client, "/health/live") == HttpStatusCode.OK,
            TimeSpan.FromSeconds(60), "the process is alive");

        Assert.Equal(0, await process.TerminateAsync(TimeSpan.FromSeconds(20)));
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);
}
