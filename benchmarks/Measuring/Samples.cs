using System.Globalization;

namespace ConcertSaga.Benchmarks.Measuring;

/// <summary>One figure, measured once per round: its median and its range.</summary>
internal sealed class Samples(IEnumerable<double> values)
{
    private readonly double[] _sorted = [.. values.Where(double.IsFinite).Order()];

    public double Median => _sorted.Length == 0 ? double.NaN
        : _sorted.Length % 2 == 1 ? _sorted[_sorted.Length / 2] : (_sorted[_sorted.Length / 2 - 1] + _sorted[_sorted.Length / 2]) / 2;

    public double Min => _sorted.Length == 0 ? double.NaN : _sorted[0];

    public double Max => _sorted.Length == 0 ? double.NaN : _sorted[^1];

    /// <summary>The median, for several rounds with the range in brackets; a dash if there are no values.</summary>
    public string ToText(string format) => _sorted.Length switch
    {
        0 => "–",
        1 => Text(Median, format),
        _ => $"{Text(Median, format)} ({Text(Min, format)}–{Text(Max, format)})"
    };

    /// <summary>Percentile by nearest rank; NaN if there are no values.</summary>
    public static double Percentile(double[] sorted, double share) =>
        sorted.Length == 0 ? double.NaN : sorted[Math.Clamp((int)Math.Ceiling(share * sorted.Length) - 1, 0, sorted.Length - 1)];

    private static string Text(double number, string format) => number.ToString(format, CultureInfo.InvariantCulture);
}
