using System.Diagnostics.Metrics;

namespace ConcertSaga.Gateway.Tests.Hosts;

/// <summary>Records the measurements of the refusal counter, from all gateways of the process.</summary>
public sealed class RefusalRecorder : IDisposable
{
    private readonly MeterListener _listener = new();
    private readonly List<(string?, string?)> _seen = [];

    public RefusalRecorder()
    {
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Name == "concertsaga.gateway.refusals")
                listener.EnableMeasurementEvents(instrument);
        };
        _listener.SetMeasurementEventCallback<long>((_, _, tags, _) =>
        {
            var values = tags.ToArray().ToDictionary(tag => tag.Key, tag => tag.Value as string);
            lock (_seen)
                _seen.Add((values["code"], values["reason"]));
        });
        _listener.Start();
    }

    /// <summary>The code and the reason of each refusal.</summary>
    public (string? Code, string? Reason)[] Seen
    {
        get
        {
            lock (_seen)
                return [.. _seen];
        }
    }

    public void Dispose() => _listener.Dispose();
}
