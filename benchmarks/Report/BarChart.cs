using System.Globalization;
using System.Net;
using System.Text;

namespace ConcertSaga.Benchmarks.Report;

/// <summary>One bar: its parts stand one behind the other; a whisker shows how far rounds lie apart.</summary>
internal sealed record Bar(string Label, double[] Parts, string Text, double? Least = null, double? Most = null);

/// <summary>Bars from left to right as SVG, in colours that can be read on light and dark ground.</summary>
internal static class BarChart
{
    private const int Width = 760, Left = 170, Right = 150, Row = 30, Top = 44;

    private static readonly string[] Colours = ["#3b82c4", "#d9822b", "#5a9e5f", "#9a6fb0"];

    /// <param name="title">Above the bars.</param>
    /// <param name="bars">From top to bottom.</param>
    /// <param name="parts">What the parts of a bar are; none when a bar has one.</param>
    public static string Draw(string title, IReadOnlyList<Bar> bars, params string[] parts)
    {
        var most = bars.Max(bar => Math.Max(bar.Parts.Where(double.IsFinite).Sum(), bar.Most ?? 0));
        var scale = most > 0 ? (Width - Left - Right) / most : 0;
        var height = Top + bars.Count * Row + (parts.Length > 0 ? 34 : 10);
        var svg = new StringBuilder();
        Add($"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {Width} {height}" width="{Width}" height="{height}" role="img" font-family="system-ui, sans-serif" font-size="13" fill="#808080">""");
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
            if (bar is { Least: { } least, Most: { } greatest } && greatest > least)
                Add($"""<path d="M{Left + least * scale:0.#} {y + 10}H{Left + greatest * scale:0.#}M{Left + least * scale:0.#} {y + 5}v10M{Left + greatest * scale:0.#} {y + 5}v10" stroke="#808080" stroke-width="2" fill="none"/>""");
            Add($"""<text x="{Math.Max(x, Left + (bar.Most ?? 0) * scale) + 8:0.#}" y="{y + 15}">{Escape(bar.Text)}</text>""");
        }
        foreach (var (place, part) in parts.Index())
        {
            var x = Left + place * 150;
            var y = Top + bars.Count * Row + 8;
            Add($"""<rect x="{x}" y="{y}" width="12" height="12" fill="{Colours[place % Colours.Length]}"/><text x="{x + 18}" y="{y + 11}">{Escape(part)}</text>""");
        }
        return svg.AppendLine("</svg>").ToString();

        void Add(FormattableString line) => svg.AppendLine(line.ToString(CultureInfo.InvariantCulture));
    }

    private static string Escape(string text) => WebUtility.HtmlEncode(text);
}
