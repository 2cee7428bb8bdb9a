using System.Globalization;
using System.Text.RegularExpressions;
using Microsoft.Extensions.Configuration;

namespace ConcertSaga.Shared.Hosting;

/// <summary>
/// Reads single values. Each type has one spelling. The framework's parsers also accept <c>5</c> as five days, <c>3</c> as an enum's member
/// and spaces around a number, so an operator's mistake would go unnoticed.
/// </summary>
public static partial class SettingValues
{
    /// <summary>Reads a key that belongs to no options class.</summary>
    public static T Read<T>(this IConfiguration configuration, string key, T fallback)
        where T : notnull =>
        configuration[key] is { } text ? (T)Parse(key, text, typeof(T)) : fallback;

    /// <summary>Reads a key that another service's options class limits to a range.</summary>
    public static T Read<T>(this IConfiguration configuration, string key, T fallback, T min, T max)
        where T : notnull, IComparable<T>
    {
        var value = configuration.Read(key, fallback);
        return value.CompareTo(min) >= 0 && value.CompareTo(max) <= 0 ? value
            : throw new StartupException(string.Create(CultureInfo.InvariantCulture, $"{key} is '{value}'; allowed: {min} to {max}."));
    }

    internal static object Parse(string key, string text, Type type)
    {
        if (type == typeof(string))
            return text;
        if (type == typeof(Uri))
            return Address(key, text);
        return ParseExactly(text, type) ?? throw new StartupException($"{key} is {SettingText.Show(key, text)}; allowed: {Allowed(type)}.");
    }

    /// <summary>Reads an absolute http or https address. User info is refused, because no component would send it.</summary>
    public static Uri Address(string key, string text)
    {
        if (text.Trim() != text || !Uri.TryCreate(text, UriKind.Absolute, out var address) || address.Scheme is not ("http" or "https")
            || address.Host.Length == 0 || !text.Contains("://", StringComparison.Ordinal))
            throw new StartupException(
                $"{key} is {(text.Length == 0 ? "missing" : SettingText.ShowAddress(text))}; allowed: an absolute address such as "
                    + "http://localhost:8080.");
        return address is { UserInfo: "", Fragment: "" } && !text.Contains('@') ? address
            : throw new StartupException(
                $"{key} has a user name, a password or a fragment in its address; allowed: an address without them.");
    }

    private static object? ParseExactly(string text, Type type)
    {
        const NumberStyles whole = NumberStyles.AllowLeadingSign;
        var culture = CultureInfo.InvariantCulture;
        if (type.IsEnum)
            return Enum.GetNames(type).FirstOrDefault(name => name.Equals(text, StringComparison.OrdinalIgnoreCase)) is { } name
                ? Enum.Parse(type, name) : null;
        if (type == typeof(TimeSpan))
            return TimeSpanForm().IsMatch(text) && TimeSpan.TryParse(text, culture, out var span) ? span : null;
        if (type == typeof(bool))
            return bool.TryParse(text, out var yes) && text.Trim() == text ? yes : null;
        if (type == typeof(int))
            return int.TryParse(text, whole, culture, out var number) ? number : null;
        if (type == typeof(long))
            return long.TryParse(text, whole, culture, out var large) ? large : null;
        if (type == typeof(double))
            return double.TryParse(text, whole | NumberStyles.AllowDecimalPoint, culture, out var real) && double.IsFinite(real) ? real
                : null;
        throw new NotSupportedException($"No setting can be a {type}.");
    }

    internal static string Allowed(Type type) =>
        type.IsEnum ? string.Join(", ", Enum.GetNames(type))
        : type == typeof(TimeSpan) ? "a time span such as 00:00:10"
        : type == typeof(bool) ? "true, false"
        : type == typeof(Uri) ? "an absolute address such as http://localhost:8080"
        : type == typeof(double) ? "a number such as 0.5"
        : type == typeof(string) || type == typeof(string[]) ? "a text" : "a whole number";

    // At most 23 hours, because the parser reads 25:00:00 as 25 days.
    [GeneratedRegex(@"^-?(\d{1,8}\.)?([01]?\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,7})?$", RegexOptions.ECMAScript)]
    private static partial Regex TimeSpanForm();
}
