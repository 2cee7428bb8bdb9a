using System.Diagnostics.Metrics;

namespace ConcertSaga.DataPlatform.Dispatch;

/// <summary>Publishes the relay's metrics under the meter <c>ConcertSaga</c>.</summary>
internal sealed class RelayMetrics : IDisposable
{
    private readonly Meter _meter = new("ConcertSaga");
    private volatile Backlog _backlog = new(0, 0, 0, false);

    public RelayMetrics()
    {
        Sent = _meter.CreateCounter<long>("deliveries.sent", "{delivery}", "Attempts that the destination accepted.");
        Failed = _meter.CreateCounter<long>("deliveries.failed", "{delivery}",
            "Failed attempts, by reason: a status, timeout, network, tls or address.");
        Late = _meter.CreateCounter<long>("deliveries.late", "{delivery}",
            "Outcomes that arrived after their lease had expired; the delivery is repeated.");
        Reconciled = _meter.CreateCounter<long>("deliveries.reconciled", "{delivery}",
            "Deliveries found by reconciliation that no event had announced.");
        BreakerOpened = _meter.CreateCounter<long>("deliveries.breaker.opened", "{time}",
            "Number of times the breaker opened and sending stopped.");
        Repaired = _meter.CreateCounter<long>("deliveries.repaired", "{instant}",
            "Stored instants that were too far in the future because of a wrong clock.");
        Duration = _meter.CreateHistogram<double>("deliveries.duration", "s", "Duration of attempts.");
        _meter.CreateObservableGauge("deliveries.pending", () => _backlog.Pending, "{delivery}", "Pending deliveries.");
        _meter.CreateObservableGauge("deliveries.oldest", () => _backlog.OldestSeconds, "s", "Age of the oldest pending delivery.");
        _meter.CreateObservableGauge("deliveries.dead", () => _backlog.Dead, "{delivery}",
            "Dead deliveries that wait for an operator.");
        _meter.CreateObservableGauge("deliveries.paused", () => _backlog.IsPaused ? 1 : 0, "{destination}",
            "Whether the destination is paused: 0 no, 1 yes.");
    }

    public Counter<long> Sent { get; }

    public Counter<long> Failed { get; }

    public Counter<long> Late { get; }

    public Counter<long> Reconciled { get; }

    public Counter<long> BreakerOpened { get; }

    public Counter<long> Repaired { get; }

    public Histogram<double> Duration { get; }

    public void SetBacklog(long pending, double oldestSeconds, long dead, bool isPaused) =>
        _backlog = new Backlog(pending, oldestSeconds, dead, isPaused);

    /// <summary>Publishes the state of the breaker.</summary>
    public void ObserveBreaker(Breaker breaker)
    {
        _meter.CreateObservableGauge(
            "deliveries.breaker.state", () => breaker.State switch { BreakerState.Closed => 0, BreakerState.HalfOpen => 1, _ => 2 }, null,
            "State of the breaker: 0 closed, 1 half-open (one trial delivery), 2 open (nothing is sent).");
        _meter.CreateObservableGauge(
            "deliveries.troubled", () => breaker.Trouble is null ? 0 : 1, "{destination}",
            "Whether the destination accepts no deliveries: 0 no, 1 yes.");
        _meter.CreateObservableGauge("deliveries.limit", () => breaker.Limit, "{delivery}",
            "Maximum number of concurrent deliveries.");
        _meter.CreateObservableGauge(
            "deliveries.rate", () => breaker.Rate ?? 0, "{delivery}/s",
            "Maximum deliveries per second after a throttling answer; 0 without a limit.");
    }

    public void Dispose() => _meter.Dispose();

    private sealed record Backlog(long Pending, double OldestSeconds, long Dead, bool IsPaused);
}
