using Microsoft.AspNetCore.Http;

namespace ConcertSaga.OperatorConsole.Parts;

/// <summary>The columns and filters of the list of reservations.</summary>
public static class ReservationColumns
{
    private static readonly string[] Filters =
    [
        "state", "status", "userId", "concertId", "scheduleId", "seat", "failureCode", "stuck", "retrying", "createdFrom", "createdTo",
            "sort"
    ];

    /// <summary>The statuses as customers see them.</summary>
    public static IReadOnlyList<string> Statuses { get; } =
        ["Pending", "AwaitingPayment", "Paying", "Confirmed", "Cancelling", "Rejected", "Expired", "Cancelled", "Failed"];

    /// <summary>All columns.</summary>
    public static IReadOnlyList<string> All { get; } =
    [
        "state", "user", "schedule", "seats", "price", "remaining", "attempts", "next", "failure", "created", "concert", "updated",
            "confirmed"
    ];

    /// <summary>The columns without a choice.</summary>
    public static string[] Shown { get; } = [.. All.Take(10)];

    /// <summary>Whether a column is aligned as numbers are.</summary>
    public static bool IsNumber(string column) => column is "schedule" or "price" or "attempts" or "concert";

    /// <summary>The filter of a query. The browser's fields for instants have no offset; they mean UTC.</summary>
    public static IReadOnlyList<(string Name, string Value)> FilterOf(IQueryCollection query) =>
    [
        .. Filters.Where(name => query[name] is [{ Length: > 0 }]).Select(name => (name, name is "createdFrom" or "createdTo"
            ? InstantOf(query[name].ToString()) : query[name].ToString()))
    ];

    /// <summary>An instant as the routes read it.</summary>
    public static string InstantOf(string text) => text.Length == 16 ? $"{text}:00Z" : text.EndsWith('Z') ? text : $"{text}Z";
}
