using System.Globalization;
using ConcertSaga.Shared.Hosting.Http;

namespace ConcertSaga.Operations.Actions;

/// <summary>
/// The position in a list that is merged from several sources: for each source, the key after which its next row follows. One common key
/// would not do, because servers order the ids of one instant differently.
/// </summary>
internal readonly record struct ActionCursor : IParsable<ActionCursor>, IFormattable
{
    private ActionCursor(InstantKey<Guid>[] keys) => Keys = keys;

    /// <summary>The keys, in the order of the sources.</summary>
    public InstantKey<Guid>[] Keys { get; }

    /// <summary>
    /// Creates the position after a page. A source without a row on it continues at the end of the page, also if it was away: its rows
    /// would otherwise follow older ones. If it was further already, it stays there.
    /// </summary>
    /// <param name="page">The rows with their sources, newest first.</param>
    /// <param name="before">The position before the page; null if it was the first one.</param>
    /// <param name="sources">The number of sources.</param>
    public static ActionCursor After(IReadOnlyList<(int Source, InstantKey<Guid> Key)> page, ActionCursor? before, int sources)
    {
        var end = new InstantKey<Guid>(page[^1].Key.At, Guid.AllBitsSet);
        return new ActionCursor([.. Enumerable.Range(0, sources).Select(source =>
            page.Where(row => row.Source == source).Select(row => (InstantKey<Guid>?)row.Key).LastOrDefault()
                ?? (before?.Keys[source] is { } reached && reached.At <= end.At ? reached : end))]);
    }

    static ActionCursor IParsable<ActionCursor>.Parse(string s, IFormatProvider? provider) =>
        TryParse(s, out var cursor) ? cursor : throw new FormatException();

    static bool IParsable<ActionCursor>.TryParse(string? s, IFormatProvider? provider, out ActionCursor result) => TryParse(s, out result);

    public string ToString(string? format, IFormatProvider? formatProvider) =>
        string.Join(',', Keys.Select(key => key.ToString(null, CultureInfo.InvariantCulture)));

    private static bool TryParse(string? text, out ActionCursor cursor)
    {
        var keys = new List<InstantKey<Guid>>();
        foreach (var part in (text ?? "").Split(','))
        {
            if (!TryRead(part, out InstantKey<Guid> key))
            {
                cursor = default;
                return false;
            }
            keys.Add(key);
        }
        cursor = new ActionCursor([.. keys]);
        return true;
    }

    private static bool TryRead<T>(string text, out T key)
        where T : struct, IParsable<T> => T.TryParse(text, CultureInfo.InvariantCulture, out key);
}
