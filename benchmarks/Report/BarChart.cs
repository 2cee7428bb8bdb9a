using System.Globalization;
using System.Net;
using System.Text;

namespace ConcertSaga.Benchmarks.Report;

/// <summary>One bar of stacked parts; a whisker shows the range of the rounds.</summary>
internal sealed record Bar(string Label, double[] Parts, string Text, double? Min = null, double? Max = null);

/// <summary>Horizontal bars as SVG, in colours that are readable on light and dark backgrounds.</summary>
internal static class BarChart
{
    private const int Width = 760, Left = 170, Right = 150, Row = 30, Top = 44;

    private const string Font = "font-family=\"system-ui, sans-serif\" font-size=\"13\" fill=\"#808080\"";

    private static readonly string[] Colours = ["#3b82c4", "#d9822b", "#5a9e5f", "#9a6fb0"];

    /// <param name="title">Title above the bars.</param>
    /// <param name="bars">Bars from top to bottom.</param>
    /// <param name="parts">Legend for the parts of a bar; empty if each bar has one part.</param>
    public static string Draw(string title, IReadOnlyList<Bar> bars, params string[] parts)
    {
        var longest = bars.Max(bar => Math.Max(bar.Parts.Where(double.IsFinite).Sum(), bar.Max ?? 0));
        var scale = longest > 0 ? (Width - Left - Right) / longest : 0;
        var height = Top + bars.Count * Row + (parts.Length > 0 ? 34 : 10);
        var svg = new StringBuilder();
        FormattableString size = $"""viewBox="0 0 {Width} {height}" width="{Width}" height="{height}" """;
        Add($"""<svg xmlns="http://www.w3.org/2000/svg" {size}role="img" {Font}>""");
        Add($"""<title>{Escape(title)}</title>""");
        Add($"""<text x="8" y="22" font-size="15">{Escape(title)}</text>""");
        foreach (var (place, bar) in bars.Index())
        {
            double y = Top + place * Row, x = Left;
            Add($"""<text x="{Left - 8}" y="{y + 15}" text-anchor="end">{Escape(bar.Label)}</text>""");
            foreach (var (part, value) in bar.Parts.Index())
            {
                if (!double.IsFinite(value))
                    continue;
                Add($"""<rect x="{x:0.#}" y="{y}" width="{value * scale:0.#}" height="20" fill="{Colours[part % Colours.Length]}"/>""");
                x += value * scale;
            }
            if (bar is { Min: { } min, Max: { } max } && max > min)
                AddWhisker(Left + min * scale, Left + max * scale, y);
            Add($"""<text x="{Math.Max(x, Left + (bar.Max ?? 0) * scale) + 8:0.#}" y="{y + 15}">{Escape(bar.Text)}</text>""");
        }
        foreach (var (place, part) in parts.Index())
        {
            var x = Left + place * 150;
            var y = Top + bars.Count * Row + 8;
            FormattableString square = $"""<rect x="{x}" y="{y}" width="12" height="12" fill="{Colours[place % Colours.Length]}"/>""";
            Add($"""{square}<text x="{x + 18}" y="{y + 11}">{Escape(part)}</text>""");
        }
        return svg.AppendLine("</svg>").ToString();

        void AddWhisker(double from, double to, double y)
        {
            var path = string.Create(CultureInfo.InvariantCulture,
                $"M{from:0.#} {y + 10}H{to:0.#}M{from:0.#} {y + 5}v10M{to:0.#} {y + 5}v10");
            Add($"""<path d="{path}" stroke="#808080" stroke-width="2" fill="none"/>""");
        }

        void Add(FormattableString line) => svg.AppendLine(line.ToString(CultureInfo.InvariantCulture));
    }

    private static string Escape(string text) => WebUtility.HtmlEncode(text);
}
