using ConcertSaga.Contracts;
using ConcertSaga.Gateway.Limits;
using ConcertSaga.Shared.Hosting.Http;
using Microsoft.AspNetCore.Authentication.OpenIdConnect;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.Extensions.Options;

namespace ConcertSaga.Gateway.SignIn;

/// <summary>Where a page goes after it has signed out.</summary>
/// <param name="RedirectTo">The address at the issuer that ends the session there, or the home page.</param>
internal sealed record SignOutView(string RedirectTo);

/// <summary>Serves the sign-in of pages. These routes read the cookies only, and ignore a bearer token.</summary>
internal static class SessionEndpoints
{
    public const string SignInRoute = "/auth/sign-in", SignOutRoute = "/auth/sign-out", SessionRoute = "/auth/session";

    public static void MapSessions(this WebApplication app)
    {
        var options = app.Services.GetRequiredService<IOptions<SignInOptions>>().Value;
        if (!options.HasPages)
            return;
        app.MapGet(SignInRoute, BeginAsync).AllowAnonymous().RequireRateLimiting(nameof(RateLimitsOptions.SignIn));
        if (options.Demo.Enabled)
            app.MapPost(SignInRoute, DemoForm.SubmitAsync).AllowAnonymous().RequireRateLimiting(nameof(RateLimitsOptions.SignIn))
                .WithMetadata(CsrfRule.OwnForm);
        app.MapGet(SessionRoute, ContinueAsync).AllowAnonymous().RequireRateLimiting(nameof(RateLimitsOptions.Read));
        app.MapPost(SignOutRoute, EndAsync).AllowAnonymous().RequireRateLimiting(nameof(RateLimitsOptions.Read))
            .WithMetadata(CsrfRule.Always);
    }

    private static Task BeginAsync(HttpContext context)
    {
        var returnUrl = ReturnUrl.Read(context.Request.Query["returnUrl"]);
        context.Response.Headers.CacheControl = "no-store";
        // A browser would drop the cookies, and the page would sign in forever.
        if (!context.Request.IsHttps && !PrefixedCookies.IsPlainLoopback(context.Request))
            return SignInPage.RefuseInsecureAsync(context);
        return context.RequestServices.GetRequiredService<IOptions<SignInOptions>>().Value.Demo.Enabled
            ? DemoForm.ShowAsync(context, returnUrl) : IssuerSignIn.RedirectAsync(context, returnUrl);
    }

    /// <summary>Answers 200 with the session and renews it in time, or 401, or 503 if the issuer cannot renew it now.</summary>
    private static async Task<Results<Ok<SessionView>, ProblemHttpResult>> ContinueAsync(HttpContext context, SessionIssuer sessions,
        IServiceProvider services)
    {
        context.Response.Headers.CacheControl = "no-store";
        try
        {
            return await sessions.ContinueAsync(context) is { } session ? TypedResults.Ok(session)
                : Problems.Refuse(StatusCodes.Status401Unauthorized, RefusalCodes.Unauthenticated,
                    $"There is no session, or it has ended. Sign in at {SignInRoute}.");
        }
        catch (HttpRequestException outage)
        {
            services.GetRequiredService<IssuerSignInOutage>().Log.Failed(outage);
            return Problems.Refuse(StatusCodes.Status503ServiceUnavailable, RefusalCodes.Unavailable,
                "The issuer cannot renew the session right now. Wait as long as Retry-After says, then try again.");
        }
    }

    /// <summary>Ends the session, if there is one, and says where to end it at the issuer.</summary>
    private static async Task<Ok<SignOutView>> EndAsync(HttpContext context, SessionIssuer sessions, IServiceProvider services)
    {
        var home = CsrfCheck.OriginOf(context.Request) + "/";
        var (refreshToken, idToken) = await sessions.EndAsync(context);
        if (services.GetService<TokenRenewal>() is not { } tokens)
            return TypedResults.Ok(new SignOutView(home));
        var issuer = services.GetRequiredService<IOptionsMonitor<OpenIdConnectOptions>>().Get(SignInSchemes.Issuer);
        try
        {
            var configuration = await issuer.ReadConfigurationAsync();
            if (refreshToken is not null)
                await tokens.RevokeAsync(refreshToken, configuration);
            return TypedResults.Ok(new SignOutView(
                IssuerSignIn.SignOutAddress(configuration, issuer.ClientId!, idToken, home) ?? home));
        }
        catch (HttpRequestException outage)
        {
            // The session on this gateway has ended nevertheless.
            services.GetRequiredService<IssuerSignInOutage>().Log.Failed(outage);
            return TypedResults.Ok(new SignOutView(home));
        }
    }
}
