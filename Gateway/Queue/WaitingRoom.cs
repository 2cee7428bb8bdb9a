using System.Collections.Concurrent;
using System.Collections.Frozen;
using ConcertSaga.Contracts.Queue;

namespace ConcertSaga.Gateway.Queue;

/// <summary>
/// What this gateway knows of the waiting rooms: how far each is, which tokens were revoked, and the keys tokens are checked with. Messages
/// bring what is new and snapshots what was missed; neither takes back what the other told. Everything here is about concerts, and nothing
/// about people who wait.
/// </summary>
public sealed class WaitingRoom(TimeProvider time)
{
    /// <summary>After so long without a message something may be wrong with them.</summary>
    private static readonly TimeSpan Silence = TimeSpan.FromSeconds(3);

    /// <summary>What is older than this judges no pass: somebody may have been revoked meanwhile.</summary>
    private static readonly TimeSpan MostAge = TimeSpan.FromSeconds(5);

    /// <summary>However well the messages flow, keys come with snapshots only, and one may have been withdrawn.</summary>
    private static readonly TimeSpan KeysAge = TimeSpan.FromSeconds(30);

    // A revoked token's end is judged with a tolerance, and by several clocks; it is remembered a while longer.
    private static readonly TimeSpan Margin = TimeSpan.FromMinutes(1);

    private readonly Lock _gate = new();
    private readonly ConcurrentDictionary<int, Line> _lines = new();
    private readonly ConcurrentDictionary<Guid, DateTimeOffset> _revoked = new();
    private readonly PriorityQueue<Guid, DateTimeOffset> _ends = new();
    private FrozenDictionary<string, QueueKey> _keys = FrozenDictionary<string, QueueKey>.Empty;

    // Moments of the monotonic clock.
    private const long Never = -1;
    private long _lastNews = Never;
    private long _lastSnapshot = Never;

    /// <summary>Polls per second that all waiting people together may cause.</summary>
    internal int PollBudget { get; private set; } = 20_000;

    /// <summary>Revoked tokens that are remembered.</summary>
    internal int Revocations => _revoked.Count;

    /// <summary>Whether the knowledge is fresh enough to judge a pass of any concert that misses no message.</summary>
    internal bool IsFresh => !IsOlder(Volatile.Read(ref _lastNews), MostAge);

    /// <summary>
    /// Whether a snapshot should be read: nothing was heard, or something was missed. Also one that was read before Queue had made its first
    /// keys is no use.
    /// </summary>
    internal bool WantsSnapshot =>
        !HasKeys || IsOlder(Volatile.Read(ref _lastNews), Silence) || IsOlder(Volatile.Read(ref _lastSnapshot), KeysAge)
        || _lines.Values.Any(line => line.GapSince != Line.None);

    /// <summary>How far a waiting room is; null when nobody has said.</summary>
    internal QueueAdvanced? Find(int concertId) => _lines.TryGetValue(concertId, out var line) ? line.Room : null;

    /// <summary>
    /// Whether a pass for the concert can be judged: nothing this gateway should have heard is missing for longer than it may be. A gap that
    /// is found after a silence is as old as the silence.
    /// </summary>
    internal bool CanJudge(int concertId) =>
        IsFresh && !(_lines.TryGetValue(concertId, out var line) && line.GapSince is var gap and not Line.None && IsOlder(gap, MostAge));

    /// <summary>Whether the token ended before its time.</summary>
    internal bool IsRevoked(Guid tokenId) => _revoked.ContainsKey(tokenId);

    /// <summary>The key of that name, if there is one that still counts.</summary>
    internal QueueKey? Key(string kid) => _keys.TryGetValue(kid, out var key) && time.GetUtcNow() < key.ValidUntil ? key : null;

    /// <summary>Whether any key is known; without one no token can be judged.</summary>
    internal bool HasKeys => _keys.Count > 0;

    internal void Apply(QueueAdvanced room)
    {
        lock (_gate)
        {
            var line = LineOf(room.ConcertId);
            line.Learn(room);
            // A message that lay in a queue for long says nothing about now, and nothing counts before the first snapshot.
            var isNews = _lastNews != Never && time.GetUtcNow() - room.At < MostAge;
            line.Heard(room.Sequence, isNews ? time.GetTimestamp() : Never);
            if (isNews)
                _lastNews = time.GetTimestamp();
            ForgetEnded();
        }
    }

    internal void Apply(QueueTokenRevoked revoked)
    {
        lock (_gate)
        {
            Revoke(revoked);
            // It does not say when it was sent, so it proves nothing about what came before it.
            LineOf(revoked.ConcertId).Heard(revoked.Sequence, Never);
            ForgetEnded();
        }
    }

    /// <param name="snapshot">What Queue answered.</param>
    /// <param name="asked">When it was asked, by the monotonic clock: its answer is at least that new.</param>
    internal void Apply(QueueSnapshot snapshot, long asked)
    {
        lock (_gate)
        {
            PollBudget = snapshot.PollBudget;
            _keys = snapshot.Keys.Select(QueueKey? (key) => _keys.TryGetValue(key.Kid, out var known) && known.IsMadeOf(key) ? known : QueueKey.TryRead(key))
                .OfType<QueueKey>().ToFrozenDictionary(key => key.Kid);
            foreach (var revoked in snapshot.Revocations)
                Revoke(revoked);
            foreach (var room in snapshot.Concerts)
            {
                var line = LineOf(room.ConcertId);
                line.Learn(room);
                line.Complete(room.Sequence, asked);
            }
            var told = snapshot.Concerts.Select(room => room.ConcertId).ToHashSet();
            foreach (var (concertId, line) in _lines)
            {
                // Over and done with, unless a message told of it while the snapshot was on its way.
                if (!told.Contains(concertId) && (line.Room is null || line.Room.At < snapshot.At - MostAge))
                    _lines.TryRemove(concertId, out _);
            }
            _lastSnapshot = asked;
            _lastNews = Math.Max(_lastNews, asked);
            ForgetEnded();
        }
    }

    private bool IsOlder(long moment, TimeSpan age) => moment == Never || time.GetElapsedTime(moment) > age;

    private Line LineOf(int concertId) => _lines.GetOrAdd(concertId, _ => new Line());

    private void Revoke(QueueTokenRevoked revoked)
    {
        if (_revoked.TryAdd(revoked.TokenId, revoked.Exp))
            _ends.Enqueue(revoked.TokenId, revoked.Exp);
    }

    private void ForgetEnded()
    {
        while (_ends.TryPeek(out var tokenId, out var end) && end + Margin < time.GetUtcNow())
        {
            _ends.Dequeue();
            _revoked.TryRemove(tokenId, out _);
        }
    }

    /// <summary>One waiting room, and which of its messages were heard. Messages overtake each other a little, so a gap may close by itself.</summary>
    private sealed class Line
    {
        /// <summary>The <see cref="GapSince"/> of a line that misses nothing.</summary>
        public const long None = long.MaxValue;

        private const int MostAhead = 256;

        private readonly SortedSet<long> _ahead = [];
        private long _complete;
        private long _completeAt = Never;
        private long _gapSince = None;

        public QueueAdvanced? Room { get; private set; }

        /// <summary>
        /// When, by the monotonic clock, this line was last known without a gap, if it has one now; <see cref="Never"/> when it never was, and
        /// <see cref="None"/> without a gap.
        /// </summary>
        public long GapSince => Volatile.Read(ref _gapSince);

        public void Learn(QueueAdvanced room)
        {
            if (Room is null || (room.Sequence, room.At).CompareTo((Room.Sequence, Room.At)) > 0)
                Room = room;
        }

        /// <param name="sequence">The message's.</param>
        /// <param name="now">When it was heard; <see cref="Never"/> when it may be old.</param>
        public void Heard(long sequence, long now)
        {
            if (sequence > _complete)
                _ahead.Add(sequence);
            if (_ahead.Count > MostAhead)
                _ahead.Remove(_ahead.Min);
            Close(now);
        }

        /// <summary>Everything up to a sequence is known.</summary>
        public void Complete(long sequence, long now)
        {
            _complete = Math.Max(_complete, sequence);
            _ahead.RemoveWhere(heard => heard <= _complete);
            Close(now);
        }

        private void Close(long now)
        {
            while (_ahead.Remove(_complete + 1))
                _complete++;
            if (_ahead.Count == 0)
                _completeAt = Math.Max(_completeAt, now);
            Volatile.Write(ref _gapSince, _ahead.Count == 0 ? None : _completeAt);
        }
    }
}
