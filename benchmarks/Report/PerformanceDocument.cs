using ConcertSaga.Benchmarks.Measuring;
using ConcertSaga.Testing;

namespace ConcertSaga.Benchmarks.Report;

/// <summary><c>docs/performance.md</c>: handwritten text, and results of the benchmarks between markers.</summary>
internal static class PerformanceDocument
{
    private const string File = "docs/performance.md";

    /// <summary>Replaces the text between <c>&lt;!-- name:begin --&gt;</c> and <c>&lt;!-- name:end --&gt;</c>.</summary>
    public static async Task WriteAsync(string name, string content)
    {
        var path = Path.Combine(Repository.Root, File);
        var text = await System.IO.File.ReadAllTextAsync(path);
        string begin = $"<!-- {name}:begin -->\n", end = $"<!-- {name}:end -->";
        var from = text.IndexOf(begin, StringComparison.Ordinal);
        var to = text.IndexOf(end, StringComparison.Ordinal);
        if (from < 0 || to < from)
            throw new BenchmarkException($"{File} lacks the lines {begin.Trim()} and {end}. Add them where the result belongs.");
        await System.IO.File.WriteAllTextAsync(path,
            $"{text[..(from + begin.Length)]}{content.ReplaceLineEndings("\n").TrimEnd('\n')}\n{text[to..]}");
    }

    /// <summary>Writes a picture.</summary>
    /// <returns>The Markdown that shows it.</returns>
    public static async Task<string> WritePictureAsync(string name, string title, string svg)
    {
        var folder = Path.Combine(Repository.Root, "docs", "images");
        Directory.CreateDirectory(folder);
        await System.IO.File.WriteAllTextAsync(Path.Combine(folder, $"{name}.svg"), svg.ReplaceLineEndings("\n"));
        return $"![{title}](images/{name}.svg)";
    }
}
