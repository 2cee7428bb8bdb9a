using System.Collections.Concurrent;
using ConcertSaga.Shared.Hosting.Background;

namespace ConcertSaga.Gateway.SignIn;

/// <summary>
/// Remembers the sessions that ended on this gateway before their cookies expire. Other gateways accept such a session cookie until it
/// expires: docs/decisions/0020-sessions-are-cookies.md.
/// </summary>
internal sealed class SessionRevocation(TimeProvider time, ILogger<SessionRevocation> logger)
    : PeriodicTask("Forgetting ended sessions", TimeSpan.FromMinutes(1), time, logger)
{
    private readonly ConcurrentDictionary<ulong, DateTimeOffset> _ends = new();

    internal int Count => _ends.Count;

    /// <param name="sessionId">The session.</param>
    /// <param name="end">When its last cookie expires.</param>
    public void Revoke(ulong sessionId, DateTimeOffset end) => _ends[sessionId] = end;

    public bool IsRevoked(ulong? sessionId) => sessionId is { } id && _ends.ContainsKey(id);

    public override Task RunOnceAsync(CancellationToken cancellationToken)
    {
        var now = Clock.GetUtcNow();
        foreach (var (id, end) in _ends)
        {
            if (end < now)
                _ends.TryRemove(id, out _);
        }
        return Task.CompletedTask;
    }
}
