using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authentication.Cookies;
using Microsoft.AspNetCore.Authentication.JwtBearer;

namespace ConcertSaga.Gateway.SignIn;

/// <summary>Lets pages sign in. Their session cookie then opens whatever the user's bearer token would.</summary>
internal static class PageSignIn
{
    public static void AddPageSignIn(this WebApplicationBuilder builder, AuthenticationBuilder authentication, SignInOptions options)
    {
        builder.AddKeyRing(options.Pages.KeyFolder);
        builder.Services.AddSingleton<SessionFormat>();
        builder.Services.AddSingleton<SessionIssuer>();
        builder.Services.AddSingleton<IssuerSignInOutage>();
        builder.Services.AddSingleton<SignInBuckets>();
        builder.Services.Configure<AuthenticationOptions>(schemes => schemes.DefaultScheme = SignInSchemes.Caller);
        authentication.AddPolicyScheme(SignInSchemes.Caller, null, caller =>
        {
            caller.ForwardDefaultSelector = context => context.Request.Headers.Authorization.Count == 0
                && PrefixedCookies.Read(context.Request, PrefixedCookies.Session) is not null
                ? SignInSchemes.Session : JwtBearerDefaults.AuthenticationScheme;
            // A refusal is always a problem, never a redirect.
            caller.ForwardChallenge = caller.ForwardForbid = JwtBearerDefaults.AuthenticationScheme;
        });
        authentication.AddCookie(SignInSchemes.Session, cookie =>
        {
            Configure(cookie, PrefixedCookies.Session, "/", SameSiteMode.Lax);
            cookie.Events.OnValidatePrincipal = RefuseRevokedAsync;
        });
        authentication.AddCookie(SignInSchemes.Renewal, cookie =>
        {
            Configure(cookie, PrefixedCookies.Renewal, "/auth", SameSiteMode.Strict);
            cookie.Events.OnValidatePrincipal = RefuseRevokedAsync;
        });
        builder.Services.AddOptions<CookieAuthenticationOptions>(SignInSchemes.Session)
            .Configure<SessionFormat>((cookie, format) => cookie.TicketDataFormat = format);
        if (options.Demo.Enabled)
        {
            builder.AddDemoForm();
            return;
        }
        // Logs a stack trace for each wrong callback, which anyone can send.
        builder.Logging.AddFilter("Microsoft.AspNetCore.Authentication.OpenIdConnect", LogLevel.Critical);
        builder.Services.AddSingleton<AccessTokenCheck>();
        builder.Services.AddSingleton<TokenRenewal>();
        authentication.AddIssuerSignIn(options);
    }

    private static void Configure(CookieAuthenticationOptions cookie, string name, string path, SameSiteMode sameSite)
    {
        cookie.Cookie.Name = name;
        cookie.Cookie.Path = path;
        cookie.Cookie.HttpOnly = true;
        cookie.Cookie.SameSite = sameSite;
        cookie.CookieManager = new PrefixedCookies();
        cookie.SlidingExpiration = false;
    }

    private static Task RefuseRevokedAsync(CookieValidatePrincipalContext context)
    {
        var services = context.HttpContext.RequestServices;
        var id = SessionFormat.IdOf(context.Principal!);
        if (id is null || services.GetRequiredService<SessionRevocation>().IsRevoked(id))
            context.RejectPrincipal();
        else if (context.Scheme.Name == SignInSchemes.Session)
            services.GetRequiredService<CallerCache>().Keep(context.Request, context.Principal!, context.Properties.ExpiresUtc!.Value, id);
        return Task.CompletedTask;
    }
}
