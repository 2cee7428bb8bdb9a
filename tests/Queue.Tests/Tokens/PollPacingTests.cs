using ConcertSaga.Contracts.Queue;
using CsCheck;
using Xunit;
using static ConcertSaga.Queue.Tests.Fixtures.QueueUnderTest;

namespace ConcertSaga.Queue.Tests.Tokens;

/// <summary>The poll intervals that clients get are short enough for the claim window.</summary>
public sealed class PollPacingTests
{
    private static readonly Gen<Sample> Samples = Gen.Select(
        Gen.Int[1, 200], Gen.Double[0.25, 30], Gen.OneOf(Gen.Double[QueueTokenView.MinClaimSeconds, 70],
            Gen.Const((double)QueueTokenView.MinClaimSeconds)),
        Gen.Int[1, 40_000], Gen.Int[1, 50_000], Gen.Double[-1, 1], Gen.Int[0, 1_000_000],
        (batch, interval, claim, number, budget, jitter, seed) => new Sample(batch, interval, claim, number, budget, jitter, seed));

    /// <summary>
    /// The line moves as fast as its settings allow. A client that follows the intervals, up to a fifth late and with a second in transit,
    /// polls before its offer expires.
    /// </summary>
    [Fact]
    public void Client_ThatPollsAsRequested_NeverLosesItsOffer() => Samples.Sample(room =>
    {
        var random = new Random(room.Seed);
        // The first batch is admitted right after the client's first answer.
        var offeredAt = ((room.Number + room.Batch - 1) / room.Batch - 1) * room.Interval;
        for (var now = 0.0; ;)
        {
            if (now >= offeredAt)
            {
                Assert.True(now < offeredAt + room.Claim, $"polled {now - offeredAt:F1} s after the offer, of {room.Claim} s");
                return;
            }
            var serving = Math.Min(room.Number - 1, (long)(Math.Floor(now / room.Interval) + (now > 0 ? 1 : 0)) * room.Batch);
            var view = QueueTokenView.Waiting("token", Guid.Empty, room.Number, Now, room.At(serving), room.Budget, Now, room.Jitter);
            now += 0.001 + (view.PollAfterSeconds * (1 + (QueueTokenView.PollLateness * random.NextDouble())))
                + (QueueTokenView.PollTravelSeconds * random.NextDouble());
        }
    }, iter: 20_000);

    [Fact]
    public void Poll_WithTheDefaults_HasTheUsualInterval()
    {
        var room = new Sample(10, 5, 60, 900_000, 20_000, 0, 0);
        Assert.Equal(45, QueueTokenView.Waiting("token", Guid.Empty, 900_000, Now, room.At(0), 20_000, Now, 0).PollAfterSeconds);
        Assert.Equal(10, QueueTokenView.Waiting("token", Guid.Empty, 100, Now, room.At(0), 20_000, Now, 0).PollAfterSeconds);
    }

    private sealed record Sample(int Batch, double Interval, double Claim, int Number, int Budget, double Jitter, int Seed)
    {
        public QueueAdvanced At(long serving) => new(
            1, 1, serving, Batch / Interval, Now, 1_000_000, Batch, Now.AddDays(-1), Now.AddDays(1), QueueAdmission.Open, null, Claim,
            Interval);
    }
}
