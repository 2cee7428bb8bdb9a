using System.Text.Encodings.Web;
using ConcertSaga.Gateway.Http;
using ConcertSaga.Gateway.Pages;

namespace ConcertSaga.Gateway.SignIn;

/// <summary>The texts of the sign-in pages in one language.</summary>
internal sealed record SignInTexts(
    string Language, string Title, string Explanation, string UserId, string UserIdRule, string Operator, string Submit, string Expired,
    string Failed, string Unavailable, string Insecure, string Retry, string Forbidden, string Other);

/// <summary>
/// Writes the pages of the sign-in: plain HTML that needs no script, in English or Korean by <c>Accept-Language</c>.
/// </summary>
internal static class SignInPage
{
    private static readonly SignInTexts English = new(
        "en", "Sign in", "This is a demonstration. Any user id works, without a password.", "User id",
        "1 to 100 letters, digits, or . _ @ -", "Sign in as an operator", "Sign in", "The form has expired. Send it again.",
        "The sign-in failed. Try again.", "The sign-in is temporarily unavailable. Try again in a moment.",
        "Sign-in needs a secure connection. Open this page with https.", "Try again",
        "This page is for operators. Sign in with an account that has the role ops.", "Sign in with another account");

    private static readonly SignInTexts Korean = new(
        "ko", "로그인", "데모용 로그인입니다. 비밀번호 없이 어떤 사용자 ID로도 로그인할 수 있습니다.", "사용자 ID",
        "영문자, 숫자 또는 . _ @ - 1~100자", "운영자로 로그인", "로그인", "양식이 만료되었습니다. 다시 보내 주세요.",
        "로그인하지 못했습니다. 다시 시도해 주세요.", "지금은 로그인할 수 없습니다. 잠시 후 다시 시도해 주세요.",
        "로그인하려면 보안 연결이 필요합니다. https 주소로 열어 주세요.", "다시 시도",
        "운영자만 볼 수 있는 페이지입니다. ops 역할이 있는 계정으로 로그인해 주세요.", "다른 계정으로 로그인");

    /// <summary>Shows the demo form.</summary>
    /// <param name="context">The request.</param>
    /// <param name="status">The status of the response.</param>
    /// <param name="token">The name and value of the token that a submitted form must contain.</param>
    /// <param name="returnUrl">Where the sign-in returns to.</param>
    /// <param name="error">Chooses the text that says why an earlier form was refused; null for a new form.</param>
    public static Task ShowFormAsync(HttpContext context, int status, (string Name, string Value) token, string returnUrl,
        Func<SignInTexts, string>? error = null)
    {
        var texts = TextsOf(context.Request);
        return WriteAsync(context, status, texts, $"""
            <p class="lead">{texts.Explanation}</p>
            {(error is null ? "" : $"<p class=\"alert\" role=\"alert\">{error(texts)}</p>")}
            <form method="post" action="{SessionEndpoints.SignInRoute}">
            <input type="hidden" name="{token.Name}" value="{Encode(token.Value)}">
            <input type="hidden" name="returnUrl" value="{Encode(returnUrl)}">
            <p><label for="userId">{texts.UserId}</label>
            <input id="userId" name="userId" required maxlength="100" autocomplete="username" autofocus aria-describedby="rule"></p>
            <p id="rule" class="hint">{texts.UserIdRule}</p>
            <p class="check"><input type="checkbox" id="ops" name="roles" value="ops"> <label for="ops">{texts.Operator}</label></p>
            <p><button class="button primary wide" type="submit">{texts.Submit}</button></p>
            </form>
            """);
    }

    /// <summary>Says that the sign-in failed, and offers another attempt.</summary>
    public static Task ShowFailureAsync(HttpContext context, int status, string returnUrl)
    {
        var texts = TextsOf(context.Request);
        if (status == StatusCodes.Status503ServiceUnavailable)
            context.Response.Headers.RetryAfter = "5";
        var again = $"{SessionEndpoints.SignInRoute}?returnUrl={Encode(Uri.EscapeDataString(returnUrl))}";
        return WriteAsync(context, status, texts, $"""
            <p class="alert" role="alert">{(status == StatusCodes.Status503ServiceUnavailable ? texts.Unavailable : texts.Failed)}</p>
            <p><a class="button primary wide" href="{again}">{texts.Retry}</a></p>
            """);
    }

    /// <summary>Says that a browser would not keep the session without https.</summary>
    public static Task RefuseInsecureAsync(HttpContext context)
    {
        var texts = TextsOf(context.Request);
        return WriteAsync(context, StatusCodes.Status400BadRequest, texts, $"<p class=\"alert\" role=\"alert\">{texts.Insecure}</p>");
    }

    /// <summary>Says that a page is for operators, and offers another sign-in.</summary>
    public static Task ShowForbiddenAsync(HttpContext context)
    {
        var texts = TextsOf(context.Request);
        return WriteAsync(context, StatusCodes.Status403Forbidden, texts, $"""
            <p role="alert">{texts.Forbidden}</p>
            <p><a href="{Encode(AddressFor(context.Request))}">{texts.Other}</a></p>
            """);
    }

    /// <summary>The sign-in that returns to the page of a request.</summary>
    public static string AddressFor(HttpRequest request)
    {
        var query = HttpMethods.IsGet(request.Method) || HttpMethods.IsHead(request.Method) ? request.QueryString.ToUriComponent() : "";
        return $"{SessionEndpoints.SignInRoute}?returnUrl={Uri.EscapeDataString($"{request.Path.ToUriComponent()}{query}")}";
    }

    private static async Task WriteAsync(HttpContext context, int status, SignInTexts texts, string content)
    {
        SecurityHeaders.AllowForm(context);
        var response = context.Response;
        response.StatusCode = status;
        response.ContentType = "text/html; charset=utf-8";
        response.Headers.CacheControl = "no-store";
        PageLanguage.Describe(response, texts.Language);
        var folder = context.RequestServices.GetRequiredService<PageFiles>().Folder;
        await response.WriteAsync($"""
            <!doctype html>
            <html lang="{texts.Language}">
            <head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
            <meta name="color-scheme" content="light dark"><title>{texts.Title} – ConcertSaga</title>
            <link rel="icon" href="data:,"><link rel="stylesheet" href="{folder}/site.css"></head>
            <body class="door"><header><a class="brand" href="/">Concert<span>Saga</span></a></header>
            <main><div class="door-card">
            <h1>{texts.Title}</h1>
            {content}
            </div></main></body>
            </html>

            """, context.RequestAborted);
    }

    private static SignInTexts TextsOf(HttpRequest request) =>
        PageLanguage.Of(request) == PageLanguage.Korean ? Korean : English;

    private static string Encode(string text) => HtmlEncoder.Default.Encode(text);
}
