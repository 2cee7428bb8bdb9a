using ConcertSaga.Contracts.Queue;
using ConcertSaga.Queue.Rooms;
using CsCheck;
using Xunit;
using static ConcertSaga.Queue.Tests.Fixtures.QueueUnderTest;

namespace ConcertSaga.Queue.Tests.Rooms;

/// <summary>The customers ahead of an entry, as counted from the gaps, while entries leave in any order.</summary>
public sealed class GapListTests
{
    private enum Kind
    {
        Enter,
        LeaveAnywhere,
        LeaveAtTheEnd,
        Loop,
        Admit
    }

    private static readonly Gen<(Kind Kind, int Number)[]> Sequences = Gen.Select(
        Gen.Frequency((4, Gen.Const(Kind.Enter)), (5, Gen.Const(Kind.LeaveAnywhere)), (2, Gen.Const(Kind.LeaveAtTheEnd)),
            (1, Gen.Const(Kind.Loop)), (1, Gen.Const(Kind.Admit))),
        Gen.Int[0, 1_000]).Array[1, 400];

    [Fact]
    public void Positions_InAnySequence_NeverGrow() => Sequences.Sample(sequence =>
    {
        var line = new Model();
        var seen = new Dictionary<long, long>();
        foreach (var (kind, size) in sequence)
        {
            // Short enough to check every number after every step.
            line.Do(kind, kind is Kind.Enter or Kind.Admit ? size % 8 : size);
            var room = line.Room;
            Assert.True((room.Gaps?.Length ?? 0) <= GapList.MaxCount);
            // Edges are exact, so an error inside a range is smaller than the range.
            var truth = 0L;
            var largest = room.Gaps?.Max(gap => gap.To - gap.From) ?? 0;
            foreach (var number in line.Waiting)
            {
                var ahead = room.PeopleBefore(number);
                Assert.True(Math.Abs(ahead - truth) <= largest, $"{ahead} are counted ahead of {number}, and {truth} are");
                Assert.True(!seen.TryGetValue(number, out var before) || ahead <= before,
                    $"{ahead} are counted ahead of {number}, and {before} were");
                seen[number] = ahead;
                truth++;
            }
            Assert.Equal(truth, room.PeopleBefore(room.Issued + 1));
        }
    }, iter: 200);

    /// <summary>The count is exact without merged ranges: customers who loop leave one range between those who stay.</summary>
    [Fact]
    public void Positions_WithLoopsOnly_AreExact()
    {
        var line = new Model();
        for (var i = 0; i < 60; i++)
        {
            line.Do(Kind.Enter, 5);
            line.Do(Kind.Loop, 50);
        }
        Assert.All(line.Waiting.Index(), waiting => Assert.Equal(waiting.Index, line.Room.PeopleBefore(waiting.Item)));
    }

    /// <summary>A third of a long line leaves at random. The loss by merging stays small compared to the wait.</summary>
    [Fact]
    public void Positions_InALongLine_AreCloseToTheTruth()
    {
        var line = new Model();
        var random = new Random(7);
        line.Do(Kind.Enter, 100_000);
        var leaving = line.Waiting.ToArray();
        random.Shuffle(leaving);
        foreach (var number in leaving.AsSpan(0, 33_000))
            line.Leave(number);
        for (var admissions = 0; admissions < 40; admissions++)
        {
            var room = line.Room;
            var truth = 0L;
            foreach (var number in line.Waiting)
            {
                // Two percent of the whole line.
                Assert.InRange(room.PeopleBefore(number), truth - 2_000, truth + 2_000);
                truth++;
            }
            line.Do(Kind.Admit, 1_000);
        }
    }

    [Fact]
    public void Text_OfTheMaximum_FitsTheColumn() =>
        Assert.InRange(GapList.Write([.. Enumerable.Range(0, GapList.MaxCount)
            .Select(i => new QueueGap(9_999_999_000 + i, 9_999_999_900, 9_999_999, 9_999_999))])!.Length, 1, 4_000);

    private sealed class Model
    {
        private string? _gaps;
        private long _serving;
        private long _issued;

        public SortedSet<long> Waiting { get; } = [];

        public QueueAdvanced Room =>
            new(1, 1, _serving, 2, Now, _issued, 10, Now, Now, QueueAdmission.Open, _gaps is null ? null : [.. GapList.Read(_gaps)]);

        public void Do(Kind kind, int number)
        {
            switch (kind)
            {
                case Kind.Enter:
                    for (var i = 0; i < number; i++)
                        Waiting.Add(++_issued);
                    break;
                case Kind.LeaveAnywhere when Waiting.Count > 0:
                    Leave(Waiting.ElementAt(number % Waiting.Count));
                    break;
                case Kind.LeaveAtTheEnd when Waiting.Count > 0:
                    Leave(Waiting.Max);
                    break;
                case Kind.Loop:
                    for (var i = 0; i < number % 40; i++)
                    {
                        Waiting.Add(++_issued);
                        Leave(_issued);
                    }
                    break;
                case Kind.Admit when number > 0 && Waiting.Count > 0:
                    Admit([.. Waiting.Take(number)]);
                    break;
            }
        }

        public void Leave(long number)
        {
            Waiting.Remove(number);
            _gaps = GapList.AfterLeaving(_gaps, _serving, number);
        }

        // Repeats the admission loop.
        private void Admit(List<long> next)
        {
            _gaps = GapList.AfterAdmission(_gaps, next[^1], next);
            _serving = next[^1];
            next.ForEach(number => Waiting.Remove(number));
        }
    }
}
