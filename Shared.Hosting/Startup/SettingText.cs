using System.Text.RegularExpressions;

namespace ConcertSaga.Shared.Hosting;

/// <summary>Formats settings for errors, log lines and views, without showing a secret.</summary>
public static partial class SettingText
{
    private static readonly string[] SecretKeys = ["Secret", "Secrets", "Key", "Password", "Token"];

    /// <summary>Formats a value for a message, as in <c>is 'soon'</c>. A value that may be a secret is replaced by words.</summary>
    public static string Show(string key, string? value)
    {
        if (string.IsNullOrEmpty(value))
            return value is null ? "missing" : "''";
        var name = key.Split(':').Last(part => !int.TryParse(part, out _));
        // A mistyped secret is still most of the secret.
        if (key.StartsWith("ConnectionStrings:", StringComparison.OrdinalIgnoreCase)
            || Array.Exists(SecretKeys, end => name.EndsWith(end, StringComparison.OrdinalIgnoreCase)))
            return "invalid";
        return value.Contains('@') && !value.Contains("://", StringComparison.Ordinal) ? "invalid" : $"'{WithoutUserInfo(value)}'";
    }

    /// <summary>Formats an address for a message, a log line or a view: without user name, password and query.</summary>
    public static string Show(Uri address) => WithoutUserInfo(address.OriginalString);

    /// <summary>Formats a text that should be an address, but may be a part of one with a password.</summary>
    internal static string ShowAddress(string value) => MayBeAddress().IsMatch(value) ? $"'{WithoutUserInfo(value)}'" : "not an address";

    private static string WithoutUserInfo(string value)
    {
        var scheme = value.IndexOf("://", StringComparison.Ordinal);
        var at = value.LastIndexOf('@');
        if (scheme >= 0 && at > scheme)
            value = $"{value[..(scheme + 3)]}***{value[at..]}";
        return scheme >= 0 && value.IndexOf('?') is var query and > 0 ? $"{value[..query]}?***" : value.ReplaceLineEndings(" ");
    }

    [GeneratedRegex(@"^[A-Za-z][A-Za-z0-9+.-]*://|^[\w.-]+(:\d{1,5})?(/[\w./-]*)?$")]
    private static partial Regex MayBeAddress();
}
