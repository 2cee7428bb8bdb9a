using System.Globalization;
using System.Text;

namespace ConcertSaga.Shared.Hosting.Http;

/// <summary>Checks text in requests: it must be Unicode without control characters, so every database and log can store it.</summary>
public static class StoredText
{
    internal const string HalfPair = "The text contains one half of a surrogate pair. Send both halves or neither.";

    private const int MaxQuotedLength = 64;

    /// <summary>Describes the fault of a text; null if it has none.</summary>
    public static string? FaultOf(string text)
    {
        foreach (var rune in text.EnumerateRunes())
        {
            if (Rune.IsControl(rune))
                return $"The text contains the control character U+{rune.Value:X4}. Remove it.";
        }
        return HasLoneSurrogate(text) ? HalfPair : null;
    }

    /// <summary>Whether a text shows nothing: only white space and invisible characters such as U+200B.</summary>
    public static bool IsBlank(string? text) =>
        text is null || text.EnumerateRunes().All(rune => Rune.IsWhiteSpace(rune)
            || Rune.GetUnicodeCategory(rune) is UnicodeCategory.Format);

    /// <summary>Shortens a client's text and removes unsafe characters, so that responses and logs can quote it.</summary>
    internal static string Quote(string text) => string.Concat((text.Length > MaxQuotedLength ? text[..MaxQuotedLength] : text)
        .Select(character => char.IsControl(character) || char.IsSurrogate(character) ? '?' : character));

    // EnumerateRunes would replace a lone surrogate.
    private static bool HasLoneSurrogate(string text)
    {
        for (var i = 0; i < text.Length; i++)
        {
            if (char.IsSurrogate(text[i]) && !(char.IsHighSurrogate(text[i]) && i + 1 < text.Length && char.IsLowSurrogate(text[++i])))
                return true;
        }
        return false;
    }
}
