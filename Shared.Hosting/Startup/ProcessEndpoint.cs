using System.Diagnostics;
using System.Reflection;
using ConcertSaga.Contracts.Operations;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace ConcertSaga.Shared.Hosting;

/// <summary>Describes this process for the overview of operators.</summary>
/// <param name="name">The service's name.</param>
/// <param name="health">Checks the readiness.</param>
public sealed class ProcessDescriber(string name, HealthCheckService health)
{
    private static readonly DateTimeOffset StartedAt = ReadStart();

    /// <summary>Describes the process at this moment.</summary>
    public async Task<ProcessReport> DescribeAsync(CancellationToken cancellationToken)
    {
        var report = await health.CheckHealthAsync(cancellationToken);
        return new ProcessReport(
            name, $"{Environment.MachineName}-{Environment.ProcessId}",
            Assembly.GetEntryAssembly()?.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "unknown",
            StartedAt, report.Status.ToString(),
            report.Entries.Where(entry => entry.Value.Status != HealthStatus.Healthy)
                .ToDictionary(entry => entry.Key, entry => ServiceDefaults.ReasonOf(entry.Value)));
    }

    private static DateTimeOffset ReadStart()
    {
        using var process = Process.GetCurrentProcess();
        return process.StartTime.ToUniversalTime();
    }
}

/// <summary>Serves the description of the process to other services.</summary>
internal static class ProcessEndpoint
{
    public static IEndpointConventionBuilder MapProcess(this WebApplication app) =>
        app.MapGet("/internal/process", DescribeProcess).ExcludeFromDescription();

    private static async Task<Ok<ProcessReport>> DescribeProcess(ProcessDescriber process, CancellationToken cancellationToken) =>
        TypedResults.Ok(await process.DescribeAsync(cancellationToken));
}
