using System.Security.Claims;
using Microsoft.AspNetCore.Authentication.JwtBearer;

namespace ConcertSaga.Gateway.SignIn;

/// <summary>
/// The bearer tokens that were found good lately, as far as there is room. The check of one costs more than all the rest the gateway does
/// for a poll. A key that an issuer withdraws ends its tokens that much later; the framework asks for the issuer's keys far more seldom.
/// </summary>
internal sealed class CheckedBearerTokens(TimeProvider time)
{
    private const string Scheme = "Bearer ";
    private const int Kept = 32_768;

    // Several of the longest pauses between two polls.
    private static readonly TimeSpan Longest = TimeSpan.FromMinutes(3);

    private readonly RecentCache<UInt128, CheckedBearer> _users = new(Kept);

    /// <summary>Whose token a request shows, if it is one of these.</summary>
    public CheckedBearer? Find(HttpRequest request) =>
        Hash(request) is { } hash && _users.TryGet(hash, out var known) && time.GetUtcNow() < known.Until ? known : null;

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
            _users.Set(hash, new CheckedBearer(context.Principal!, userId, end < latest ? end : latest));
    }

    private static UInt128? Hash(HttpRequest request) =>
        request.Headers.Authorization is [{ } header] && header.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase) ? TokenHash.Of(header.AsSpan(Scheme.Length)) : null;
}

/// <summary>A bearer token that was found good.</summary>
/// <param name="User">Whose it is, with all claims.</param>
/// <param name="UserId">Whose it is.</param>
/// <param name="Until">Until when it needs no new check.</param>
internal sealed record CheckedBearer(ClaimsPrincipal User, string UserId, DateTimeOffset Until);
