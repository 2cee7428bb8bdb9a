using System.Collections.Concurrent;

namespace ConcertSaga.Gateway.Upstream;

/// <summary>Logs the beginning and the end of an outage of a cluster, one line each.</summary>
internal sealed partial class UpstreamOutageLog(TimeProvider time, ILogger<UpstreamOutageLog> logger)
{
    // An outage ends after this time without a failure. Otherwise single failures would begin and end an outage each.
    private static readonly TimeSpan MinQuietTime = TimeSpan.FromSeconds(10);

    private readonly ConcurrentDictionary<string, Outage> _outages = new();

    /// <summary>Records a failed request.</summary>
    public void RecordFailure(string cluster, string reason)
    {
        var now = time.GetTimestamp();
        if (_outages.TryAdd(cluster, new Outage(now) { Last = now }))
            LogBegan(cluster, reason.ReplaceLineEndings(" "));
        else if (_outages.TryGetValue(cluster, out var outage))
            outage.Last = now;
    }

    /// <summary>Records an answered request.</summary>
    public void RecordSuccess(string cluster)
    {
        if (!_outages.IsEmpty && _outages.TryGetValue(cluster, out var outage) && time.GetElapsedTime(outage.Last) > MinQuietTime
            && _outages.TryRemove(KeyValuePair.Create(cluster, outage)))
            LogEnded(cluster, time.GetElapsedTime(outage.Began).TotalSeconds);
    }

    [LoggerMessage(7010, LogLevel.Warning, "Requests to {Cluster} fail, and clients get 503: {Reason}")]
    private partial void LogBegan(string cluster, string reason);

    [LoggerMessage(7011, LogLevel.Information, "Requests to {Cluster} succeed again; the outage began {Seconds:F0} s ago.")]
    private partial void LogEnded(string cluster, double seconds);

    private sealed class Outage(long began)
    {
        public long Began => began;

        public long Last { get; set; }
    }
}
