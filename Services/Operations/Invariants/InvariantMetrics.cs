using System.Diagnostics.Metrics;
using ConcertSaga.Operations.Data;
using ConcertSaga.Shared.Hosting.Background;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Operations.Invariants;

/// <summary>Counts the findings of each invariant, under the meter <c>ConcertSaga</c>.</summary>
internal sealed class InvariantMetrics : PeriodicTask
{
    private readonly Meter _meter = new("ConcertSaga");
    private readonly IServiceScopeFactory _scopes;
    private volatile Dictionary<InvariantKind, int>? _counts;
    private bool _isDisposed;

    public InvariantMetrics(IServiceScopeFactory scopes, TimeProvider clock, ILogger<InvariantMetrics> logger)
        : base("Counting findings", TimeSpan.FromSeconds(10), clock, logger)
    {
        _scopes = scopes;
        _meter.CreateObservableGauge("invariant.findings", Observe, "{finding}", "Findings of each invariant, at most 1,000.");
    }

    protected override bool RunsAtStart => true;

    public override async Task RunOnceAsync(CancellationToken cancellationToken)
    {
        await using var scope = _scopes.CreateAsyncScope();
        var database = scope.ServiceProvider.GetRequiredService<OperationsDbContext>();
        _counts = await database.InvariantFindings.GroupBy(finding => finding.Invariant)
            .Select(group => new { group.Key, Count = group.Count() })
            .ToDictionaryAsync(group => group.Key, group => group.Count, cancellationToken);
    }

    public override void Dispose()
    {
        // The container disposes a service once per registration.
        if (_isDisposed)
            return;
        _isDisposed = true;
        _meter.Dispose();
        base.Dispose();
    }

    // An invariant that holds has a value too.
    private IEnumerable<Measurement<int>> Observe() => _counts is not { } counts ? [] : Enum.GetValues<InvariantKind>().Select(kind =>
        new Measurement<int>(counts.GetValueOrDefault(kind), new KeyValuePair<string, object?>("invariant", kind.ToString())));
}
