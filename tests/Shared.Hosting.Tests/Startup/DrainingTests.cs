using System.Diagnostics;
using System.Net;
using ConcertSaga.Shared.Hosting.Http;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Processes;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace ConcertSaga.Shared.Hosting.Tests.Startup;

public sealed class DrainingTests : IDisposable
{
    private static readonly TimeSpan Delay = TimeSpan.FromSeconds(3);

    private readonly string _folder = Directory.CreateTempSubdirectory("concertsaga-draining-").FullName;

    [Fact]
    public async Task Process_OnSigterm_ServesOnWithoutBeingReady()
    {
        string[] settings = [.. PointsProgram.SettingsIn(_folder)];
        Assert.Equal(0, (await ServiceProcess.RunAsync(PointsProgram.Project, ["migrate", .. settings])).ExitCode);
        var port = LoopbackPort.Free();
        using var client = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{port}") };
        client.DefaultRequestHeaders.Add(InnerWall.SecretHeader, PointsProgram.Secret);
        client.DefaultRequestHeaders.Add(Caller.UserIdHeader, "mina");
        await using var process = await PointsProgram.LaunchAsync(
            [.. settings, $"--urls={client.BaseAddress}", $"--Shutdown:DrainDelay={Delay:c}"]);
        await Eventually.TrueAsync(async () => await PointsProgram.StatusAsync(client, "/health/ready") == HttpStatusCode.OK,
            TimeSpan.FromSeconds(60), "the process is ready");
        using var before = await client.GetAsync("/api/points", TestContext.Current.CancellationToken);
        Assert.NotEqual(true, before.Headers.ConnectionClose);

        var watch = Stopwatch.StartNew();
        var ended = process.TerminateAsync(TimeSpan.FromSeconds(40));

        await Eventually.TrueAsync(
            async () => await PointsProgram.StatusAsync(client, "/health/ready") == HttpStatusCode.ServiceUnavailable,
            Delay, "the process is not ready");
        using var ready = await client.GetAsync("/health/ready", TestContext.Current.CancellationToken);
        Assert.Contains("The process is stopping.", await ready.Content.ReadAsStringAsync(TestContext.Current.CancellationToken),
            StringComparison.Ordinal);
        using var served = await client.GetAsync("/api/points", TestContext.Current.CancellationToken);
        Assert.Equal((HttpStatusCode.OK, true), (served.StatusCode, served.Headers.ConnectionClose));
        Assert.InRange(watch.Elapsed, TimeSpan.Zero, Delay);
        Assert.Equal(0, await ended);
        Assert.InRange(watch.Elapsed, Delay, Delay + TimeSpan.FromSeconds(20));
    }

    [Fact]
    public void Drain_RequestedTwice_StopsAtOnce()
    {
        using var lifetime = new StoppableLifetime();
        using var draining = new Draining(new ShutdownOptions { DrainDelay = TimeSpan.FromMinutes(1) }, lifetime, new FakeTimeProvider(),
            NullLogger<Draining>.Instance);

        draining.Drain();
        Assert.False(lifetime.ApplicationStopping.IsCancellationRequested);
        draining.Drain();
        Assert.True(lifetime.ApplicationStopping.IsCancellationRequested);
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private sealed class StoppableLifetime : IHostApplicationLifetime, IDisposable
    {
        private readonly CancellationTokenSource _stopping = new();

        public CancellationToken ApplicationStarted => default;

        public CancellationToken ApplicationStopping => _stopping.Token;

        public CancellationToken ApplicationStopped => default;

        public void StopApplication() => _stopping.Cancel();

        public void Dispose() => _stopping.Dispose();
    }
}
