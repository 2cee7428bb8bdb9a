using System.Collections.Concurrent;
using ConcertSaga.Contracts.Operations;
using ConcertSaga.Shared.Hosting;
using ConcertSaga.Shared.Hosting.Background;
using Microsoft.Extensions.Options;

namespace ConcertSaga.Operations.Overview;

/// <summary>Asks each service who it is, and remembers when each of its processes last answered.</summary>
internal sealed class ProcessMonitor(
    ServiceClient services, ProcessDescriber self, IOptions<OperationsOptions> options, TimeProvider clock, ILogger<ProcessMonitor> logger)
    : PeriodicTask("Asking the processes", TimeSpan.FromSeconds(5), clock, logger)
{
    private static readonly TimeSpan Memory = TimeSpan.FromMinutes(10);

    private readonly ConcurrentDictionary<(string Service, string Instance), ProcessView> _seen = [];

    /// <summary>The processes that answered in the last ten minutes, ordered by name.</summary>
    public IReadOnlyList<ProcessView> Processes =>
        [.. _seen.Values.OrderBy(process => process.Service, StringComparer.Ordinal).ThenBy(process => process.StartedAt)];

    /// <summary>The services that did not answer the last request.</summary>
    public IReadOnlyList<string> Silent { get; private set; } = [];

    protected override bool RunsAtStart => true;

    public override async Task RunOnceAsync(CancellationToken cancellationToken)
    {
        var addresses = options.Value.Services.Select(service => (Service: $"{service.Owner}".ToLowerInvariant(), service.Address))
            .ToList();
        if (options.Value.GatewayAddress is { } gateway)
            addresses.Add(("gateway", gateway));
        // The time of the question: an answer that arrives late says nothing about later.
        var asked = Clock.GetUtcNow();
        var answers = await Task.WhenAll(addresses.Select(async service => (service.Service,
            Report: await services.TryReadAsync<ProcessReport>(service.Address, "/internal/process", cancellationToken))));
        Remember(await self.DescribeAsync(cancellationToken), asked);
        foreach (var (_, report) in answers)
        {
            if (report is not null)
                Remember(report, asked);
        }
        Silent = [.. answers.Where(answer => answer.Report is null).Select(answer => answer.Service)];
        foreach (var (key, process) in _seen)
        {
            if (process.LastSeenAt < Clock.GetUtcNow() - Memory)
                _seen.TryRemove(key, out _);
        }
    }

    private void Remember(ProcessReport report, DateTimeOffset seen) => _seen[(report.Service, report.Instance)] = new ProcessView(
        report.Service, report.Instance, report.Version, report.StartedAt, report.Readiness, report.Reasons, seen);
}
