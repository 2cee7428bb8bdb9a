using System.ComponentModel.DataAnnotations;

namespace ConcertSaga.Gateway.SignIn;

/// <summary>The sign-in of pages: they hold a session cookie instead of tokens (docs/sign-in.md).</summary>
public sealed class PageSignInOptions
{
    /// <summary>The gateway's client id at the issuer. Without one, pages cannot sign in at the issuer.</summary>
    public string? ClientId { get; set; }

    /// <summary>The client's secret; none for a public client, which PKCE protects.</summary>
    public string? ClientSecret { get; set; }

    /// <summary>The scopes to ask for. Empty means <c>openid</c>, <c>profile</c> and <c>offline_access</c>.</summary>
    public string[] Scopes { get; set; } = [];

    /// <summary>
    /// The folder with the keys of the cookies, the same for all gateways. Required with <see cref="ClientId"/>. Without it, each start
    /// creates new keys, which ends all sessions.
    /// </summary>
    public string? KeyFolder { get; set; }

    /// <summary>How long a session cookie is valid, and thus how long a stolen one is at most; 10 min. Pages renew it in time.</summary>
    [Range(typeof(TimeSpan), "00:01:00", "01:00:00")]
    public TimeSpan SessionLifetime { get; set; } = TimeSpan.FromMinutes(10);

    /// <summary>How long a session can be renewed; 12 h. Then the customer signs in again.</summary>
    [Range(typeof(TimeSpan), "00:10:00", "7.00:00:00")]
    public TimeSpan MaxLifetime { get; set; } = TimeSpan.FromHours(12);
}
