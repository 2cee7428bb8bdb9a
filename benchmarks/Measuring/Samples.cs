using System.Globalization;

namespace ConcertSaga.Benchmarks.Measuring;

/// <summary>One figure, measured once in each round: its median and how far the rounds lie apart.</summary>
internal sealed class Samples(IEnumerable<double> values)
{
    private readonly double[] _sorted = [.. values.Where(double.IsFinite).Order()];

    public double Median => _sorted.Length == 0 ? double.NaN
        : _sorted.Length % 2 == 1 ? _sorted[_sorted.Length / 2] : (_sorted[_sorted.Length / 2 - 1] + _sorted[_sorted.Length / 2]) / 2;

    public double Least => _sorted.Length == 0 ? double.NaN : _sorted[0];

    public double Most => _sorted.Length == 0 ? double.NaN : _sorted[^1];

    /// <summary>The median; of several rounds, also the least and the most in brackets. A dash where there is nothing.</summary>
    public string ToText(string format) => _sorted.Length switch
    {
        0 => "–",
        1 => Median.ToString(format, CultureInfo.InvariantCulture),
        _ => $"{Median.ToString(format, CultureInfo.InvariantCulture)} ({Least.ToString(format, CultureInfo.InvariantCulture)}–{Most.ToString(format, CultureInfo.InvariantCulture)})"
    };

    /// <summary>The value below which a share of the sorted values lies (nearest rank); not a number of none.</summary>
    public static double Percentile(double[] sorted, double share) =>
        sorted.Length == 0 ? double.NaN : sorted[Math.Clamp((int)Math.Ceiling(share * sorted.Length) - 1, 0, sorted.Length - 1)];
}
