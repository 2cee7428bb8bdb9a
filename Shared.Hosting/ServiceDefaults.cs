using ConcertSaga.Shared.Hosting.Http;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Diagnostics.HealthChecks;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using OpenTelemetry;
using OpenTelemetry.Context.Propagation;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace ConcertSaga.Shared.Hosting;

/// <summary>What every process does the same way: logs, traces, metrics, health, errors, the inner wall and a clean end.</summary>
public static class ServiceDefaults
{
    /// <summary>Registers what every process needs.</summary>
    /// <param name="builder">The process being built.</param>
    /// <param name="name">The service's name in telemetry.</param>
    /// <param name="export">
    /// False for the second host of one process: sources are process-wide, and two exporters would send every span twice.
    /// </param>
    public static WebApplicationBuilder AddServiceDefaults(this WebApplicationBuilder builder, string name, bool export = true)
    {
        builder.AddOptionsSection<InnerWallOptions>("Gateway");
        builder.AddTelemetry(name, export);
        builder.Services.TryAddSingleton(TimeProvider.System);
        builder.Services.AddProblems();
        builder.Services.AddHealthChecks();
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = TimeSpan.FromSeconds(30));
        builder.Services.Configure<KestrelServerOptions>(server => server.AddServerHeader = false);
        return builder;
    }

    /// <summary>Logs, traces and metrics; sent by OTLP where <c>OTEL_EXPORTER_OTLP_ENDPOINT</c> is set.</summary>
    public static void AddTelemetry(this WebApplicationBuilder builder, string name, bool export = true)
    {
        builder.Logging.ClearProviders();
        builder.Logging.AddSimpleConsole(console =>
        {
            console.SingleLine = true;
            console.IncludeScopes = true;
            console.TimestampFormat = "yyyy-MM-dd'T'HH:mm:ss.fff'Z' ";
            console.UseUtcTimestamp = true;
        });
        // A start that fails says so in one line of its own; the host's stack trace beside it helps nobody.
        builder.Logging.AddFilter("Microsoft.Extensions.Hosting.Internal.Host", LogLevel.Critical);
        builder.Logging.AddFilter("Microsoft.EntityFrameworkCore", LogLevel.Warning);
        // A statement that fails throws, and whoever cannot handle that logs it; a duplicate refused by its key is no error.
        builder.Logging.AddFilter("Microsoft.EntityFrameworkCore.Database.Command", LogLevel.None);
        builder.Logging.AddFilter("Microsoft.EntityFrameworkCore.Update", LogLevel.None);
        builder.Logging.AddFilter("Microsoft.AspNetCore", LogLevel.Warning);

        // Traces travel; baggage does not: nothing here reads it, and from outside it is anybody's text.
        Sdk.SetDefaultTextMapPropagator(new TraceContextPropagator());
        var isTaken = !string.IsNullOrWhiteSpace(builder.Configuration["OTEL_EXPORTER_OTLP_ENDPOINT"]);
        var telemetry = builder.Services.AddOpenTelemetry()
            .ConfigureResource(resource => resource.AddService($"concertsaga-{name}"))
            .WithTracing(tracing =>
            {
                tracing.AddHttpClientInstrumentation().AddSource("MassTransit", "Npgsql");
                // Filling spans that nobody takes is a good part of what a small request costs; trace ids are given and passed on all the same.
                if (isTaken)
                    tracing.AddAspNetCoreInstrumentation(http => http.Filter = request => !request.Request.Path.StartsWithSegments("/health"));
                else
                    tracing.AddSource("Microsoft.AspNetCore").SetSampler(new AlwaysOffSampler());
            })
            .WithMetrics(metrics => metrics
                .AddAspNetCoreInstrumentation()
                .AddHttpClientInstrumentation()
                .AddRuntimeInstrumentation()
                .AddMeter("MassTransit", "ConcertSaga")
                .AddPrometheusExporter());
        if (export && isTaken)
            telemetry.UseOtlpExporter();
    }

    /// <summary>Puts the inner wall, problem details, health and metrics before a service's endpoints.</summary>
    public static void UseServiceDefaults(this WebApplication app)
    {
        app.UseProblems();
        app.UseInnerWall();
        app.MapHealth();
        app.MapPrometheusScrapingEndpoint("/metrics");
    }

    /// <summary>
    /// Puts problem details and health before the endpoints of a process that is open to everybody. <c>/metrics</c> alone stays behind the
    /// inner wall.
    /// </summary>
    public static void UsePublicDefaults(this WebApplication app)
    {
        app.UseProblems();
        app.MapHealth();
        app.MapPrometheusScrapingEndpoint("/metrics").RequireGatewaySecret(app.Services);
    }

    /// <summary>
    /// Maps <c>/health/live</c> (the process runs) and <c>/health/ready</c> (<c>503</c> only when reads cannot be served; trouble with the
    /// broker is <c>200</c> <c>Degraded</c>).
    /// </summary>
    public static void MapHealth(this WebApplication app)
    {
        app.MapHealthChecks("/health/live", new HealthCheckOptions { Predicate = _ => false });
        app.MapHealthChecks("/health/ready", new HealthCheckOptions
        {
            ResponseWriter = (context, report) => context.Response.WriteAsJsonAsync(new
            {
                status = report.Status.ToString(),
                checks = report.Entries.ToDictionary(entry => entry.Key, entry => entry.Value.Status.ToString())
            }),
            ResultStatusCodes = { [HealthStatus.Degraded] = StatusCodes.Status200OK }
        });
    }
}
