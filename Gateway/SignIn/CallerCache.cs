using System.Security.Claims;
using ConcertSaga.Gateway.Caching;
using ConcertSaga.Gateway.Http;
using Microsoft.AspNetCore.Authentication.JwtBearer;

namespace ConcertSaga.Gateway.SignIn;

/// <summary>
/// Caches verified callers by their bearer token or session cookie, because verifying either costs more than the rest of a poll. A key that
/// the issuer withdraws can still open cached tokens for up to three minutes. The framework itself refreshes the issuer's keys far less
/// often.
/// </summary>
internal sealed class CallerCache(SessionRevocation revocation, TimeProvider time)
{
    private const string Scheme = "Bearer ";
    private const int Capacity = 32_768;

    // Several times the longest interval between two polls.
    private static readonly TimeSpan MaxAge = TimeSpan.FromMinutes(3);

    private readonly RecentCache<UInt128, VerifiedCaller> _callers = new(Capacity);

    /// <summary>
    /// What authenticates a request: its bearer token with the scheme, otherwise its session cookie. Any <c>Authorization</c> header, even
    /// an invalid one, excludes the cookie. The scheme keeps a cookie's text from being cached as a bearer token.
    /// </summary>
    public static string? CredentialOf(HttpRequest request) =>
        request.Headers.Authorization is { Count: > 0 } headers
            ? headers is [{ } header] && header.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase) ? header : null
            : PrefixedCookies.Read(request, PrefixedCookies.Session) is { } cookie && !cookie.Contains(' ', StringComparison.Ordinal)
                ? cookie : null;

    /// <summary>The cached caller of a request; null if it is not cached.</summary>
    public VerifiedCaller? Find(HttpRequest request) =>
        Hash(CredentialOf(request)) is { } hash && _callers.TryGet(hash, out var known) && IsValid(known) ? known : null;

    /// <summary>Whether a caller need not be verified again yet.</summary>
    public bool IsValid(VerifiedCaller caller) => time.GetUtcNow() < caller.Until && !revocation.IsRevoked(caller.SessionId);

    /// <summary>Authenticates a request whose bearer token is cached.</summary>
    public Task Recall(MessageReceivedContext context)
    {
        if (context.Request.Headers.Authorization.Count > 0 && Find(context.Request) is { } known)
        {
            context.Principal = known.User;
            context.Success();
        }
        return Task.CompletedTask;
    }

    /// <summary>Caches the caller of a request that was just verified.</summary>
    public void Keep(HttpRequest request, ClaimsPrincipal user, DateTimeOffset end, ulong? sessionId = null)
    {
        var latest = time.GetUtcNow() + MaxAge;
        if (Hash(CredentialOf(request)) is { } hash && user.UserId() is { } userId)
            _callers.Set(hash, new VerifiedCaller(user, userId, end < latest ? end : latest, sessionId));
    }

    private static UInt128? Hash(string? credential) => credential is null ? null : TokenHash.Of(credential);
}

/// <summary>A caller whose bearer token or session cookie was verified.</summary>
/// <param name="User">The user, with all claims.</param>
/// <param name="UserId">The user's id.</param>
/// <param name="Until">When the credential must be verified again.</param>
/// <param name="SessionId">The session of the cookie; null for a bearer token.</param>
internal sealed record VerifiedCaller(ClaimsPrincipal User, string UserId, DateTimeOffset Until, ulong? SessionId);
