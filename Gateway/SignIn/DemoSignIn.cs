using System.Net;
using ConcertSaga.Gateway.Limits;
using ConcertSaga.Shared.Hosting.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.Extensions.Options;

namespace ConcertSaga.Gateway.SignIn;

/// <summary>Who wants a token.</summary>
/// <param name="UserId">1 to 100 letters, digits, or <c>. _ @ -</c>.</param>
/// <param name="Roles">None if left out.</param>
internal sealed record DemoSignInRequest(string? UserId, string[]? Roles);

/// <summary>A token.</summary>
/// <param name="AccessToken">For <c>Authorization: Bearer</c>.</param>
/// <param name="ExpiresAt">Until when it is good.</param>
internal sealed record DemoToken(string AccessToken, DateTimeOffset ExpiresAt);

/// <summary><c>POST /auth/demo</c>: a token for any name, where the demo sign-in is on.</summary>
internal static class DemoSignIn
{
    private const string Route = "/auth/demo";
    private const int MaxUserIdLength = 100;
    private const int MaxRoles = 10;

    /// <summary>Makes the route one that does not exist, whatever the method, for those it does not serve.</summary>
    public static void UseDemoSignInGuard(this WebApplication app)
    {
        var demo = app.Services.GetRequiredService<IOptions<SignInOptions>>().Value.Demo;
        app.Use((context, next) =>
        {
            if (!context.Request.Path.StartsWithSegments(Route) || (demo.Enabled && (demo.AllowRemote || IsOnThisMachine(context))))
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
        if (request.UserId is not { Length: >= 1 and <= MaxUserIdLength } userId || !userId.All(IsUserIdCharacter))
            return Problems.Invalid("INVALID_USER_ID", "userId", $"userId must be 1 to {MaxUserIdLength} letters, digits, or . _ @ -");
        var roles = request.Roles ?? [];
        if (roles.Length > MaxRoles || !roles.All(Claims.IsRole))
            return Problems.Invalid("INVALID_ROLES", "roles", $"roles must be at most {MaxRoles}, each of 1 to 64 letters, digits, or . _ : -");
        response.Headers.CacheControl = "no-store";
        return TypedResults.Ok(issuer.Issue(userId, roles));
    }

    /// <summary>
    /// A caller on this machine. A forwarding header still there means a proxy nobody vouched for (a known one's was taken off), so the
    /// caller behind it may be anywhere.
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
