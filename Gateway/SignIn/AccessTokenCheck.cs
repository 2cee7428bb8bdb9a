using System.Security.Claims;
using ConcertSaga.Gateway.Http;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authentication.JwtBearer;
using Microsoft.IdentityModel.JsonWebTokens;

namespace ConcertSaga.Gateway.SignIn;

/// <summary>
/// Verifies an access token that the issuer gave the gateway, exactly as one of a bearer caller. A session thus opens what its token would.
/// </summary>
internal sealed class AccessTokenCheck(IServiceScopeFactory scopes)
{
    /// <summary>The user and the end of a token; null if the API would refuse it.</summary>
    /// <exception cref="HttpRequestException">The issuer's keys are unavailable.</exception>
    public async Task<(ClaimsPrincipal User, DateTimeOffset End)?> ReadAsync(string? token)
    {
        if (string.IsNullOrEmpty(token))
            return null;
        // A scope of its own, because a scope keeps the handlers of its first request.
        await using var scope = scopes.CreateAsyncScope();
        var request = new DefaultHttpContext { RequestServices = scope.ServiceProvider };
        request.Request.Headers.Authorization = $"Bearer {token}";
        var result = await request.AuthenticateAsync(JwtBearerDefaults.AuthenticationScheme);
        if (BearerTokens.IsIssuerUnavailable(request))
            throw new HttpRequestException("The issuer's keys are unavailable.");
        return result.Succeeded && result.Principal.UserId() is not null
            ? (result.Principal, new DateTimeOffset(new JsonWebToken(token).ValidTo, TimeSpan.Zero)) : null;
    }
}
