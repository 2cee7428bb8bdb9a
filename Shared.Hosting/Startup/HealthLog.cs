using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Logging;

namespace ConcertSaga.Shared.Hosting;

/// <summary>
/// Logs a health check when its status changes. The framework would log every probe, and a container platform probes every few seconds.
/// </summary>
internal sealed partial class HealthLog(ILogger<HealthLog> logger) : IHealthCheckPublisher
{
    /// <summary>The tag of checks that another host of the process logs.</summary>
    public const string ReportedElsewhere = "reported-elsewhere";

    private readonly Dictionary<string, HealthStatus> _last = [];

    public Task PublishAsync(HealthReport report, CancellationToken cancellationToken)
    {
        foreach (var (check, entry) in report.Entries)
        {
            if (_last.GetValueOrDefault(check, HealthStatus.Healthy) == entry.Status)
                continue;
            _last[check] = entry.Status;
            if (entry.Status == HealthStatus.Healthy)
                LogHealthy(check);
            else
                LogNotHealthy(check, entry.Status, string.Join(' ',
                    new[] { entry.Description, entry.Exception?.Message }.OfType<string>().Distinct()).ReplaceLineEndings(" "));
        }
        return Task.CompletedTask;
    }

    [LoggerMessage(EventId = 1020, Level = LogLevel.Warning, Message = "Health check {Check} is {Status}: {Reason}")]
    private partial void LogNotHealthy(string check, HealthStatus status, string? reason);

    [LoggerMessage(EventId = 1021, Level = LogLevel.Information, Message = "Health check {Check} is Healthy again.")]
    private partial void LogHealthy(string check);
}

/// <summary>Registers the health log.</summary>
internal static class HealthLogRegistration
{
    public static void AddHealthLog(this IServiceCollection services) =>
        services.AddSingleton<IHealthCheckPublisher, HealthLog>().Configure<HealthCheckPublisherOptions>(options =>
        {
            options.Period = TimeSpan.FromSeconds(10);
            options.Predicate = check => !check.Tags.Contains(HealthLog.ReportedElsewhere);
        });
}
