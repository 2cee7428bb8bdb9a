using System.Buffers.Text;
using System.Globalization;
using System.Text;

namespace ConcertSaga.Shared.Hosting.Http;

/// <summary>One page of a list.</summary>
/// <param name="Items">The items, in the list's order.</param>
/// <param name="NextCursor">The <c>cursor</c> of the next page; null on the last page.</param>
public sealed record Page<T>(IReadOnlyList<T> Items, string? NextCursor);

/// <summary>Pages lists by key: a cursor is the key of the last item on a page, opaque to clients.</summary>
public static class Paging
{
    /// <summary>The number of items on a page by default.</summary>
    public const int DefaultLimit = 20;

    /// <summary>The maximum number of items on a page.</summary>
    public const int MaxLimit = 100;

    /// <summary>The maximum number of items on a page of a list for operators.</summary>
    public const int MaxOperatorLimit = 200;

    /// <summary>Reads a cursor that <see cref="Cut{T}"/> made; throws a 400 for any other text.</summary>
    /// <param name="cursor">The cursor; null or empty for the first page.</param>
    /// <param name="parameter">The name of the parameter that carries it.</param>
    public static TKey? Cursor<TKey>(string? cursor, string parameter = "cursor")
        where TKey : struct, IParsable<TKey>, IFormattable
    {
        if (string.IsNullOrEmpty(cursor))
            return null;
        // Compared, because both readers also accept white space, and numbers in other forms.
        if (Base64Url.IsValid(cursor)
            && TKey.TryParse(Encoding.UTF8.GetString(Base64Url.DecodeFromChars(cursor)), CultureInfo.InvariantCulture, out var key)
            && Write(key) == cursor)
            return key;
        throw RefusedRequestException.Parameter(parameter, "The cursor does not belong to this list. Start again without one.");
    }

    /// <summary>Cuts a page out of items that were queried with one more than <paramref name="limit"/>.</summary>
    public static Page<T> Cut<T>(List<T> items, int limit, Func<T, IFormattable> key)
    {
        if (items.Count <= limit)
            return new Page<T>(items, null);
        items.RemoveAt(limit);
        return new Page<T>(items, Write(key(items[^1])));
    }

    /// <summary>Writes a key as a cursor.</summary>
    public static string Write(IFormattable key) =>
        Base64Url.EncodeToString(Encoding.UTF8.GetBytes(key.ToString(null, CultureInfo.InvariantCulture)));
}
