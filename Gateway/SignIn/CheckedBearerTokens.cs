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

    private readonly RecentCache<UInt128, (ClaimsPrincipal User, DateTimeOffset Until)> _users = new(Kept);

    public Task Recall(MessageReceivedContext context)
    {
        if (Find(context.Request) is { } hash && _users.TryGet(hash, out var known) && time.GetUtcNow() < known.Until)
        {
            context.Principal = known.User;
            context.Success();
        }
        return Task.CompletedTask;
    }

    public void Keep(TokenValidatedContext context)
    {
        var (end, latest) = (new DateTimeOffset(context.SecurityToken.ValidTo, TimeSpan.Zero), time.GetUtcNow() + Longest);
        if (Find(context.Request) is { } hash)
            _users.Set(hash, (context.Principal!, end < latest ? end : latest));
    }

    private static UInt128? Find(HttpRequest request) =>
        request.Headers.Authorization is [{ } header] && header.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase) ? TokenHash.Of(header.AsSpan(Scheme.Length)) : null;
}
