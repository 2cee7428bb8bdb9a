using System.Diagnostics.Metrics;
using ConcertSaga.Shared.Hosting.Messaging;

namespace ConcertSaga.Operations.FailedMessages;

/// <summary>Publishes the number of waiting failed messages under the meter <c>ConcertSaga</c>.</summary>
internal sealed class FailedMessageMetrics : IDisposable
{
    private readonly Meter _meter = new("ConcertSaga");
    private volatile IReadOnlyDictionary<FailureQueue, int> _waiting = new Dictionary<FailureQueue, int>();

    public FailedMessageMetrics() =>
        _meter.CreateObservableGauge("failed.messages", Observe, "{message}", "Failed messages that wait for an operator, by queue.");

    public void Set(IReadOnlyDictionary<FailureQueue, int> waiting) => _waiting = waiting;

    public void Dispose() => _meter.Dispose();

    // An empty queue has a value too. Otherwise an alert could not tell it from a process that does not run.
    private IEnumerable<Measurement<int>> Observe() =>
        OperationsService.Queues.SelectMany(queue => Enum.GetValues<FailureKind>().Select(kind => new FailureQueue(queue, kind)))
            .Union(_waiting.Keys)
            .Select(queue => new Measurement<int>(_waiting.GetValueOrDefault(queue),
                new("queue", queue.Queue), new KeyValuePair<string, object?>("kind", queue.Kind.ToString())));
}
