using System.Globalization;
using Microsoft.Extensions.Primitives;

namespace ConcertSaga.OperatorConsole.Parts;

/// <summary>The requests of dry runs: what a list's form has selected.</summary>
public static class BulkChanges
{
    private static readonly Dictionary<string, string[]> Filters = new()
    {
        ["reservations/retry"] = ["state", "status", "userId", "concertId", "scheduleId", "seat", "failureCode", "stuck", "retrying",
            "createdFrom", "createdTo"],
        ["reservations/cancel"] = ["state", "status", "userId", "concertId", "scheduleId", "seat", "failureCode", "stuck", "retrying",
            "createdFrom", "createdTo"],
        ["deliveries/send-again"] = ["status", "eventType", "reservationId", "from", "to"],
        ["failed-messages/requeue"] = ["queue", "kind", "messageType", "exception"],
        ["failed-messages/discard"] = ["queue", "kind", "messageType", "exception"]
    };

    /// <summary>The kinds of changes, which are the routes below <c>/ops/api/</c>.</summary>
    public static IReadOnlyCollection<string> Kinds => Filters.Keys;

    /// <summary>The kind, if there is such a change.</summary>
    public static string? Known(string? kind) => kind is not null && Filters.ContainsKey(kind) ? kind : null;

    /// <summary>Selects objects by their ids; null without any.</summary>
    public static object? ByIds(string kind, IEnumerable<string> ids)
    {
        object[] values = kind.StartsWith("failed-messages/", StringComparison.Ordinal)
            ? [.. ids.Select(id => long.TryParse(id, CultureInfo.InvariantCulture, out var number) ? number : 0L).OfType<object>()]
            : [.. ids];
        return values.Length == 0 ? null : new { ids = values, dryRun = true };
    }

    /// <summary>Selects objects by the filter of a list.</summary>
    public static object ByFilter(string kind, Dictionary<string, StringValues> query) => new
    {
        filter = Filters[kind].Where(name => query.TryGetValue(name, out var value) && value is [{ Length: > 0 }])
            .ToDictionary(name => name, name => ValueOf(name, query[name].ToString())),
        dryRun = true
    };

    private static object ValueOf(string name, string text) => name switch
    {
        "concertId" or "scheduleId" or "seat" when int.TryParse(text, CultureInfo.InvariantCulture, out var number) => number,
        "stuck" or "retrying" => text == "true",
        "createdFrom" or "createdTo" => ReservationColumns.InstantOf(text),
        _ => text
    };
}
