using System.Buffers.Text;
using System.Globalization;
using System.Text;
using Microsoft.AspNetCore.Http;

namespace ConcertSaga.Shared.Hosting.Http;

/// <summary>One page of a list.</summary>
/// <param name="Items">The items, in the list's order.</param>
/// <param name="NextCursor">Pass it as <c>cursor</c> to get the page after this one; null on the last page.</param>
public sealed record Page<T>(IReadOnlyList<T> Items, string? NextCursor);

/// <summary>Keyset paging: a cursor is the key of the last item seen, opaque to clients.</summary>
public static class Paging
{
    /// <summary>Items on a page where the caller does not say.</summary>
    public const int DefaultLimit = 20;

    /// <summary>The most items on a page.</summary>
    public const int MaxLimit = 100;

    /// <summary>Checks <c>limit</c>; throws a 400 when it is out of bounds.</summary>
    public static int Limit(int? limit) => limit switch
    {
        null => DefaultLimit,
        >= 1 and <= MaxLimit => limit.Value,
        _ => throw new BadHttpRequestException($"limit must be between 1 and {MaxLimit}.")
    };

    /// <summary>Reads a cursor made by <see cref="Cut{T}"/>; throws a 400 when it is none.</summary>
    public static TKey? Cursor<TKey>(string? cursor)
        where TKey : struct, IParsable<TKey>
    {
        if (string.IsNullOrEmpty(cursor))
            return null;
        if (Base64Url.IsValid(cursor) && TKey.TryParse(Encoding.UTF8.GetString(Base64Url.DecodeFromChars(cursor)), null, out var key))
            return key;
        throw new BadHttpRequestException("cursor is not one this list gave out.");
    }

    /// <summary>Cuts a page from a query that took one item more than <paramref name="limit"/>.</summary>
    public static Page<T> Cut<T>(List<T> items, int limit, Func<T, IFormattable> key)
    {
        if (items.Count <= limit)
            return new Page<T>(items, null);
        items.RemoveAt(limit);
        return new Page<T>(items, Base64Url.EncodeToString(Encoding.UTF8.GetBytes(key(items[^1]).ToString(null, CultureInfo.InvariantCulture))));
    }
}
