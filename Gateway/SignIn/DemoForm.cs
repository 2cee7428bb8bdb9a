using System.Security.Claims;
using Microsoft.AspNetCore.Antiforgery;
using Microsoft.Extensions.Options;

namespace ConcertSaga.Gateway.SignIn;

/// <summary>The form of the demo sign-in: a page signs in under any user id. It works without scripts.</summary>
internal static class DemoForm
{
    public static void AddDemoForm(this WebApplicationBuilder builder)
    {
        // Logs an error for each form with an invalid token, which anyone can send.
        builder.Logging.AddFilter("Microsoft.AspNetCore.Antiforgery", LogLevel.Critical);
        builder.Services.AddAntiforgery(options =>
        {
            options.Cookie = new SecureCookieBuilder("concert-form", SameSiteMode.Strict, SessionEndpoints.SignInRoute);
            options.FormFieldName = "form";
            options.SuppressXFrameOptionsHeader = true;
        });
    }

    public static Task ShowAsync(HttpContext context, string returnUrl)
    {
        ForgetUser(context);
        return ShowAsync(context, StatusCodes.Status200OK, returnUrl);
    }

    /// <summary>Starts a session from a submitted form, or shows the form with an error.</summary>
    public static async Task SubmitAsync(HttpContext context)
    {
        if (await ReadAsync(context) is not { } form)
        {
            context.Response.StatusCode = StatusCodes.Status415UnsupportedMediaType;
            return;
        }
        ForgetUser(context);
        var returnUrl = ReturnUrl.Read(form["returnUrl"]);
        // The token alone is not enough: a neighbouring host could set its cookie, and sign the customer in as someone else.
        var isOwn = CsrfCheck.HasOwnOrigin(context.Request)
            && await context.RequestServices.GetRequiredService<IAntiforgery>().IsRequestValidAsync(context);
        if (!isOwn)
        {
            await ShowAsync(context, StatusCodes.Status400BadRequest, returnUrl, texts => texts.Expired);
            return;
        }
        string[] roles = [.. form["roles"].OfType<string>()];
        if (form["userId"] is not [{ } userId] || !DemoSignIn.IsUserId(userId) || !DemoSignIn.AreRoles(roles))
        {
            await ShowAsync(context, StatusCodes.Status422UnprocessableEntity, returnUrl, texts => texts.UserIdRule);
            return;
        }
        await StartAsync(context, userId, roles);
        context.Response.StatusCode = StatusCodes.Status303SeeOther;
        context.Response.Headers.Location = returnUrl;
    }

    // The token of a form must not depend on a session that may begin or end before the form is sent.
    private static void ForgetUser(HttpContext context) => context.User = new ClaimsPrincipal(new ClaimsIdentity());

    private static Task StartAsync(HttpContext context, string userId, string[] roles)
    {
        var services = context.RequestServices;
        var user = new ClaimsPrincipal(new ClaimsIdentity([new("sub", userId), .. roles.Select(role => new Claim("roles", role))]));
        // Nothing ends a demo session but its own lifetime.
        var end = services.GetRequiredService<TimeProvider>().GetUtcNow()
            + services.GetRequiredService<IOptions<SignInOptions>>().Value.Pages.MaxLifetime;
        return services.GetRequiredService<SessionIssuer>().StartAsync(context, new SignInGrant(user, userId, end));
    }

    private static async Task<IFormCollection?> ReadAsync(HttpContext context)
    {
        try
        {
            return context.Request.HasFormContentType ? await context.Request.ReadFormAsync(context.RequestAborted) : null;
        }
        catch (InvalidDataException exception)
        {
            throw new BadHttpRequestException("The form cannot be read.", exception);
        }
    }

    private static Task ShowAsync(HttpContext context, int status, string returnUrl, Func<SignInTexts, string>? error = null)
    {
        var tokens = context.RequestServices.GetRequiredService<IAntiforgery>().GetAndStoreTokens(context);
        return SignInPage.ShowFormAsync(context, status, (tokens.FormFieldName, tokens.RequestToken!), returnUrl, error);
    }
}
