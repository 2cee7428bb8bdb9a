using System.Net;
using ConcertSaga.Testing.Processes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace ConcertSaga.Shared.Hosting.Tests.Startup;

public sealed class MetricsPortTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Metrics_OnTheirPort_NeedNoSecretAndAreAlone(bool isPublic)
    {
        var (port, metricsPort) = (LoopbackPort.Free(), LoopbackPort.Free());
        await using var app = Build($"--urls=http://127.0.0.1:{port}", $"--Metrics:Port={metricsPort}");
        if (isPublic)
            app.UsePublicDefaults();
        else
            app.UseServiceDefaults();
        app.MapGet("/any", () => Results.Ok());
        await app.StartAsync(TestContext.Current.CancellationToken);
        using var client = new HttpClient();

        using var metrics = await client.GetAsync($"http://127.0.0.1:{metricsPort}/metrics", TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.OK, metrics.StatusCode);
        Assert.Contains("# TYPE", await metrics.Content.ReadAsStringAsync(TestContext.Current.CancellationToken), StringComparison.Ordinal);
        foreach (var path in new[] { "any", "health/ready", "health/live" })
        {
            using var other = await client.GetAsync($"http://127.0.0.1:{metricsPort}/{path}", TestContext.Current.CancellationToken);
            Assert.Equal((path, HttpStatusCode.NotFound), (path, other.StatusCode));
        }
        using var open = await client.GetAsync($"http://127.0.0.1:{port}/metrics", TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.NotFound, open.StatusCode);
        using var health = await client.GetAsync($"http://127.0.0.1:{port}/health/live", TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.OK, health.StatusCode);
    }

    /// <summary>The base images of .NET name the port of the service in <c>http_ports</c>.</summary>
    [Fact]
    public async Task Service_OnPortsOfItsImage_KeepsThemBesideTheMetrics()
    {
        var (port, metricsPort) = (LoopbackPort.Free(), LoopbackPort.Free());
        await using var app = Build($"--http_ports={port}", $"--Metrics:Port={metricsPort}");

        Assert.Equal($"http://*:{port};http://*:{metricsPort}", app.Configuration["urls"]);
    }

    [Fact]
    public void Port_BesideEndpointsOfKestrel_IsRefused() =>
        Assert.Contains("Metrics:Port is '9090' although Kestrel:Endpoints is set",
            Assert.Throws<StartupException>(() => Build("--Metrics:Port=9090", "--Kestrel:Endpoints:One:Url=http://localhost:1")).Message,
            StringComparison.Ordinal);

    private static WebApplication Build(params string[] settings)
    {
        var builder = WebApplication.CreateBuilder(new WebApplicationOptions
        {
            ContentRootPath = AppContext.BaseDirectory,
            Args = [$"--Gateway:Secret={PointsProgram.Secret}", .. settings]
        });
        builder.AddServiceDefaults("metrics-tests");
        return builder.Build();
    }
}
