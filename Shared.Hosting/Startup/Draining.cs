using System.ComponentModel.DataAnnotations;
using System.Runtime.InteropServices;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace ConcertSaga.Shared.Hosting;

/// <summary>The settings of section <c>Shutdown</c>.</summary>
public sealed class ShutdownOptions
{
    /// <summary>How long the process serves on after SIGTERM, while load balancers stop sending requests to it.</summary>
    [Range(typeof(TimeSpan), "00:00:00", "00:05:00")]
    public TimeSpan DrainDelay { get; set; }
}

/// <summary>
/// Delays the stop after SIGTERM by <see cref="ShutdownOptions.DrainDelay"/>. Meanwhile the process is not ready and asks its clients to
/// connect elsewhere, but serves everything. A second SIGTERM, SIGINT and SIGQUIT stop it at once.
/// </summary>
internal sealed partial class Draining(
    ShutdownOptions options, IHostApplicationLifetime lifetime, TimeProvider time, ILogger<Draining> logger)
    : IHostLifetime, IHealthCheck, IDisposable
{
    private readonly List<PosixSignalRegistration> _signals = [];
    private int _terminations;

    public bool IsDraining => Volatile.Read(ref _terminations) > 0;

    public Task WaitForStartAsync(CancellationToken cancellationToken)
    {
        _signals.Add(PosixSignalRegistration.Create(PosixSignal.SIGTERM, signal =>
        {
            signal.Cancel = true;
            Drain();
        }));
        foreach (var immediate in new[] { PosixSignal.SIGINT, PosixSignal.SIGQUIT })
            _signals.Add(PosixSignalRegistration.Create(immediate, signal =>
            {
                signal.Cancel = true;
                lifetime.StopApplication();
            }));
        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default) =>
        Task.FromResult(IsDraining ? HealthCheckResult.Unhealthy("The process is stopping.") : HealthCheckResult.Healthy());

    public void Dispose()
    {
        foreach (var signal in _signals)
            signal.Dispose();
    }

    internal void Drain()
    {
        if (Interlocked.Increment(ref _terminations) > 1)
        {
            lifetime.StopApplication();
            return;
        }
        LogDraining(options.DrainDelay.TotalSeconds);
        _ = Task.Delay(options.DrainDelay, time, lifetime.ApplicationStopping)
            .ContinueWith(_ => lifetime.StopApplication(), TaskScheduler.Default);
    }

    [LoggerMessage(EventId = 1030, Level = LogLevel.Information,
        Message = "SIGTERM: the process serves for {Seconds:0.#} s more, without being ready, and stops then.")]
    private partial void LogDraining(double seconds);
}

/// <summary>Registers the delay of the stop.</summary>
internal static class DrainingRegistration
{
    public static void AddDraining(this WebApplicationBuilder builder)
    {
        var options = builder.AddOptionsSection<ShutdownOptions>("Shutdown");
        if (options.DrainDelay == TimeSpan.Zero)
            return;
        builder.Services.AddSingleton(options);
        builder.Services.AddSingleton<Draining>();
        builder.Services.AddSingleton<IHostLifetime>(services => services.GetRequiredService<Draining>());
        builder.Services.AddHealthChecks().Add(new HealthCheckRegistration(
            "shutdown", services => services.GetRequiredService<Draining>(), HealthStatus.Unhealthy, [HealthLog.ReportedElsewhere]));
    }

    /// <summary>While the process drains, each answer closes its connection, so that the client's next request goes elsewhere.</summary>
    public static void UseDraining(this WebApplication app)
    {
        if (app.Services.GetService<Draining>() is not { } draining)
            return;
        app.Use((context, next) =>
        {
            if (draining.IsDraining)
                context.Response.Headers.Connection = "close";
            return next(context);
        });
    }
}
