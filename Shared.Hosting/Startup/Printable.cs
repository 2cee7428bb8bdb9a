using System.Globalization;
using System.Text;

namespace ConcertSaga.Shared.Hosting;

/// <summary>
/// Makes foreign text safe for an operator's terminal. Control characters could clear the screen or fake a line, and invisible ones could
/// make two names look alike.
/// </summary>
public static class Printable
{
    // By category these are letters and symbols, but they show nothing.
    private static readonly HashSet<int> Blank = [0x115F, 0x1160, 0x2800, 0x3164, 0xFFA0, 0x1D159];

    /// <summary>Replaces every invisible or unsafe character by its escape, such as <c>\u001b</c>.</summary>
    public static string Of(string text)
    {
        var shown = new StringBuilder(text.Length);
        for (var i = 0; i < text.Length;)
        {
            var isWhole = Rune.TryGetRuneAt(text, i, out var rune);
            var length = isWhole ? rune.Utf16SequenceLength : 1;
            if (isWhole && (rune.Value == ' ' || !IsHidden(rune)))
                shown.Append(text, i, length);
            else
            {
                foreach (var unit in text.AsSpan(i, length))
                    shown.Append(CultureInfo.InvariantCulture, $"\\u{(int)unit:x4}");
            }
            i += length;
        }
        return shown.ToString();
    }

    /// <summary>Whether a text is a single line with at least one visible character.</summary>
    public static bool IsVisibleLine(string text)
    {
        var isVisible = false;
        foreach (var rune in text.EnumerateRunes())
        {
            if (Rune.GetUnicodeCategory(rune)
                is UnicodeCategory.Control or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator)
                return false;
            isVisible |= IsVisible(rune);
        }
        return isVisible;
    }

    // Marks and joiners only modify their neighbours, so they are not visible by themselves.
    private static bool IsVisible(Rune rune) => !Blank.Contains(rune.Value) && (Rune.IsLetterOrDigit(rune) || Rune.IsPunctuation(rune)
        || Rune.IsSymbol(rune) || Rune.GetUnicodeCategory(rune) is UnicodeCategory.LetterNumber or UnicodeCategory.OtherNumber);

    private static bool IsHidden(Rune rune) => Blank.Contains(rune.Value) || rune.Value is 0x034F or (>= 0x17B4 and <= 0x17B5)
        || Rune.GetUnicodeCategory(rune) is UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.LineSeparator
            or UnicodeCategory.ParagraphSeparator or UnicodeCategory.SpaceSeparator or UnicodeCategory.PrivateUse
            or UnicodeCategory.OtherNotAssigned;
}
