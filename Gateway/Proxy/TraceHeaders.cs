using System.Diagnostics;

namespace ConcertSaga.Gateway.Proxy;

/// <summary>
/// Carries the trace on to the services, so that a reservation can be followed from the door inwards, and nothing else: baggage is free text
/// from outside that services would take for their own.
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

    public override void ExtractTraceIdAndState(object? carrier, PropagatorGetterCallback? getter, out string? traceId, out string? traceState) =>
        _all.ExtractTraceIdAndState(carrier, getter, out traceId, out traceState);

    public override IEnumerable<KeyValuePair<string, string?>>? ExtractBaggage(object? carrier, PropagatorGetterCallback? getter) => null;
}
