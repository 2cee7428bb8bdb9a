using ConcertSaga.Testing;

namespace ConcertSaga.Benchmarks.Report;

/// <summary><c>docs/performance.md</c>: handwritten text, and results of the benchmarks between markers.</summary>
internal static class PerformanceDocument
{
    /// <summary>Replaces the text of a section.</summary>
    public static Task WriteAsync(string name, string content) => MarkedSection.ReplaceAsync("docs/performance.md", name, _ => content);

    /// <summary>Writes a picture.</summary>
    /// <returns>The Markdown that shows it.</returns>
    public static async Task<string> WritePictureAsync(string name, string title, string svg)
    {
        var folder = Path.Combine(Repository.Root, "docs", "images");
        Directory.CreateDirectory(folder);
        await File.WriteAllTextAsync(Path.Combine(folder, $"{name}.svg"), svg.ReplaceLineEndings("\n"));
        return $"![{title}](images/{name}.svg)";
    }
}
