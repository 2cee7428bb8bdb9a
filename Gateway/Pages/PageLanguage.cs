using System.Globalization;

namespace ConcertSaga.Gateway.Pages;

/// <summary>Chooses the language of a page: the one that the customer chose on a page before, or the browser's.</summary>
internal static class PageLanguage
{
    public const string English = "en", Korean = "ko";

    /// <summary>The cookie in which a page keeps the customer's choice.</summary>
    public const string Cookie = "concert-language";

    public static readonly string[] All = [English, Korean];

    public static string Of(HttpRequest request)
    {
        if (request.Cookies[Cookie] is { } chosen && All.Contains(chosen))
            return chosen;
        foreach (var accepted in request.GetTypedHeaders().AcceptLanguage.OrderByDescending(language => language.Quality ?? 1))
        {
            if (accepted.Quality == 0)
                continue;
            var language = accepted.Value.ToString().Split('-')[0].ToLower(CultureInfo.InvariantCulture);
            if (All.Contains(language))
                return language;
        }
        return English;
    }

    /// <summary>States what the content of a page depends on.</summary>
    public static void Describe(HttpResponse response, string language)
    {
        response.Headers.ContentLanguage = language;
        response.Headers.Append("Vary", "Accept-Language, Cookie");
    }
}
