using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Shared.Hosting.Http;
using ConcertSaga.Shared.Hosting.Messaging;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Diagnostics.HealthChecks;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
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

/// <summary>Adds what all processes share: logs, traces, metrics, health, errors, the inner wall and a graceful shutdown.</summary>
public static class ServiceDefaults
{
    /// <summary>The tag of health checks whose status another host of the same process logs.</summary>
    public const string ReportedElsewhere = HealthLog.ReportedElsewhere;

    // Without it, these endpoints would answer every method. HEAD arrives as GET.
    private static readonly HttpMethodMetadata ReadOnly = new([HttpMethods.Get]);

    /// <summary>Registers the common services of a process.</summary>
    /// <param name="builder">The builder of the process.</param>
    /// <param name="name">The service's name in telemetry.</param>
    /// <param name="export">
    /// False for the second host of one process: telemetry sources are process-wide, so two exporters would send every span twice.
    /// </param>
    public static WebApplicationBuilder AddServiceDefaults(this WebApplicationBuilder builder, string name, bool export = true)
    {
        builder.Configuration.CheckHostSettings();
        builder.AddOptionsSection<InnerWallOptions>("Gateway");
        builder.AddTelemetry(name, export);
        builder.Services.TryAddSingleton(TimeProvider.System);
        builder.Services.AddProblems();
        builder.Services.AddStrictJson();
        builder.Services.AddCanonicalPaths();
        builder.Services.AddHealthChecks();
        builder.Services.AddHealthLog();
        builder.Services.AddSingleton(services => new ProcessDescriber(name, services.GetRequiredService<HealthCheckService>()));
        builder.AddDraining();
        builder.AddMetricsPort();
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = TimeSpan.FromSeconds(30));
        builder.Services.Configure<KestrelServerOptions>(server => server.AddServerHeader = false);
        return builder;
    }

    /// <summary>Adds logs, traces and metrics. They are sent by OTLP if <c>OTEL_EXPORTER_OTLP_ENDPOINT</c> is set.</summary>
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
        // ServiceHost reports a failed start in one line. The host's own stack trace would only repeat it.
        builder.Logging.AddFilter("Microsoft.Extensions.Hosting.Internal.Host", LogLevel.Critical);
        builder.Logging.AddFilter("Microsoft.EntityFrameworkCore", LogLevel.Warning);
        // A failed statement throws, and code that cannot handle the exception logs it. A rejected duplicate key is not an error.
        builder.Logging.AddFilter("Microsoft.EntityFrameworkCore.Database.Command", LogLevel.None);
        builder.Logging.AddFilter("Microsoft.EntityFrameworkCore.Update", LogLevel.None);
        builder.Logging.AddFilter("Microsoft.EntityFrameworkCore.Database.Transaction", LogLevel.None);
        builder.Logging.AddFilter("Microsoft.EntityFrameworkCore.Database.Connection", LogLevel.None);
        builder.Logging.AddFilter("Microsoft.EntityFrameworkCore.Query", LogLevel.None);
        builder.Logging.AddFilter("Microsoft.Extensions.Diagnostics.HealthChecks", LogLevel.None);
        builder.Logging.AddFilter("Microsoft.AspNetCore", LogLevel.Warning);

        // Propagates traces but not baggage: no process reads it, and clients could put any text into it.
        Sdk.SetDefaultTextMapPropagator(new TraceContextPropagator());
        var hasCollector = !string.IsNullOrWhiteSpace(builder.Configuration["OTEL_EXPORTER_OTLP_ENDPOINT"]);
        var telemetry = builder.Services.AddOpenTelemetry()
            .ConfigureResource(resource => resource.AddService(builder.Configuration["OTEL_SERVICE_NAME"] ?? $"concertsaga-{name}"))
            .WithTracing(tracing =>
            {
                tracing.AddHttpClientInstrumentation().AddSource("MassTransit", "Npgsql", "ConcertSaga");
                // Without a collector, filling spans would be a large part of a small request's cost. Trace ids still propagate.
                if (hasCollector)
                    tracing.AddAspNetCoreInstrumentation(http => http.Filter = request =>
                        !request.Request.Path.StartsWithSegments("/health"));
                else
                    tracing.AddSource("Microsoft.AspNetCore").SetSampler(new AlwaysOffSampler());
            })
            .WithMetrics(metrics => metrics
                .AddAspNetCoreInstrumentation()
                .AddHttpClientInstrumentation()
                .AddRuntimeInstrumentation()
                .AddMeter("MassTransit", "ConcertSaga")
                .AddPrometheusExporter());
        if (export && hasCollector)
            telemetry.WithLogging(null, logs => logs.IncludeScopes = true).UseOtlpExporter();
    }

    /// <summary>Adds problem details, the inner wall, request checks, health and metrics in front of a service's endpoints.</summary>
    public static void UseServiceDefaults(this WebApplication app)
    {
        app.UseDraining();
        app.UseMetricsPort();
        app.UseProblems();
        app.UseInnerWall();
        app.UseHeadRequests();
        app.UseRouting();
        app.UseRequestChecks();
        app.UseDatabaseFileGuard();
        app.MapHealth();
        app.MapPrometheusScrapingEndpoint("/metrics").WithMetadata(ReadOnly);
        app.MapProcess();
    }

    /// <summary>
    /// Adds problem details and health in front of the endpoints of a public process. Only <c>/metrics</c> and <c>/internal/process</c>
    /// stay behind the inner wall.
    /// </summary>
    public static void UsePublicDefaults(this WebApplication app)
    {
        app.UseDraining();
        app.UseMetricsPort();
        app.UseProblems();
        app.MapHealth();
        app.MapPrometheusScrapingEndpoint("/metrics").RequireGatewaySecret(app.Services);
        app.MapProcess().RequireGatewaySecret(app.Services);
    }

    /// <summary>
    /// Maps <c>/health/live</c> (the process runs) and <c>/health/ready</c>. The latter is a <c>503</c> only if reads fail; a failure of
    /// the broker or of database writes is a <c>200</c> with <c>Degraded</c>. <c>reasons</c> explains each check that is not
    /// <c>Healthy</c>.
    /// </summary>
    public static void MapHealth(this WebApplication app)
    {
        app.MapHealthChecks("/health/live", new HealthCheckOptions { Predicate = _ => false }).WithMetadata(ReadOnly);
        app.MapHealthChecks("/health/ready", new HealthCheckOptions
        {
            ResponseWriter = (context, report) => context.Response.WriteAsJsonAsync(new
            {
                status = report.Status.ToString(),
                checks = report.Entries.ToDictionary(entry => entry.Key, entry => entry.Value.Status.ToString()),
                reasons = report.Entries.Where(entry => entry.Value.Status != HealthStatus.Healthy)
                    .ToDictionary(entry => entry.Key, entry => ReasonOf(entry.Value))
            }),
            ResultStatusCodes = { [HealthStatus.Degraded] = StatusCodes.Status200OK }
        }).WithMetadata(ReadOnly);
    }

    /// <summary>
    /// Explains a check that is not healthy. The description of a check that throws is the exception's message, and that of the bus can
    /// contain one. Such a message can name hosts and users.
    /// </summary>
    public static string ReasonOf(HealthReportEntry entry) =>
        entry.Tags.Contains(MessagingRegistration.HealthTag) ? "The message broker cannot be reached or used. The log has the reason."
        : entry.Description is { Length: > 0 } reason && reason != entry.Exception?.Message ? reason
        : "The check fails. The log has the reason.";
}
