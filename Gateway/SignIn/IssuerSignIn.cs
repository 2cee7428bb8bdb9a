using System.Security.Claims;
using System.Security.Cryptography;
using ConcertSaga.Gateway.Http;
using ConcertSaga.Gateway.Limits;
using ConcertSaga.Gateway.Rejections;
using ConcertSaga.Shared.Hosting.Background;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authentication.OpenIdConnect;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Options;
using Microsoft.IdentityModel.Protocols.OpenIdConnect;

namespace ConcertSaga.Gateway.SignIn;

/// <summary>Signs pages in at the issuer: OpenID Connect, code flow with PKCE.</summary>
internal static class IssuerSignIn
{
    private const string CallbackRoute = "/auth/callback";

    // The key of the value that ties the sign-in to its browser, among the items of its state.
    private const string Browser = "browser";

    private static readonly string[] DefaultScopes = ["openid", "profile", "offline_access"];
    private static readonly PrefixedCookies Cookies = new();

    public static void AddIssuerSignIn(this AuthenticationBuilder authentication, SignInOptions options) =>
        authentication.AddOpenIdConnect(SignInSchemes.Issuer, issuer =>
        {
            issuer.Authority = options.Authority!.AbsoluteUri;
            issuer.RequireHttpsMetadata = !options.Authority.IsLoopback;
            issuer.ClientId = options.Pages.ClientId;
            issuer.ClientSecret = options.Pages.ClientSecret;
            issuer.Scope.Clear();
            foreach (var scope in options.Pages.Scopes is [] ? DefaultScopes : options.Pages.Scopes)
                issuer.Scope.Add(scope);
            issuer.ResponseType = OpenIdConnectResponseType.Code;
            // A form posted by the issuer would arrive without the cookies of this sign-in.
            issuer.ResponseMode = OpenIdConnectResponseMode.Query;
            issuer.CallbackPath = CallbackRoute;
            issuer.SignedOutCallbackPath = PathString.Empty;
            // Any page could end a session with this route, and a gateway could only end its own.
            issuer.RemoteSignOutPath = PathString.Empty;
            issuer.SignInScheme = SignInSchemes.Renewal;
            issuer.MapInboundClaims = false;
            issuer.BackchannelHttpHandler = new IssuerOutageHandler();
            issuer.BackchannelTimeout = TimeSpan.FromSeconds(10);
            issuer.TokenValidationParameters.ValidAlgorithms = BearerTokens.IssuerAlgorithms;
            issuer.TokenValidationParameters.ClockSkew = Contracts.ClockSkew.Tolerance;
            issuer.CorrelationCookie = new SecureCookieBuilder("concert-correlation-", SameSiteMode.Lax, CallbackRoute)
            { Expiration = issuer.RemoteAuthenticationTimeout };
            issuer.NonceCookie = new SecureCookieBuilder("concert-nonce-", SameSiteMode.Lax, CallbackRoute)
            { Expiration = issuer.RemoteAuthenticationTimeout };
            issuer.Events = new OpenIdConnectEvents
            {
                OnAuthorizationCodeReceived = LimitRateAsync,
                OnTokenValidated = CheckTokensAsync,
                OnTicketReceived = StartSessionAsync,
                OnRemoteFailure = ShowFailureAsync
            };
        });

    /// <summary>Redirects to the issuer.</summary>
    public static async Task RedirectAsync(HttpContext context, string returnUrl)
    {
        try
        {
            var properties = new AuthenticationProperties { RedirectUri = returnUrl, Items = { [Browser] = TieToBrowser(context) } };
            await context.ChallengeAsync(SignInSchemes.Issuer, properties);
        }
        catch (Exception exception) when (IsOutage(exception))
        {
            OutageOf(context).Log.Failed(exception);
            await SignInPage.ShowFailureAsync(context, StatusCodes.Status503ServiceUnavailable, returnUrl);
        }
    }

    /// <summary>Where a browser ends its session at the issuer; null if the issuer has no such address.</summary>
    public static string? SignOutAddress(OpenIdConnectConfiguration configuration, string clientId, string? idToken, string returnUrl) =>
        string.IsNullOrEmpty(configuration.EndSessionEndpoint) ? null
            : new OpenIdConnectMessage
            {
                IssuerAddress = configuration.EndSessionEndpoint,
                ClientId = clientId,
                IdTokenHint = idToken,
                PostLogoutRedirectUri = returnUrl
            }.CreateLogoutRequestUrl();

    /// <summary>The issuer's addresses.</summary>
    /// <exception cref="HttpRequestException">The issuer does not answer.</exception>
    public static async Task<OpenIdConnectConfiguration> ReadConfigurationAsync(this OpenIdConnectOptions issuer)
    {
        try
        {
            return await issuer.ConfigurationManager!.GetConfigurationAsync(CancellationToken.None);
        }
        catch (Exception exception) when (IsOutage(exception))
        {
            throw new HttpRequestException("The issuer's configuration cannot be read.", exception);
        }
    }

    // A wrong client id or secret is the operator's to repair, like an outage.
    private static bool IsOutage(Exception? exception) =>
        exception is HttpRequestException or IOException or TaskCanceledException
        || exception?.Data["error"] is "invalid_client" or "unauthorized_client" or "server_error" or "temporarily_unavailable"
        || (exception is InvalidOperationException && exception.Message.StartsWith("IDX20803", StringComparison.Ordinal))
        || (exception is not null && IsOutage(exception.InnerException));

    /// <summary>
    /// Remembers the browser in a cookie that no other host can write. The framework's own cookies have no such prefix, so a neighbouring
    /// host could sign a customer in as someone else.
    /// </summary>
    private static string TieToBrowser(HttpContext context)
    {
        var browser = Cookies.GetRequestCookie(context, PrefixedCookies.Start) is { Length: 32 } known ? known
            : RandomNumberGenerator.GetHexString(32);
        Cookies.AppendResponseCookie(context, PrefixedCookies.Start, browser,
            new CookieOptions { HttpOnly = true, SameSite = SameSiteMode.Lax, Path = "/", MaxAge = TimeSpan.FromMinutes(15) });
        return browser;
    }

    // A browser that repeats its callback would otherwise make the gateway call the issuer as often.
    private static Task LimitRateAsync(AuthorizationCodeReceivedContext context)
    {
        var services = context.HttpContext.RequestServices;
        if (services.GetRequiredService<SignInBuckets>().Take(RateLimits.Owner(context.HttpContext)) != TimeSpan.Zero)
        {
            context.HandleResponse();
            context.Response.StatusCode = StatusCodes.Status429TooManyRequests;
        }
        return Task.CompletedTask;
    }

    private static async Task CheckTokensAsync(TokenValidatedContext context)
    {
        var answer = context.TokenEndpointResponse;
        var check = context.HttpContext.RequestServices.GetRequiredService<AccessTokenCheck>();
        var browser = context.Properties!.Items[Browser];
        if (browser is null || browser != Cookies.GetRequestCookie(context.HttpContext, PrefixedCookies.Start))
            context.Fail("Another browser began the sign-in.");
        else if (await check.ReadAsync(answer?.AccessToken) is not { } grant)
            context.Fail("The access token is not valid for this API.");
        else if (context.Principal!.UserId() != grant.User.UserId())
            context.Fail("The tokens name different users.");
        else
            context.HttpContext.Features.Set(new SignInGrant(grant.User, NameOf(context.Principal!), grant.End, answer!.RefreshToken,
                answer.IdToken));
    }

    private static string? NameOf(ClaimsPrincipal user) =>
        user.FindFirst("name")?.Value ?? user.FindFirst("preferred_username")?.Value;

    private static async Task StartSessionAsync(TicketReceivedContext context)
    {
        OutageOf(context.HttpContext).Log.Succeeded();
        var sessions = context.HttpContext.RequestServices.GetRequiredService<SessionIssuer>();
        await sessions.StartAsync(context.HttpContext, context.HttpContext.Features.GetRequiredFeature<SignInGrant>());
        context.Response.Redirect(context.ReturnUri!);
        context.HandleResponse();
    }

    private static Task ShowFailureAsync(RemoteFailureContext context)
    {
        context.HandleResponse();
        var isOutage = IsOutage(context.Failure);
        if (isOutage)
            OutageOf(context.HttpContext).Log.Failed(context.Failure!);
        else
            // Anyone can send a wrong callback, so it gets no log line of its own.
            context.HttpContext.RequestServices.GetRequiredService<ClientFaultCounter>().Count("SIGN_IN_FAILED");
        return SignInPage.ShowFailureAsync(context.HttpContext,
            isOutage ? StatusCodes.Status503ServiceUnavailable : StatusCodes.Status400BadRequest, context.Properties?.RedirectUri ?? "/");
    }

    private static IssuerSignInOutage OutageOf(HttpContext context) =>
        context.RequestServices.GetRequiredService<IssuerSignInOutage>();
}

/// <summary>Logs when signing in at the issuer begins to fail and when it works again.</summary>
internal sealed class IssuerSignInOutage(ILogger<IssuerSignInOutage> logger, TimeProvider time)
{
    public OutageLog Log { get; } = new("Signing in at the issuer", logger, time);
}

/// <summary>Limits the callbacks of each address that make the gateway call the issuer.</summary>
internal sealed class SignInBuckets(IOptions<RateLimitsOptions> limits, TimeProvider time)
{
    private readonly PollBuckets _buckets = new(limits.Value.SignIn, time);

    public TimeSpan Take(string owner) => _buckets.Take(owner);
}
