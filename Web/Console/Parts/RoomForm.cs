using System.Globalization;
using ConcertSaga.OperatorConsole.Api;

namespace ConcertSaga.OperatorConsole.Parts;

/// <summary>The settings of a waiting room as fields of a form.</summary>
public static class RoomForm
{
    /// <summary>The route of waiting rooms.</summary>
    public const string Route = "/ops/api/waiting-rooms";

    /// <summary>The members that the form changes; the pause has a form of its own.</summary>
    public static IReadOnlyList<string> Members { get; } = ["capacity", "batchSize", "interval", "claimWindow", "passLifetime"];

    /// <summary>The value of a member as text; empty if it is not set.</summary>
    public static string TextOf(RoomSettingsShown settings, string member) => member switch
    {
        "capacity" => Text(settings.Capacity),
        "batchSize" => Text(settings.BatchSize),
        "interval" => Text(settings.Interval),
        "claimWindow" => Text(settings.ClaimWindow),
        _ => Text(settings.PassLifetime)
    };

    /// <summary>
    /// The members of a form that differ from the settings, with their values for the route. A missing field is null, and unchanged.
    /// </summary>
    public static Dictionary<string, object?> ChangesOf(RoomSettingsShown now, Func<string, string?> field) => Members
        .Where(member => field(member) is { } text && text.Trim() != TextOf(now, member))
        .ToDictionary(member => member, member => ValueOf(member, field(member)!.Trim()));

    private static object? ValueOf(string member, string text) => text.Length == 0 ? null
        // The route refuses any other text, and says what is allowed.
        : member is "capacity" or "batchSize" && int.TryParse(text, CultureInfo.InvariantCulture, out var number) ? number : text;

    private static string Text<TValue>(TValue? value) => Convert.ToString(value, CultureInfo.InvariantCulture) ?? "";
}
