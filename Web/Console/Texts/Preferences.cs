using System.Globalization;
using Microsoft.AspNetCore.Http;

namespace ConcertSaga.OperatorConsole.Texts;

/// <summary>How an operator wants to see the pages, kept in cookies.</summary>
/// <param name="Language">One of <see cref="Languages"/>.</param>
/// <param name="Times">One of <see cref="TimeForms"/>.</param>
internal sealed record Preferences(string Language, string Times)
{
    public const string LanguageCookie = "concert-console-language", TimesCookie = "concert-console-times";

    public static readonly string[] Languages = ["en", "ko"];

    public static readonly string[] TimeForms = ["utc", "local", "relative"];

    /// <summary>The operator's choice, or the language that the browser prefers, and UTC.</summary>
    public static Preferences Of(HttpRequest request) => new(
        Known(request.Cookies[LanguageCookie], Languages) ?? Accepted(request) ?? Languages[0],
        Known(request.Cookies[TimesCookie], TimeForms) ?? TimeForms[0]);

    public static string? Known(string? value, string[] allowed) => allowed.Contains(value) ? value : null;

    private static string? Accepted(HttpRequest request) => request.GetTypedHeaders().AcceptLanguage
        .Where(language => language.Quality != 0).OrderByDescending(language => language.Quality ?? 1)
        .Select(language => Known(language.Value.ToString().Split('-')[0].ToLower(CultureInfo.InvariantCulture), Languages))
        .FirstOrDefault(language => language is not null);
}
