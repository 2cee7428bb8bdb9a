using System.Diagnostics.Metrics;
using Polly.CircuitBreaker;

namespace ConcertSaga.DataPlatform.Domain;

/// <summary>What an operator wants to see of the relay, under the meter <c>ConcertSaga</c>.</summary>
internal sealed class RelayMetrics : IDisposable
{
    private readonly Meter _meter = new("ConcertSaga");
    private volatile Counts _counts = new(0, 0, 0, false);

    public RelayMetrics()
    {
        Sent = _meter.CreateCounter<long>("deliveries.sent", "{delivery}", "Attempts that were taken by the destination.");
        Failed = _meter.CreateCounter<long>("deliveries.failed", "{delivery}", "Attempts that were not, by reason: a status, timeout, network, tls or address.");
        Late = _meter.CreateCounter<long>("deliveries.late", "{delivery}", "Results that came after their lease was somebody else's; such a delivery is repeated.");
        Missed = _meter.CreateCounter<long>("deliveries.reconciled", "{delivery}", "Deliveries that no message had brought and the comparison with the orchestrator did.");
        Opened = _meter.CreateCounter<long>("deliveries.breaker.opened", "{time}", "How often the destination was left alone.");
        Duration = _meter.CreateHistogram<double>("deliveries.duration", "s", "How long the destination takes to answer.");
        _meter.CreateObservableGauge("deliveries.pending", () => _counts.Pending, "{delivery}", "Deliveries to be sent.");
        _meter.CreateObservableGauge("deliveries.oldest", () => _counts.OldestSeconds, "s", "Age of the oldest of them.");
        _meter.CreateObservableGauge("deliveries.dead", () => _counts.Dead, "{delivery}", "Deliveries that were given up and wait for an operator.");
        _meter.CreateObservableGauge("deliveries.paused", () => _counts.IsPaused ? 1 : 0, "{destination}", "Whether nothing is sent because of a pause.");
    }

    public Counter<long> Sent { get; }

    public Counter<long> Failed { get; }

    public Counter<long> Late { get; }

    public Counter<long> Missed { get; }

    public Counter<long> Opened { get; }

    public Histogram<double> Duration { get; }

    public void See(long pending, double oldestSeconds, long dead, bool isPaused) => _counts = new Counts(pending, oldestSeconds, dead, isPaused);

    public void Watch(Func<CircuitState> breaker) => _meter.CreateObservableGauge(
        "deliveries.breaker.state", () => breaker() switch { CircuitState.Closed => 0, CircuitState.HalfOpen => 1, _ => 2 }, null,
        "Whether the destination is left alone: 0 no, 1 one delivery tries it, 2 yes.");

    public void Dispose() => _meter.Dispose();

    private sealed record Counts(long Pending, double OldestSeconds, long Dead, bool IsPaused);
}
