using ConcertSaga.Contracts;
using ConcertSaga.Queue.Data;
using Xunit;

namespace ConcertSaga.Queue.Tests.Scenarios;

/// <summary>A room with its entries, and how many customers are inside.</summary>
internal sealed record RoomState(WaitingRoom Room, List<QueueEntry> Rows, int Inside);

/// <summary>Checks the invariants of one room from state to state.</summary>
internal sealed class RoomInvariants
{
    // A gateway that is cut off may accept a given-up pass for this long, and clocks may differ as much.
    private static readonly TimeSpan Skew = ClockSkew.Tolerance;

    private readonly Dictionary<Guid, DateTimeOffset> _left = [];

    /// <summary>Checks the room after some concurrent steps.</summary>
    /// <param name="before">The state before the steps.</param>
    /// <param name="room">The room after them.</param>
    /// <param name="rows">Its entries, by number.</param>
    /// <param name="capacity">The largest capacity during the steps.</param>
    /// <param name="began">When the steps began.</param>
    /// <param name="now">The current instant.</param>
    public RoomState Check(
        RoomState before, WaitingRoom room, List<QueueEntry> rows, int capacity, DateTimeOffset began, DateTimeOffset now)
    {
        var old = before.Rows.ToDictionary(row => row.TokenId);
        var offered = rows.Where(row => row.ClaimUntil is not null && old.GetValueOrDefault(row.TokenId)?.ClaimUntil is null).ToList();
        CheckNumbers(before, room, rows);
        CheckOrder(before, room, rows, offered);
        Assert.All(rows.AsQueryable().Live().GroupBy(row => row.UserId), customer => Assert.Single(customer));
        Assert.All(offered, row =>
            Assert.InRange(row.ClaimUntil!.Value, began + SequenceRun.ClaimWindow, now + SequenceRun.ClaimWindow));
        CheckTransitions(old, rows);
        CheckRevocations(before, room, rows);
        if (room.Paused && before.Room.Paused)
            Assert.Empty(offered);
        return new RoomState(room, rows, CheckCapacity(before, rows, capacity, offered.Count > 0, began, now));
    }

    // Numbers are consecutive and never change.
    private static void CheckNumbers(RoomState before, WaitingRoom room, List<QueueEntry> rows)
    {
        Assert.Equal(Enumerable.Range(1, rows.Count).Select(number => (long)number), rows.Select(row => row.Number));
        Assert.Equal(rows.Count + 1, room.NextNumber);
        Assert.All(before.Rows, row => Assert.Equal((row.Number, row.UserId),
            rows.Where(other => other.TokenId == row.TokenId).Select(other => (other.Number, other.UserId)).Single()));
    }

    // No position grows, and no customer is skipped.
    private static void CheckOrder(RoomState before, WaitingRoom room, List<QueueEntry> rows, List<QueueEntry> offered)
    {
        Assert.InRange(room.Serving, before.Room.Serving, room.NextNumber - 1);
        Assert.All(rows.Where(row => row.Status == QueueEntryStatus.Waiting), row => Assert.True(row.Number > room.Serving));
        Assert.All(rows.Where(row => row.ClaimUntil is not null), row => Assert.True(row.Number <= room.Serving));
        Assert.All(offered, row => Assert.True(row.Number > before.Room.Serving));
    }

    // An offer is claimed in time and once, and an ended entry stays ended.
    private static void CheckTransitions(Dictionary<Guid, QueueEntry> old, List<QueueEntry> rows)
    {
        Assert.All(rows.Where(row => row.ClaimedAt is not null), row =>
        {
            Assert.True(row.ClaimedAt < row.ClaimUntil && row.BookUntil <= row.ClaimedAt + SequenceRun.PassLifetime);
            if (old.GetValueOrDefault(row.TokenId) is { ClaimedAt: not null } was)
                Assert.Equal((was.ClaimedAt, was.BookUntil), (row.ClaimedAt, row.BookUntil));
        });
        Assert.All(rows.Where(row => old.GetValueOrDefault(row.TokenId)?.Status is QueueEntryStatus.Completed or QueueEntryStatus.Left),
            row => Assert.Equal(EndOf(old[row.TokenId]), EndOf(row)));
        Assert.All(rows.Where(row => row.Status is QueueEntryStatus.Waiting or QueueEntryStatus.Offered), row =>
            Assert.True(old.GetValueOrDefault(row.TokenId)?.Status is null or QueueEntryStatus.Waiting or QueueEntryStatus.Offered));

        static object EndOf(QueueEntry row) => (row.Status, row.RevokedSequence, row.CompletedAt, row.Exp);
    }

    // Counts independently of the column that the product counts. A lower capacity ends no pass, but stops admission.
    private int CheckCapacity(
        RoomState before, List<QueueEntry> rows, int capacity, bool hasOffered, DateTimeOffset began, DateTimeOffset now)
    {
        foreach (var row in rows.Where(row => row.Status == QueueEntryStatus.Left))
            _left.TryAdd(row.TokenId, began);
        var inside = rows.Count(row => InsideUntil(row) > now);
        Assert.True(inside <= Math.Max(capacity, before.Inside), $"{inside} of {capacity} are inside, {before.Inside} were");
        if (hasOffered)
            Assert.True(inside <= capacity, $"{inside} of {capacity} are inside after an admission");
        return inside;
    }

    // Each revocation has its own sequence, and the last sequence is never one of them.
    private static void CheckRevocations(RoomState before, WaitingRoom room, List<QueueEntry> rows)
    {
        var revoked = rows.Where(row => row.RevokedSequence is not null).Select(row => row.RevokedSequence!.Value).ToList();
        Assert.Equal(revoked.Count, revoked.Distinct().Count());
        Assert.All(revoked, sequence => Assert.InRange(sequence, 1, room.Sequence - 1));
        Assert.True(room.Sequence >= before.Room.Sequence);
    }

    private DateTimeOffset InsideUntil(QueueEntry row)
    {
        if (row.ClaimUntil is null || row.Status == QueueEntryStatus.Completed)
            return DateTimeOffset.MinValue;
        var end = row.BookUntil ?? row.ClaimUntil.Value;
        return (_left.TryGetValue(row.TokenId, out var since) && since < end ? since : end) + Skew;
    }
}
