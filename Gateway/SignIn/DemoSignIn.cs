using System.Net;
using ConcertSaga.Contracts;
using ConcertSaga.Gateway.Http;
using ConcertSaga.Gateway.Limits;
using ConcertSaga.Shared.Hosting.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.Extensions.Options;

namespace ConcertSaga.Gateway.SignIn;

/// <summary>A request for a demo token.</summary>
/// <param name="UserId">1 to 100 letters, digits, or <c>. _ @ -</c>.</param>
/// <param name="Roles">None if left out.</param>
internal sealed record DemoSignInRequest(
    [property: RefusedAs(RefusalCodes.InvalidUserId)] string? UserId = null,
        [property: RefusedAs(RefusalCodes.InvalidRoles)] string[]? Roles = null);

/// <summary>A demo token.</summary>
/// <param name="AccessToken">For <c>Authorization: Bearer</c>.</param>
/// <param name="ExpiresAt">When it expires.</param>
internal sealed record DemoToken(string AccessToken, DateTimeOffset ExpiresAt);

/// <summary>Serves <c>POST /auth/demo</c>, which issues a token for any name if the demo sign-in is enabled.</summary>
internal static class DemoSignIn
{
    private const string Route = "/auth/demo";
    private const int MaxUserIdLength = 100;
    private const int MaxRoles = 10;

    /// <summary>Answers 404 to callers that the demo sign-in does not serve, whatever the method.</summary>
    public static void UseDemoSignInGuard(this WebApplication app)
    {
        var demo = app.Services.GetRequiredService<IOptions<SignInOptions>>().Value.Demo;
        app.Use((context, next) =>
        {
            var path = context.Request.Path;
            var isDemo = path.StartsWithSegments(Route) || (demo.Enabled && path.StartsWithSegments(SessionEndpoints.SignInRoute));
            if (!isDemo || (demo.Enabled && (demo.AllowRemote || IsOnThisMachine(context))))
                return next(context);
            context.Response.StatusCode = StatusCodes.Status404NotFound;
            return Task.CompletedTask;
        });
    }

    public static void MapDemoSignIn(this WebApplication app)
    {
        if (app.Services.GetRequiredService<IOptions<SignInOptions>>().Value.Demo.Enabled)
            app.MapPost(Route, SignIn).AllowAnonymous().RequireRateLimiting(nameof(RateLimitsOptions.SignIn));
    }

    /// <summary>Answers 200 with the token, or 422 <c>INVALID_USER_ID</c> or <c>INVALID_ROLES</c>.</summary>
    private static Results<Ok<DemoToken>, ProblemHttpResult> SignIn(DemoSignInRequest request, DemoIssuer issuer, HttpResponse response)
    {
        if (request.UserId is not { } userId || !IsUserId(userId))
            return Problems.Invalid(RefusalCodes.InvalidUserId, "userId",
                $"userId must be 1 to {MaxUserIdLength} letters, digits, or . _ @ -");
        var roles = request.Roles ?? [];
        if (!AreRoles(roles))
            return Problems.Invalid(RefusalCodes.InvalidRoles, "roles",
                $"roles must be at most {MaxRoles}, each of 1 to 64 letters, digits, or . _ : -");
        response.Headers.CacheControl = "no-store";
        return TypedResults.Ok(issuer.Issue(userId, roles));
    }

    public static bool IsUserId(string text) => text is { Length: >= 1 and <= MaxUserIdLength } && text.All(IsUserIdCharacter);

    public static bool AreRoles(string?[] roles) => roles.Length <= MaxRoles && roles.All(Claims.IsRole);

    /// <summary>
    /// Whether the caller is on this machine. A remaining forwarding header comes from an unknown proxy, whose caller may be anywhere: the
    /// gateway removes the headers of known proxies.
    /// </summary>
    private static bool IsOnThisMachine(HttpContext context)
    {
        var headers = context.Request.Headers;
        return context.Connection.RemoteIpAddress is { } address
            && IPAddress.IsLoopback(address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address)
            && !headers.ContainsKey("X-Forwarded-For") && !headers.ContainsKey("Forwarded");
    }

    private static bool IsUserIdCharacter(char character) => char.IsAsciiLetterOrDigit(character) || character is '.' or '_' or '@' or '-';
}
