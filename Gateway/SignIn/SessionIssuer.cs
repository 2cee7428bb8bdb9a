using System.Globalization;
using System.Security.Claims;
using System.Security.Cryptography;
using ConcertSaga.Gateway.Http;
using Microsoft.AspNetCore.Authentication;
using Microsoft.Extensions.Options;

namespace ConcertSaga.Gateway.SignIn;

/// <summary>The session of a page.</summary>
/// <param name="UserId">The user's id.</param>
/// <param name="Name">The user's name for display; null if the issuer gave none.</param>
/// <param name="Roles">The user's roles.</param>
/// <param name="ExpiresAt">When the session ends unless the page asks for it again before.</param>
internal sealed record SessionView(string UserId, string? Name, string[] Roles, DateTimeOffset ExpiresAt);

/// <summary>What a sign-in grants.</summary>
/// <param name="User">The user with id and roles.</param>
/// <param name="Name">The name for display.</param>
/// <param name="End">When the access token expires.</param>
/// <param name="RefreshToken">What renews the tokens; null if nothing does.</param>
/// <param name="IdToken">Identifies the session at the issuer when it ends.</param>
internal sealed record SignInGrant(
    ClaimsPrincipal User, string? Name, DateTimeOffset End, string? RefreshToken = null, string? IdToken = null);

/// <summary>
/// Starts, renews and ends the sessions of pages. A session is two cookies and nothing on the server, so that any gateway with the same
/// keys can serve it (docs/decisions/0020-sessions-are-cookies.md).
/// </summary>
internal sealed class SessionIssuer(IOptions<SignInOptions> options, SessionRevocation revocation, TimeProvider time,
    TokenRenewal? issuer = null)
{
    private const string AccessEnd = "access_end", RefreshToken = "refresh_token", IdToken = "id_token";

    private PageSignInOptions Pages => options.Value.Pages;

    // Cookies count whole seconds, and the view must show the same end as the cookie.
    private DateTimeOffset Now => DateTimeOffset.FromUnixTimeSeconds(time.GetUtcNow().ToUnixTimeSeconds());

    /// <summary>Starts a session with a new id, and ends the browser's earlier one.</summary>
    public async Task StartAsync(HttpContext context, SignInGrant grant)
    {
        foreach (var scheme in new[] { SignInSchemes.Session, SignInSchemes.Renewal })
            Revoke(await context.AuthenticateAsync(scheme));
        var id = BitConverter.ToUInt64(RandomNumberGenerator.GetBytes(sizeof(ulong)));
        var renewal = new AuthenticationProperties { ExpiresUtc = Now + Pages.MaxLifetime, IsPersistent = true };
        var tokens = new Dictionary<string, string?> { [RefreshToken] = grant.RefreshToken, [IdToken] = grant.IdToken };
        renewal.StoreTokens(tokens.Where(token => token.Value is { Length: > 0 })
            .Select(token => new AuthenticationToken { Name = token.Key, Value = token.Value! }));
        await WriteAsync(context, id, grant.User, grant.Name, grant.End, renewal);
    }

    /// <summary>The session of a request; null if there is none. Renews a session whose first half is over.</summary>
    /// <exception cref="HttpRequestException">The session has ended, and the issuer cannot renew it now.</exception>
    public async Task<SessionView?> ContinueAsync(HttpContext context)
    {
        var session = await context.AuthenticateAsync(SignInSchemes.Session);
        var renewal = await context.AuthenticateAsync(SignInSchemes.Renewal);
        if (session.Succeeded && renewal.Succeeded
            && SessionFormat.IdOf(session.Principal) != SessionFormat.IdOf(renewal.Principal))
            renewal = AuthenticateResult.NoResult();
        var current = session.Succeeded ? View(session.Principal, renewal.Principal, session.Properties!.ExpiresUtc!.Value) : null;
        if (!renewal.Succeeded || (current is not null && Now - renewal.Properties!.IssuedUtc < current.ExpiresAt - Now))
            return current;
        return await RenewAsync(context, renewal.Principal, renewal.Properties!);
    }

    /// <summary>Ends the session, and returns what identified it at the issuer.</summary>
    public async Task<(string? RefreshToken, string? IdToken)> EndAsync(HttpContext context)
    {
        var session = await context.AuthenticateAsync(SignInSchemes.Session);
        var renewal = await context.AuthenticateAsync(SignInSchemes.Renewal);
        Revoke(session);
        Revoke(renewal);
        await context.SignOutAsync(SignInSchemes.Session);
        await context.SignOutAsync(SignInSchemes.Renewal);
        return (renewal.Properties?.GetTokenValue(RefreshToken), renewal.Properties?.GetTokenValue(IdToken));
    }

    private async Task<SessionView?> RenewAsync(HttpContext context, ClaimsPrincipal user, AuthenticationProperties properties)
    {
        var end = DateTimeOffset.FromUnixTimeSeconds(long.Parse(properties.Items[AccessEnd]!, CultureInfo.InvariantCulture));
        var grantee = user;
        if (end < Now + Pages.SessionLifetime && properties.GetTokenValue(RefreshToken) is { } refreshToken && issuer is not null)
        {
            try
            {
                if (await issuer.RenewAsync(refreshToken) is not { } renewed || renewed.User.UserId() != user.UserId())
                {
                    await EndAsync(context);
                    return null;
                }
                (grantee, end) = (renewed.User, renewed.End);
                properties.UpdateTokenValue(RefreshToken, renewed.RefreshToken);
            }
            catch (HttpRequestException) when (end > Now)
            {
                // The access token is still valid, so the issuer may come back in time.
            }
        }
        if (end <= Now)
        {
            await EndAsync(context);
            return null;
        }
        return await WriteAsync(context, SessionFormat.IdOf(user)!.Value, grantee, user.FindFirst("name")?.Value, end, properties);
    }

    private async Task<SessionView> WriteAsync(HttpContext context, ulong id, ClaimsPrincipal user, string? name, DateTimeOffset accessEnd,
        AuthenticationProperties renewal)
    {
        var end = new[] { Now + Pages.SessionLifetime, accessEnd, renewal.ExpiresUtc!.Value }.Min();
        renewal.IssuedUtc = Now;
        renewal.Items[AccessEnd] = accessEnd.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture);
        var session = new AuthenticationProperties { IssuedUtc = Now, ExpiresUtc = end, IsPersistent = true };
        await context.SignInAsync(SignInSchemes.Session, Principal(SignInSchemes.Session, id, user, null), session);
        var renewing = Principal(SignInSchemes.Renewal, id, user, name);
        await context.SignInAsync(SignInSchemes.Renewal, renewing, renewal);
        return View(renewing, renewing, end);
    }

    private void Revoke(AuthenticateResult result)
    {
        if (result.Succeeded && SessionFormat.IdOf(result.Principal) is { } id)
            revocation.Revoke(id, time.GetUtcNow() + Pages.MaxLifetime + Pages.SessionLifetime);
    }

    private static SessionView View(ClaimsPrincipal user, ClaimsPrincipal? named, DateTimeOffset end) =>
        new(user.UserId()!, named?.FindFirst("name")?.Value, [.. user.Roles()], end);

    private static ClaimsPrincipal Principal(string scheme, ulong id, ClaimsPrincipal user, string? name)
    {
        var identity = new ClaimsIdentity([new("sub", user.UserId()!), new(SessionFormat.SessionId, SessionFormat.TextOf(id))], scheme,
            "sub", "roles");
        identity.AddClaims(user.Roles().Select(role => new Claim("roles", role)));
        if (name is not null)
            identity.AddClaim(new("name", name));
        return new ClaimsPrincipal(identity);
    }
}
