using System.Collections.Concurrent;
using System.Collections.Frozen;
using ConcertSaga.Contracts;
using ConcertSaga.Contracts.Queue;

namespace ConcertSaga.Gateway.Queue;

/// <summary>
/// Holds what this gateway knows of all waiting rooms: their progress, the revoked tokens, and the keys that verify tokens. Messages bring
/// news and snapshots fill gaps. Neither reverts what the other brought. Its size depends on concerts and revocations, not on the number of
/// waiting customers.
/// </summary>
public sealed class RoomDirectory(TimeProvider time)
{
    /// <summary>Messages arrive every second, so a longer silence suggests a fault.</summary>
    private static readonly TimeSpan MaxSilence = TimeSpan.FromSeconds(3);

    /// <summary>Older state admits no pass, because a revocation may be missing.</summary>
    internal static readonly TimeSpan MaxAge = TimeSpan.FromSeconds(5);

    /// <summary>Only snapshots carry keys, and Queue may have withdrawn one.</summary>
    private static readonly TimeSpan MaxKeyAge = TimeSpan.FromSeconds(30);

    private readonly Lock _gate = new();
    private readonly ConcurrentDictionary<int, RoomState> _rooms = new();

    // By token: whether its customer left the waiting room.
    private readonly ConcurrentDictionary<Guid, bool> _revoked = new();
    private readonly PriorityQueue<Guid, DateTimeOffset> _revocationEnds = new();
    private FrozenDictionary<string, VerificationKey> _keys = FrozenDictionary<string, VerificationKey>.Empty;

    // Timestamps of the monotonic clock.
    internal const long Never = -1;
    private long _lastNews = Never;
    private long _lastSnapshot = Never;

    /// <summary>The maximum polls per second of all waiting customers together.</summary>
    internal int PollBudget { get; private set; } = 20_000;

    /// <summary>The number of revocations kept.</summary>
    internal int Revocations => _revoked.Count;

    /// <summary>Whether the state is fresh enough to check a pass for any concert without a gap.</summary>
    internal bool IsFresh => !IsOlder(Volatile.Read(ref _lastNews), MaxAge);

    /// <summary>
    /// Whether this gateway should read a snapshot: it has no keys, they are old, no message arrives, or one is missing. A snapshot from
    /// before Queue's first keys does not count.
    /// </summary>
    internal bool WantsSnapshot =>
        !HasKeys || IsOlder(Volatile.Read(ref _lastNews), MaxSilence) || IsOlder(Volatile.Read(ref _lastSnapshot), MaxKeyAge)
        || _rooms.Values.Any(state => state.GapSince != RoomState.NoGap);

    /// <summary>The progress of a waiting room; null if unknown.</summary>
    internal QueueAdvanced? Find(int concertId) => _rooms.TryGetValue(concertId, out var state) ? state.Progress : null;

    /// <summary>
    /// Whether this gateway can check a pass for the concert: its state is fresh and no message has been missing for too long. A gap that
    /// is found after a silence is as old as the silence.
    /// </summary>
    internal bool CanCheckPass(int concertId) =>
        IsFresh && !(_rooms.TryGetValue(concertId, out var state) && HasOldGap(state));

    /// <summary>The concerts of which a message has been missing for too long.</summary>
    internal int[] ConcertsWithOldGaps => [.. _rooms.Where(room => HasOldGap(room.Value)).Select(room => room.Key).Order()];

    /// <summary>The concerts whose waiting rooms Queue has suspended.</summary>
    internal int[] Suspended =>
        [.. _rooms.Where(room => room.Value.Progress?.Admission == QueueAdmission.Suspended).Select(room => room.Key).Order()];

    /// <summary>Whether the token ended before its expiry.</summary>
    internal bool IsRevoked(Guid tokenId) => _revoked.ContainsKey(tokenId);

    /// <summary>Whether the token ended because its customer left the waiting room.</summary>
    internal bool HasLeft(Guid tokenId) => _revoked.TryGetValue(tokenId, out var left) && left;

    /// <summary>The valid key with this id; null if there is none.</summary>
    internal VerificationKey? FindKey(string kid) => _keys.TryGetValue(kid, out var key) && time.GetUtcNow() < key.ValidUntil ? key : null;

    /// <summary>Whether any key is known. Without keys, no token can be verified.</summary>
    internal bool HasKeys => _keys.Count > 0;

    internal void Apply(QueueAdvanced progress)
    {
        lock (_gate)
        {
            var state = GetOrAdd(progress.ConcertId);
            state.Update(progress);
            // A message that was delayed in a queue proves nothing about now. Before the first snapshot, no message does.
            var isNews = _lastNews != Never && time.GetUtcNow() - progress.At < MaxAge;
            state.Record(progress.Sequence, isNews ? time.GetTimestamp() : Never);
            if (isNews)
                _lastNews = time.GetTimestamp();
            RemoveEndedRevocations();
        }
    }

    internal void Apply(QueueTokenRevoked revoked)
    {
        lock (_gate)
        {
            Revoke(revoked);
            // A revocation carries no time of sending, so it does not prove that its predecessors are known.
            GetOrAdd(revoked.ConcertId).Record(revoked.Sequence, Never);
            RemoveEndedRevocations();
        }
    }

    /// <param name="snapshot">The snapshot from Queue.</param>
    /// <param name="requestedAt">When it was requested, by the monotonic clock. The snapshot is at least as new.</param>
    internal void Apply(QueueSnapshot snapshot, long requestedAt)
    {
        lock (_gate)
        {
            PollBudget = snapshot.PollBudget;
            _keys = snapshot.Keys
                .Select(VerificationKey? (key) =>
                    _keys.TryGetValue(key.Kid, out var known) && known.IsReadFrom(key) ? known : VerificationKey.TryRead(key))
                .OfType<VerificationKey>().ToFrozenDictionary(key => key.Kid);
            foreach (var revoked in snapshot.Revocations)
                Revoke(revoked);
            foreach (var progress in snapshot.Concerts)
            {
                var state = GetOrAdd(progress.ConcertId);
                state.Update(progress);
                state.CompleteThrough(progress.Sequence, requestedAt);
            }
            var listed = snapshot.Concerts.Select(progress => progress.ConcertId).ToHashSet();
            foreach (var (concertId, state) in _rooms)
            {
                // The waiting room has ended, unless a message about it overtook the snapshot.
                if (!listed.Contains(concertId) && (state.Progress is null || state.Progress.At < snapshot.At - MaxAge))
                    _rooms.TryRemove(concertId, out _);
            }
            _lastSnapshot = requestedAt;
            _lastNews = Math.Max(_lastNews, requestedAt);
            RemoveEndedRevocations();
        }
    }

    private bool HasOldGap(RoomState state) => state.GapSince is var gap and not RoomState.NoGap && IsOlder(gap, MaxAge);

    private bool IsOlder(long timestamp, TimeSpan age) => timestamp == Never || time.GetElapsedTime(timestamp) > age;

    private RoomState GetOrAdd(int concertId) => _rooms.GetOrAdd(concertId, _ => new RoomState());

    private void Revoke(QueueTokenRevoked revoked)
    {
        if (_revoked.TryAdd(revoked.TokenId, revoked.Left))
            _revocationEnds.Enqueue(revoked.TokenId, revoked.Exp);
    }

    private void RemoveEndedRevocations()
    {
        while (_revocationEnds.TryPeek(out var tokenId, out var end) && end + ClockSkew.RevocationMargin < time.GetUtcNow())
        {
            _revocationEnds.Dequeue();
            _revoked.TryRemove(tokenId, out _);
        }
    }
}
