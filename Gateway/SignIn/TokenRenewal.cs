using System.Net;
using System.Security.Claims;
using ConcertSaga.Gateway.Caching;
using Microsoft.AspNetCore.Authentication.OpenIdConnect;
using Microsoft.Extensions.Options;
using Microsoft.IdentityModel.Protocols.OpenIdConnect;

namespace ConcertSaga.Gateway.SignIn;

/// <summary>The tokens of a renewal, after their check.</summary>
/// <param name="User">The user of the access token.</param>
/// <param name="End">When the access token expires.</param>
/// <param name="RefreshToken">What the next renewal needs.</param>
internal sealed record RenewedTokens(ClaimsPrincipal User, DateTimeOffset End, string RefreshToken);

/// <summary>Renews and revokes tokens at the issuer.</summary>
internal sealed class TokenRenewal(IOptionsMonitor<OpenIdConnectOptions> issuers, AccessTokenCheck check, TimeProvider time)
{
    private const int Capacity = 8192;

    // Two tabs that renew at once send the same token, and an issuer may treat its second use as theft.
    private static readonly TimeSpan RepeatTime = TimeSpan.FromSeconds(30);

    private readonly RecentCache<UInt128, Attempt> _attempts = new(Capacity);
    private readonly Lock _lock = new();

    private OpenIdConnectOptions Issuer => issuers.Get(SignInSchemes.Issuer);

    /// <summary>Renews the tokens; null if the issuer refuses. Throws <see cref="HttpRequestException"/> during an outage.</summary>
    public Task<RenewedTokens?> RenewAsync(string refreshToken)
    {
        if (TokenHash.Of(refreshToken) is not { } hash)
            return RequestAsync(refreshToken);
        lock (_lock)
        {
            if (_attempts.TryGet(hash, out var known) && !known.Tokens.IsFaulted && time.GetUtcNow() < known.Until)
                return known.Tokens;
            var attempt = new Attempt(RequestAsync(refreshToken), time.GetUtcNow() + RepeatTime);
            _attempts.Set(hash, attempt);
            return attempt.Tokens;
        }
    }

    /// <summary>Revokes the tokens, if the issuer supports it. The session on this gateway ends in any case.</summary>
    public async Task RevokeAsync(string refreshToken, OpenIdConnectConfiguration configuration)
    {
        if (string.IsNullOrEmpty(configuration.RevocationEndpoint))
            return;
        using var response = await SendAsync(configuration.RevocationEndpoint,
            new() { ["token"] = refreshToken, ["token_type_hint"] = "refresh_token" });
    }

    private async Task<RenewedTokens?> RequestAsync(string refreshToken)
    {
        var configuration = await Issuer.ReadConfigurationAsync();
        using var response = await SendAsync(configuration.TokenEndpoint,
            new() { ["grant_type"] = "refresh_token", ["refresh_token"] = refreshToken });
        var body = await response.Content.ReadAsStringAsync();
        var answer = response.Content.Headers.ContentType?.MediaType == "application/json" ? new OpenIdConnectMessage(body) : new();
        if (answer.Error == "invalid_grant")
            return null;
        if (!response.IsSuccessStatusCode)
            throw new HttpRequestException($"The issuer answered a renewal with {(int)response.StatusCode} {answer.Error}.", null,
                response.StatusCode);
        return await check.ReadAsync(answer.AccessToken) is { } grant
            ? new RenewedTokens(grant.User, grant.End, answer.RefreshToken is { Length: > 0 } next ? next : refreshToken)
            : null;
    }

    private async Task<HttpResponseMessage> SendAsync(string address, Dictionary<string, string> form)
    {
        form["client_id"] = Issuer.ClientId!;
        if (Issuer.ClientSecret is { Length: > 0 } secret)
            form["client_secret"] = secret;
        try
        {
            using var content = new FormUrlEncodedContent(form);
            return await Issuer.Backchannel.PostAsync(address, content);
        }
        catch (TaskCanceledException late)
        {
            throw new HttpRequestException("The issuer does not answer.", late, HttpStatusCode.GatewayTimeout);
        }
    }

    private sealed record Attempt(Task<RenewedTokens?> Tokens, DateTimeOffset Until);
}

/// <summary>Turns an answer that reports an outage of the issuer into the exception of a failed connection.</summary>
internal sealed class IssuerOutageHandler() : DelegatingHandler(new SocketsHttpHandler())
{
    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        var response = await base.SendAsync(request, cancellationToken);
        if (response.StatusCode is < HttpStatusCode.InternalServerError and not HttpStatusCode.TooManyRequests)
            return response;
        response.Dispose();
        throw new HttpRequestException($"The issuer answered with {(int)response.StatusCode}.", null, response.StatusCode);
    }
}
