using System.Globalization;
using ConcertSaga.Contracts.Queue;
using ConcertSaga.Queue.Data;

namespace ConcertSaga.Queue.Rooms;

/// <summary>
/// Maintains the ranges in which entries of one room have left. No change, and no merge, ever raises the number of customers ahead of an
/// entry, so a position never grows.
/// </summary>
internal static class GapList
{
    /// <summary>The maximum number of ranges. Further ones are merged where that loses the least.</summary>
    public const int MaxCount = 64;

    public static List<QueueGap> Read(string? text) => text is null ? [] : [.. text.Split(' ').Select(ReadOne)];

    public static string? Write(List<QueueGap> gaps) => gaps.Count == 0 ? null
        : string.Join(' ', gaps.Select(gap => string.Create(CultureInfo.InvariantCulture, $"{gap.From}-{gap.To}-{gap.Left}-{gap.Empty}")));

    /// <summary>Moves the customers behind an entry up if it ends while it waits.</summary>
    public static void Leave(WaitingRoom room, QueueEntry entry)
    {
        if (entry.Status == QueueEntryStatus.Waiting && entry.Number > room.Serving)
            room.Gaps = AfterLeaving(room.Gaps, room.Serving, entry.Number);
    }

    /// <summary>Adds a number behind the one being served, whose entry has left.</summary>
    public static string? AfterLeaving(string? text, long serving, long number)
    {
        var gaps = Read(text);
        var index = gaps.FindIndex(gap => gap.To >= number);
        if (index >= 0 && gaps[index].From <= number)
        {
            var gap = gaps[index];
            gaps[index] = Of(gap.From, gap.To, Waiting(gap) - 1, gap.Empty);
        }
        else
        {
            index = index < 0 ? gaps.Count : index;
            gaps.Insert(index, new QueueGap(number, number, 1, 1));
        }
        // Merging neighbours without waiting entries loses nothing.
        if (index + 1 < gaps.Count && IsOneRange(gaps[index], gaps[index + 1]))
            Merge(gaps, index);
        if (index > 0 && IsOneRange(gaps[index - 1], gaps[index]))
            Merge(gaps, index - 1);
        while (gaps.Count > MaxCount)
            Merge(gaps, Cheapest(gaps, serving));
        return Write(gaps);
    }

    /// <summary>Removes the numbers that an admission has passed.</summary>
    /// <param name="text">The list before the admission.</param>
    /// <param name="serving">The number being served after it.</param>
    /// <param name="admitted">The numbers that were offered a pass, in ascending order.</param>
    public static string? AfterAdmission(string? text, long serving, List<long> admitted)
    {
        if (text is null)
            return null;
        var gaps = Read(text);
        gaps.RemoveAll(gap => gap.To <= serving);
        if (gaps is [var first, ..] && first.From <= serving)
        {
            long size = first.To - first.From + 1, passed = serving + 1 - first.From, waiting = Waiting(first);
            var gone = admitted.Count(number => number >= first.From);
            var empty = waiting == 0 ? 0 : first.Empty + DivideUp((Int128)gone * (size - first.Empty), waiting) - passed;
            gaps[0] = Of(serving + 1, first.To, waiting - gone, empty);
        }
        return Write(gaps);
    }

    private static QueueGap ReadOne(string text) =>
        text.Split('-').Select(part => long.Parse(part, CultureInfo.InvariantCulture)).ToArray() is [var from, var to, var left, var empty]
            ? new QueueGap(from, to, left, empty) : throw new FormatException($"'{text}' is not a gap.");

    private static long Waiting(QueueGap gap) => gap.To - gap.From + 1 - gap.Left;

    // A process of an older version changes entries without updating the list. Clamping keeps the numbers possible.
    private static QueueGap Of(long from, long to, long waiting, long empty)
    {
        var size = to - from + 1;
        waiting = Math.Clamp(waiting, 0, size);
        return new QueueGap(from, to, size - waiting, Math.Clamp(empty, 0, size - waiting));
    }

    private static bool IsOneRange(QueueGap first, QueueGap second) =>
        first.To + 1 == second.From && Waiting(first) == 0 && Waiting(second) == 0;

    private static void Merge(List<QueueGap> gaps, int index)
    {
        gaps[index] = Merged(gaps[index], gaps[index + 1]);
        gaps.RemoveAt(index + 1);
    }

    private static QueueGap Merged(QueueGap first, QueueGap second) => first.To + 1 == second.From ? Joined(first, second)
        // Every entry between the two waits.
        : Joined(Joined(first, new QueueGap(first.To + 1, second.From - 1, 0, 0)), second);

    /// <summary>
    /// Joins two neighbours. Over the numbers of a range, the customers ahead stay constant at first and then rise evenly. The result is
    /// the highest such curve that is nowhere above the two old ones and meets the second at its end.
    /// </summary>
    private static QueueGap Joined(QueueGap first, QueueGap second)
    {
        long size = first.To - first.From + 1, secondSize = second.To - second.From + 1;
        var (waiting, behind) = (Waiting(first), Waiting(second));
        var empty = behind == 0 ? first.Empty
            : Math.Max(first.Empty, size + second.Empty - (long)((Int128)waiting * (secondSize - second.Empty) / behind));
        return Of(first.From, second.To, waiting + behind, waiting + behind == 0 ? size + secondSize : empty);
    }

    /// <summary>
    /// Finds the pair whose merger misleads the least, relative to the customers ahead of it: near the front every number counts.
    /// </summary>
    private static int Cheapest(List<QueueGap> gaps, long serving)
    {
        var best = 0;
        var minError = double.MaxValue;
        var left = 0L;
        for (var i = 0; i + 1 < gaps.Count; i++)
        {
            var error = Error(gaps[i], gaps[i + 1]) / (1.0 + gaps[i].From - serving - 1 - left);
            if (error < minError)
            {
                best = i;
                minError = error;
            }
            left += gaps[i].Left;
        }
        return best;
    }

    private static long Error(QueueGap first, QueueGap second)
    {
        var merged = Merged(first, second);
        long[] corners =
        [
            first.From + first.Empty, first.To + 1, second.From, second.From + second.Empty, Math.Min(merged.From + merged.Empty, merged.To)
        ];
        return corners.Max(number => Before(number) - merged.WaitingBefore(number));

        long Before(long number) => first.WaitingBefore(number) + Math.Clamp(number - first.To - 1, 0, second.From - first.To - 1)
            + (number > second.From ? second.WaitingBefore(number) : 0);
    }

    private static long DivideUp(Int128 dividend, long divisor) => (long)((dividend + divisor - 1) / divisor);
}
