using ConcertSaga.Benchmarks.Measuring;
using ConcertSaga.Testing;

namespace ConcertSaga.Benchmarks.Report;

/// <summary>The text of a document between <c>&lt;!-- name:begin --&gt;</c> and <c>&lt;!-- name:end --&gt;</c>.</summary>
internal static class MarkedSection
{
    /// <summary>Replaces the text.</summary>
    /// <param name="document">The document, from the root of the repository.</param>
    /// <param name="name">The name of the section.</param>
    /// <param name="change">Makes the new text from the old one.</param>
    public static async Task ReplaceAsync(string document, string name, Func<string, string> change)
    {
        var path = Path.Combine(Repository.Root, document);
        var text = await File.ReadAllTextAsync(path);
        string begin = $"<!-- {name}:begin -->\n", end = $"<!-- {name}:end -->";
        var from = text.IndexOf(begin, StringComparison.Ordinal);
        var to = text.IndexOf(end, StringComparison.Ordinal);
        if (from < 0 || to < from)
            throw new BenchmarkException($"{document} lacks the lines {begin.Trim()} and {end}. Add them where the result belongs.");
        from += begin.Length;
        await File.WriteAllTextAsync(path, $"{text[..from]}{change(text[from..to]).ReplaceLineEndings("\n").TrimEnd('\n')}\n{text[to..]}");
    }
}
