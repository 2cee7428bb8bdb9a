using ConcertSaga.Shared.Hosting.Databases;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace ConcertSaga.Shared.Hosting;

/// <summary>
/// Waits up to <c>Database:SchemaTimeout</c> until the databases have the schema of this version. A container platform starts a process
/// and its migration at the same time, and would restart a process that exits. Meanwhile the process is alive and explains why it is not
/// ready. Nothing else runs, because background work and consumers need the tables.
/// </summary>
internal sealed partial class SchemaWait : IHealthCheck
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);

    private readonly WebApplication _app;
    private readonly ILogger<SchemaWait> _logger;
    private string? _gap;

    private SchemaWait(WebApplication app)
    {
        _app = app;
        _logger = app.Services.GetRequiredService<ILogger<SchemaWait>>();
    }

    /// <summary>Returns whether the process can start; false if a signal ended the wait.</summary>
    public static async Task<bool> RunAsync(WebApplication app)
    {
        var limit = app.Configuration.Read("Database:SchemaTimeout", TimeSpan.Zero, TimeSpan.Zero, TimeSpan.FromDays(1));
        if (limit == TimeSpan.Zero)
            return true;
        var wait = new SchemaWait(app);
        return await wait.IsOverAsync(CancellationToken.None) || await wait.ServeAsync(limit);
    }

    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default) =>
        Task.FromResult(HealthCheckResult.Unhealthy(_gap ?? "The process is starting."));

    private async Task<bool> ServeAsync(TimeSpan limit)
    {
        await using var waiting = BuildHost();
        await waiting.StartAsync();
        var stopping = waiting.Lifetime.ApplicationStopping;
        var clock = _app.Services.GetRequiredService<TimeProvider>();
        var started = clock.GetTimestamp();
        while (!await IsOverAsync(stopping))
        {
            if (stopping.IsCancellationRequested)
                break;
            if (clock.GetElapsedTime(started) > limit)
                throw new StartupException($"{_gap} The process has waited for {limit:c} (Database:SchemaTimeout).");
            await Task.Delay(Interval, clock, stopping).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
        var canStart = !stopping.IsCancellationRequested;
        await waiting.StopAsync();
        return canStart;
    }

    private async Task<bool> IsOverAsync(CancellationToken cancellationToken)
    {
        string? gap;
        try
        {
            gap = await _app.Services.FindSchemaGapAsync(cancellationToken);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            return false;
        }
        catch (StartupException exception)
        {
            // Probes must not show the words of drivers, which can name hosts and users.
            gap = "The database cannot be reached. The log has the reason.";
            if (gap != _gap)
                LogUnreachable(exception.Message);
        }
        if (gap is not null && gap != _gap)
            LogGap(gap);
        _gap = gap;
        return gap is null;
    }

    private WebApplication BuildHost()
    {
        var builder = WebApplication.CreateBuilder(new WebApplicationOptions { ContentRootPath = AppContext.BaseDirectory });
        builder.Configuration.AddConfiguration(_app.Configuration);
        builder.Configuration["urls"] = _app.Configuration["urls"];
        builder.Logging.ClearProviders();
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = Interval);
        builder.Services.AddHealthChecks().AddCheck("schema", this);
        var host = builder.Build();
        host.MapHealth();
        host.MapFallback(context =>
        {
            context.Response.StatusCode = StatusCodes.Status503ServiceUnavailable;
            context.Response.Headers.RetryAfter = "1";
            return Task.CompletedTask;
        });
        return host;
    }

    [LoggerMessage(EventId = 1040, Level = LogLevel.Warning, Message = "The process waits for its schema. {Gap}")]
    private partial void LogGap(string gap);

    [LoggerMessage(EventId = 1041, Level = LogLevel.Warning, Message = "{Reason}")]
    private partial void LogUnreachable(string reason);
}
