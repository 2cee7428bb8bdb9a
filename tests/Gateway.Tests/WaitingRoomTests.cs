using ConcertSaga.Contracts.Queue;
using ConcertSaga.Gateway.Queue;
using ConcertSaga.Gateway.Tests.Hosts;
using Microsoft.Extensions.Time.Testing;

namespace ConcertSaga.Gateway.Tests;

/// <summary>What a gateway knows, when it is enough, and when it asks.</summary>
public sealed class WaitingRoomTests
{
    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2026, 6, 1, 12, 0, 0, TimeSpan.Zero));
    private readonly WaitingRoom _room;

    public WaitingRoomTests() => _room = new WaitingRoom(_time);

    [Fact]
    public void Start_BeforeTheFirstSnapshot_JudgesNothing()
    {
        Advance(1, 5);

        Assert.False(_room.CanJudge(1));
        Assert.False(_room.HasKeys);
        Assert.True(_room.WantsSnapshot);
    }

    [Fact]
    public void Snapshot_FromBeforeTheFirstKeys_IsAskedForAgain()
    {
        Read(Snapshot() with { Keys = [] });
        Assert.Equal((false, true), (_room.HasKeys, _room.WantsSnapshot));

        Read(Snapshot());

        Assert.Equal((true, false), (_room.HasKeys, _room.WantsSnapshot));
    }

    [Fact]
    public void Silence_OfThreeSeconds_AsksAndOfFiveJudgesNothing()
    {
        Read(Snapshot());
        Assert.Equal((false, true), (_room.WantsSnapshot, _room.CanJudge(1)));

        _time.Advance(TimeSpan.FromSeconds(3.1));
        Assert.Equal((true, true), (_room.WantsSnapshot, _room.CanJudge(1)));

        _time.Advance(TimeSpan.FromSeconds(2));
        Assert.Equal((true, false), (_room.WantsSnapshot, _room.CanJudge(1)));

        Advance(2, 2);
        Assert.Equal((false, true), (_room.WantsSnapshot, _room.CanJudge(1)));
    }

    [Fact]
    public void Message_ThatLayInAQueueForLong_IsNoNews()
    {
        Read(Snapshot());
        var old = _time.GetUtcNow();
        _time.Advance(TimeSpan.FromSeconds(6));

        _room.Apply(QueueTokens.Room(sequence: 2, at: old));

        Assert.False(_room.CanJudge(1));
    }

    [Fact]
    public void Sequence_WithAGap_AsksAndStopsJudgingThatConcertAfterFiveSeconds()
    {
        Read(Snapshot());
        Advance(4, 4);
        Assert.Equal((true, true), (_room.WantsSnapshot, _room.CanJudge(1)));

        for (var i = 0; i < 6; i++)
        {
            _time.Advance(TimeSpan.FromSeconds(1));
            Advance(4, 4);
        }
        Assert.False(_room.CanJudge(1));
        Assert.True(_room.CanJudge(2));

        Read(Snapshot(sequence: 4));
        Assert.Equal((false, true), (_room.WantsSnapshot, _room.CanJudge(1)));
    }

    [Fact]
    public void Gap_FoundAfterASilence_IsAsOldAsTheSilence()
    {
        Read(Snapshot());
        _time.Advance(TimeSpan.FromSeconds(6));

        Advance(4, 4);
        Assert.False(_room.CanJudge(1));

        Revoke(3);
        Assert.True(_room.CanJudge(1));
    }

    [Fact]
    public void Line_NeverKnownWithoutAGap_IsNotJudged()
    {
        Read(Snapshot());
        _room.Apply(QueueTokens.Room(2, 5, 5, _time.GetUtcNow()));

        Assert.Equal((false, true, true), (_room.CanJudge(2), _room.CanJudge(1), _room.WantsSnapshot));
    }

    [Fact]
    public void Sequence_OutOfOrder_ClosesItsGapByItself()
    {
        Read(Snapshot());
        Advance(5, 5);
        Revoke(3);
        Assert.True(_room.WantsSnapshot);

        Advance(4, 4);

        Assert.False(_room.WantsSnapshot);
        Assert.Equal(5, _room.Find(1)!.Serving);
    }

    [Fact]
    public void Snapshot_OlderThanAMessage_TakesNothingBack()
    {
        Read(Snapshot());
        Advance(3, 20);
        var revoked = Revoke(4);

        Read(Snapshot(sequence: 2));

        Assert.Equal(20, _room.Find(1)!.Serving);
        Assert.True(_room.IsRevoked(revoked));
        Assert.False(_room.WantsSnapshot);
    }

    [Fact]
    public void Snapshot_WithoutAConcert_EndsIt()
    {
        Read(Snapshot());
        _time.Advance(TimeSpan.FromSeconds(6));

        Read(Snapshot() with { Concerts = [] });

        Assert.Null(_room.Find(1));
    }

    [Fact]
    public void Revocation_UntilItsEnd_IsNeverForgotten()
    {
        Read(Snapshot());
        var late = Revoke(3, minutes: 60);
        var soon = Enumerable.Range(4, 20_000).Select(sequence => Revoke(sequence, minutes: 10)).ToArray();
        Assert.All(soon, tokenId => Assert.True(_room.IsRevoked(tokenId)));

        _time.Advance(TimeSpan.FromMinutes(10));
        Read(Snapshot(sequence: 20_003));
        Assert.All(soon, tokenId => Assert.True(_room.IsRevoked(tokenId)));
        _time.Advance(TimeSpan.FromMinutes(2));
        Read(Snapshot(sequence: 20_003));

        Assert.Equal(1, _room.Revocations);
        Assert.True(_room.IsRevoked(late));
    }

    [Fact]
    public void Key_PastItsTime_IsNone()
    {
        Read(Snapshot());
        Assert.NotNull(_room.Key(QueueTokens.PassKid));

        _time.Advance(TimeSpan.FromDays(1));

        Assert.Null(_room.Key(QueueTokens.PassKid));
    }

    [Theory]
    [InlineData("", QueueTokenKind.Pass)]
    [InlineData("AAAA", QueueTokenKind.Pass)]
    [InlineData("no base64", QueueTokenKind.Waiting)]
    [InlineData("c2hvcnQ=", QueueTokenKind.Waiting)]
    public void Key_ThatIsNone_LeavesTheOthers(string key, QueueTokenKind kind)
    {
        var snapshot = Snapshot();

        Read(snapshot with { Keys = [new("bad", kind, key, _time.GetUtcNow().AddDays(1)), .. snapshot.Keys] });

        Assert.Null(_room.Key("bad"));
        Assert.NotNull(_room.Key(QueueTokens.PassKid));
    }

    private QueueSnapshot Snapshot(long sequence = 2) =>
        QueueTokens.Snapshot(_time.GetUtcNow()) with { Concerts = [QueueTokens.Room(sequence: sequence, at: _time.GetUtcNow())] };

    private void Read(QueueSnapshot snapshot) => _room.Apply(snapshot, _time.GetTimestamp());

    private void Advance(long sequence, long serving) => _room.Apply(QueueTokens.Room(sequence: sequence, serving: serving, at: _time.GetUtcNow()));

    private Guid Revoke(long sequence, int minutes = 10)
    {
        var tokenId = Guid.CreateVersion7();
        _room.Apply(new QueueTokenRevoked(1, sequence, tokenId, _time.GetUtcNow().AddMinutes(minutes)));
        return tokenId;
    }
}
