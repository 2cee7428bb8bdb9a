using System.Security.Claims;
using Microsoft.AspNetCore.Authentication.JwtBearer;

namespace ConcertSaga.Gateway.SignIn;

/// <summary>
/// The bearer tokens that were found good in the last minute, as far as there is room. The check of one costs more than all the rest the
/// gateway does for a poll. A key that an issuer withdraws ends its tokens a minute later than without.
/// </summary>
internal sealed class CheckedBearerTokens(TimeProvider time)
{
    private const string Scheme = "Bearer ";
    private const int Kept = 32_768;

    private static readonly TimeSpan Longest = TimeSpan.FromMinutes(1);

    private readonly RecentCache<UInt128, (ClaimsPrincipal User, string UserId, DateTimeOffset Until)> _users = new(Kept);

    /// <summary>Whose token a request shows, if it is one of these.</summary>
    public string? UserOf(HttpRequest request) => Find(request) is { } known ? known.UserId : null;

    public Task Recall(MessageReceivedContext context)
    {
        if (Find(context.Request) is { } known)
        {
            context.Principal = known.User;
            context.Success();
        }
        return Task.CompletedTask;
    }

    public void Keep(TokenValidatedContext context)
    {
        var (end, latest) = (new DateTimeOffset(context.SecurityToken.ValidTo, TimeSpan.Zero), time.GetUtcNow() + Longest);
        if (Hash(context.Request) is { } hash && context.Principal!.UserId() is { } userId)
            _users.Set(hash, (context.Principal!, userId, end < latest ? end : latest));
    }

    private (ClaimsPrincipal User, string UserId)? Find(HttpRequest request) =>
        Hash(request) is { } hash && _users.TryGet(hash, out var known) && time.GetUtcNow() < known.Until ? (known.User, known.UserId) : null;

    private static UInt128? Hash(HttpRequest request) =>
        request.Headers.Authorization is [{ } header] && header.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase) ? TokenHash.Of(header.AsSpan(Scheme.Length)) : null;
}
