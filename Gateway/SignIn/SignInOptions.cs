using System.ComponentModel.DataAnnotations;
using ConcertSaga.Shared.Hosting;

namespace ConcertSaga.Gateway.SignIn;

/// <summary>
/// Section <c>Authentication</c>: whose bearer tokens the gateway accepts. Either an issuer (<see cref="Authority"/>) or the demo sign-in,
/// never both: a gateway that trusts a real issuer must not issue tokens to anyone who asks.
/// </summary>
public sealed class SignInOptions : ICheckedOptions
{
    /// <summary>Address of any OpenID Connect issuer, such as <c>https://login.example/realms/tickets</c>.</summary>
    public Uri? Authority { get; set; }

    /// <summary>The audience (<c>aud</c>) that the issuer's tokens must have. Required with <see cref="Authority"/>.</summary>
    public string? Audience { get; set; }

    /// <summary>The demo sign-in.</summary>
    public DemoOptions Demo { get; set; } = new();

    /// <summary>The sign-in of the gateway's own pages.</summary>
    public PageSignInOptions Pages { get; set; } = new();

    /// <summary>Whether pages can sign in: always with the demo sign-in, with an issuer if the gateway is its client.</summary>
    internal bool HasPages => Demo.Enabled || Pages.ClientId is { Length: > 0 };

    /// <inheritdoc />
    public void Check()
    {
        if (Authority is null && !Demo.Enabled)
            throw new StartupException(
                "Authentication:Authority is missing; allowed: the address of an OpenID Connect issuer, or "
                    + "Authentication:Demo:Enabled=true for a trial.");
        if (Authority is not null && Demo.Enabled)
            throw new StartupException("Authentication:Demo:Enabled is 'true' beside Authentication:Authority; allowed: one of the two.");
        if (Authority is { } authority && !(authority.IsAbsoluteUri
            && (authority.Scheme == Uri.UriSchemeHttps || authority is { Scheme: "http", IsLoopback: true })))
            throw new StartupException(
                $"Authentication:Authority is '{SettingText.Show(authority)}'; allowed: an https address, or http on this machine.");
        if (Authority is not null && string.IsNullOrWhiteSpace(Audience))
            throw new StartupException(
                "Authentication:Audience is missing; allowed: the audience that the issuer puts into tokens for this API.");
        if (Authority is not null && HasPages && string.IsNullOrWhiteSpace(Pages.KeyFolder))
            throw new StartupException(
                "Authentication:Pages:KeyFolder is missing; allowed: a folder that all gateways share and only they can read.");
        if (Authority is not null && !HasPages && Pages.ClientSecret is { Length: > 0 })
            throw new StartupException("Authentication:Pages:ClientId is missing; allowed: the gateway's client id at the issuer.");
    }
}

/// <summary>The demo sign-in: <c>POST /auth/demo</c> issues a token for any name. For trials, tests and demonstrations.</summary>
public sealed class DemoOptions
{
    /// <summary>Whether it is enabled; disabled by default.</summary>
    public bool Enabled { get; set; }

    /// <summary>Whether it serves callers on other machines; disabled by default.</summary>
    public bool AllowRemote { get; set; }

    /// <summary>
    /// The signing key in base64, at least 32 bytes; the same for all gateways. By default each start creates a random key, which
    /// invalidates all earlier tokens.
    /// </summary>
    public string? Key { get; set; }

    /// <summary>How long a token is valid; 12 h.</summary>
    [Range(typeof(TimeSpan), "00:00:10", "7.00:00:00")]
    public TimeSpan TokenLifetime { get; set; } = TimeSpan.FromHours(12);
}
