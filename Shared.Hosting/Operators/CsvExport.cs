using System.Collections;
using System.Globalization;
using System.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;

namespace ConcertSaga.Shared.Hosting.Operators;

/// <summary>The format of a list.</summary>
public enum ListFormat
{
    /// <summary>One page.</summary>
    Json,

    /// <summary>Everything that matches, streamed.</summary>
    Csv
}

/// <summary>Streams lists as CSV by RFC 4180.</summary>
public static class CsvExport
{
    private static readonly char[] Special = [',', '"', '\r', '\n'];

    // A spreadsheet evaluates a cell that begins with one of these.
    private static readonly char[] Formula = ['=', '+', '-', '@', '\t', '\r'];

    /// <summary>Creates the response.</summary>
    /// <param name="fileName">The name under which a browser saves it.</param>
    /// <param name="rows">The rows; enumerated while the response is sent.</param>
    /// <param name="columns">The names of the columns and their values.</param>
    public static PushStreamHttpResult Stream<T>(string fileName, IAsyncEnumerable<T> rows,
        IReadOnlyList<(string Name, Func<T, object?> Value)> columns) =>
        TypedResults.Stream(async body =>
        {
            await using var writer = new StreamWriter(body, new UTF8Encoding(false), leaveOpen: true) { NewLine = "\r\n" };
            await writer.WriteLineAsync(string.Join(',', columns.Select(column => column.Name)));
            await foreach (var row in rows)
                await writer.WriteLineAsync(string.Join(',', columns.Select(column => Cell(column.Value(row)))));
        }, "text/csv; charset=utf-8; header=present", fileName);

    internal static string Cell(object? value)
    {
        var text = value switch
        {
            null => "",
            string given => given.Length > 0 && Formula.Contains(given[0]) ? "'" + given : given,
            DateTimeOffset instant => instant.UtcDateTime.ToString("O", CultureInfo.InvariantCulture),
            IEnumerable items => string.Join(' ',
                items.Cast<object>().Select(item => Convert.ToString(item, CultureInfo.InvariantCulture))),
            _ => Convert.ToString(value, CultureInfo.InvariantCulture)!
        };
        return text.IndexOfAny(Special) < 0 ? text : $"\"{text.Replace("\"", "\"\"")}\"";
    }
}
