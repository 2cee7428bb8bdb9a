using System.Diagnostics;

namespace ConcertSaga.Gateway.Upstream;

/// <summary>
/// Propagates the trace to the services, but no baggage. Baggage is free text from outside, and services would trust it.
/// </summary>
internal sealed class TraceHeaders : DistributedContextPropagator
{
    private readonly DistributedContextPropagator _all = Current;

    public override IReadOnlyCollection<string> Fields { get; } = ["traceparent", "tracestate"];

    public override void Inject(Activity? activity, object? carrier, PropagatorSetterCallback? setter)
    {
        if (setter is null)
            return;
        _all.Inject(activity, carrier, (into, name, value) =>
        {
            if (Fields.Contains(name))
                setter(into, name, value);
        });
    }

    public override void ExtractTraceIdAndState(object? carrier, PropagatorGetterCallback? getter, out string? traceId,
        out string? traceState) =>
        _all.ExtractTraceIdAndState(carrier, getter, out traceId, out traceState);

    public override IEnumerable<KeyValuePair<string, string?>>? ExtractBaggage(object? carrier, PropagatorGetterCallback? getter) => null;
}
