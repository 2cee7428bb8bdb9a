using System.Globalization;
using System.Text.RegularExpressions;
using ConcertSaga.Testing;

namespace ConcertSaga.AllInOne.Tests.Settings;

/// <summary>Every setting has a row in <c>docs/configuration.md</c> with its default.</summary>
public sealed partial class ConfigurationPageTests
{
    [Fact]
    public void Page_EveryProperty_HasARowWithItsDefault()
    {
        var rows = File.ReadLines(Path.Combine(Repository.Root, "docs", "configuration.md"))
            .Where(line => line.StartsWith("| `", StringComparison.Ordinal))
            .SelectMany(line => KeysOf(line.Split('|')[1]).Select(key => (key, line)))
                .ToLookup(row => row.key, row => row.line, StringComparer.OrdinalIgnoreCase);
        var wrong = new List<string>();
        foreach (var setting in OptionsClasses.All.SelectMany(options => OptionsClasses.SettingsOf(options.Section, options.Type)))
        {
            if (!rows.Contains(setting.Key))
                wrong.Add($"{setting.Key} has no row.");
            else if (TextOf(setting.Default) is { } text && !rows[setting.Key].Any(row => Contains(row, text)))
                wrong.Add($"{setting.Key} has the default {text}, but its row is: {rows[setting.Key].First()}");
        }
        Assert.True(wrong.Count == 0, string.Join('\n', wrong));
    }

    // A row may name several keys as `Section:One`, `:Two`. A short key begins with the section of the first key.
    private static IEnumerable<string> KeysOf(string cell)
    {
        var first = "";
        var before = "";
        foreach (var name in Quoted().Matches(cell).Select(match => match.Groups[1].Value))
        {
            if (!name.StartsWith(':'))
                first = before = name;
            var prefixes = new[] { first, before }.SelectMany(Prefixes).Distinct();
            foreach (var key in name.StartsWith(':') ? prefixes.Select(prefix => prefix + name) : [name])
                yield return ListItem().Replace(key, "");
            if (name.StartsWith(':'))
                before = first[..first.LastIndexOf(':')] + name;
            foreach (var below in cell.Contains(", each ", StringComparison.Ordinal) ? new[] { "PerSecond", "Burst" } : [])
                yield return $"{before}:{below}";
        }
    }

    private static IEnumerable<string> Prefixes(string key)
    {
        while (key.LastIndexOf(':') is var end and > 0)
            yield return key = key[..end];
    }

    private static bool Contains(string row, string text) =>
        Regex.IsMatch(row.Replace(",", "", StringComparison.Ordinal), $@"(?<![\w.:]){Regex.Escape(text)}(?![\w:])");

    private static string? TextOf(object? value) => value switch
    {
        null or "" or string[] => null,
        TimeSpan span => TrailingZeros().Replace(span.ToString("c", CultureInfo.InvariantCulture), ""),
        bool flag => flag ? "true" : "false",
        _ => Convert.ToString(value, CultureInfo.InvariantCulture)
    };

    [GeneratedRegex("`([^`]+)`")]
    private static partial Regex Quoted();

    [GeneratedRegex(@":0$")]
    private static partial Regex ListItem();

    [GeneratedRegex(@"(?<=\.\d{3})0+$")]
    private static partial Regex TrailingZeros();
}
