using ConcertSaga.Contracts.Queue;
using ConcertSaga.Gateway.Queue;
using ConcertSaga.Gateway.Tests.Hosts;
using Microsoft.Extensions.Time.Testing;

namespace ConcertSaga.Gateway.Tests.Queue;

/// <summary>Applies messages and snapshots, and checks what the gateway then knows and wants.</summary>
public sealed class RoomDirectoryTests
{
    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2026, 6, 1, 12, 0, 0, TimeSpan.Zero));
    private readonly RoomDirectory _rooms;

    public RoomDirectoryTests() => _rooms = new RoomDirectory(_time);

    [Fact]
    public void Start_BeforeTheFirstSnapshot_BlocksPasses()
    {
        Advance(1, 5);

        Assert.False(_rooms.CanCheckPass(1));
        Assert.False(_rooms.HasKeys);
        Assert.True(_rooms.WantsSnapshot);
    }

    [Fact]
    public void Snapshot_WithoutKeys_IsReadAgain()
    {
        Read(Snapshot() with { Keys = [] });
        Assert.Equal((false, true), (_rooms.HasKeys, _rooms.WantsSnapshot));

        Read(Snapshot());

        Assert.Equal((true, false), (_rooms.HasKeys, _rooms.WantsSnapshot));
    }

    [Fact]
    public void Silence_OfThreeSeconds_WantsASnapshotAndOfFiveBlocksPasses()
    {
        Read(Snapshot());
        Assert.Equal((false, true), (_rooms.WantsSnapshot, _rooms.CanCheckPass(1)));

        _time.Advance(TimeSpan.FromSeconds(3.1));
        Assert.Equal((true, true), (_rooms.WantsSnapshot, _rooms.CanCheckPass(1)));

        _time.Advance(TimeSpan.FromSeconds(2));
        Assert.Equal((true, false), (_rooms.WantsSnapshot, _rooms.CanCheckPass(1)));

        Advance(2, 2);
        Assert.Equal((false, true), (_rooms.WantsSnapshot, _rooms.CanCheckPass(1)));
    }

    [Fact]
    public void Message_DelayedInAQueue_DoesNotCountAsNews()
    {
        Read(Snapshot());
        var old = _time.GetUtcNow();
        _time.Advance(TimeSpan.FromSeconds(6));

        _rooms.Apply(QueueTokens.Room(sequence: 2, at: old));

        Assert.False(_rooms.CanCheckPass(1));
    }

    [Fact]
    public void Gap_LongerThanFiveSeconds_BlocksPassesOfThatConcert()
    {
        Read(Snapshot());
        Advance(4, 4);
        Assert.Equal((true, true), (_rooms.WantsSnapshot, _rooms.CanCheckPass(1)));

        for (var i = 0; i < 6; i++)
        {
            _time.Advance(TimeSpan.FromSeconds(1));
            Advance(4, 4);
        }
        Assert.False(_rooms.CanCheckPass(1));
        Assert.True(_rooms.CanCheckPass(2));

        Read(Snapshot(sequence: 4));
        Assert.Equal((false, true), (_rooms.WantsSnapshot, _rooms.CanCheckPass(1)));
    }

    [Fact]
    public void Gap_FoundAfterASilence_IsAsOldAsTheSilence()
    {
        Read(Snapshot());
        _time.Advance(TimeSpan.FromSeconds(6));

        Advance(4, 4);
        Assert.False(_rooms.CanCheckPass(1));

        Revoke(3);
        Assert.True(_rooms.CanCheckPass(1));
    }

    [Fact]
    public void Room_NeverKnownWithoutAGap_BlocksPasses()
    {
        Read(Snapshot());
        _rooms.Apply(QueueTokens.Room(2, 5, 5, _time.GetUtcNow()));

        Assert.Equal((false, true, true), (_rooms.CanCheckPass(2), _rooms.CanCheckPass(1), _rooms.WantsSnapshot));
    }

    [Fact]
    public void Messages_OutOfOrder_CloseTheGapWithoutASnapshot()
    {
        Read(Snapshot());
        Advance(5, 5);
        Revoke(3);
        Assert.True(_rooms.WantsSnapshot);

        Advance(4, 4);

        Assert.False(_rooms.WantsSnapshot);
        Assert.Equal(5, _rooms.Find(1)!.Serving);
    }

    [Fact]
    public void Snapshot_OlderThanAMessage_RevertsNothing()
    {
        Read(Snapshot());
        Advance(3, 20);
        var revoked = Revoke(4);

        Read(Snapshot(sequence: 2));

        Assert.Equal(20, _rooms.Find(1)!.Serving);
        Assert.True(_rooms.IsRevoked(revoked));
        Assert.False(_rooms.WantsSnapshot);
    }

    [Fact]
    public void Snapshot_WithoutAConcert_RemovesItsRoom()
    {
        Read(Snapshot());
        _time.Advance(TimeSpan.FromSeconds(6));

        Read(Snapshot() with { Concerts = [] });

        Assert.Null(_rooms.Find(1));
    }

    [Fact]
    public void Revocation_BeforeItsEnd_IsKept()
    {
        Read(Snapshot());
        var late = Revoke(3, minutes: 60);
        var soon = Enumerable.Range(4, 20_000).Select(sequence => Revoke(sequence, minutes: 10)).ToArray();
        Assert.All(soon, tokenId => Assert.True(_rooms.IsRevoked(tokenId)));

        _time.Advance(TimeSpan.FromMinutes(10));
        Read(Snapshot(sequence: 20_003));
        Assert.All(soon, tokenId => Assert.True(_rooms.IsRevoked(tokenId)));
        _time.Advance(TimeSpan.FromMinutes(2));
        Read(Snapshot(sequence: 20_003));

        Assert.Equal(1, _rooms.Revocations);
        Assert.True(_rooms.IsRevoked(late));
    }

    [Fact]
    public void Key_Expired_IsNotFound()
    {
        Read(Snapshot());
        Assert.NotNull(_rooms.FindKey(QueueTokens.PassKid));

        _time.Advance(TimeSpan.FromDays(1));

        Assert.Null(_rooms.FindKey(QueueTokens.PassKid));
    }

    [Theory]
    [InlineData("", QueueTokenKind.Pass)]
    [InlineData("AAAA", QueueTokenKind.Pass)]
    [InlineData("no base64", QueueTokenKind.Waiting)]
    [InlineData("c2hvcnQ=", QueueTokenKind.Waiting)]
    public void Key_Malformed_KeepsTheOthers(string key, QueueTokenKind kind)
    {
        var snapshot = Snapshot();

        Read(snapshot with { Keys = [new("bad", kind, key, _time.GetUtcNow().AddDays(1)), .. snapshot.Keys] });

        Assert.Null(_rooms.FindKey("bad"));
        Assert.NotNull(_rooms.FindKey(QueueTokens.PassKid));
    }

    private QueueSnapshot Snapshot(long sequence = 2) =>
        QueueTokens.Snapshot(_time.GetUtcNow()) with { Concerts = [QueueTokens.Room(sequence: sequence, at: _time.GetUtcNow())] };

    private void Read(QueueSnapshot snapshot) => _rooms.Apply(snapshot, _time.GetTimestamp());

    private void Advance(long sequence, long serving) =>
        _rooms.Apply(QueueTokens.Room(sequence: sequence, serving: serving, at: _time.GetUtcNow()));

    private Guid Revoke(long sequence, int minutes = 10)
    {
        var tokenId = Guid.CreateVersion7();
        _rooms.Apply(new QueueTokenRevoked(1, sequence, tokenId, _time.GetUtcNow().AddMinutes(minutes)));
        return tokenId;
    }
}
