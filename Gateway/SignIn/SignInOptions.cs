using System.ComponentModel.DataAnnotations;
using ConcertSaga.Shared.Hosting;

namespace ConcertSaga.Gateway.SignIn;

/// <summary>
/// Section <c>Authentication</c>: whose tokens are believed. Either an issuer (<see cref="Authority"/>) or the demo sign-in, never both: a
/// gateway that trusts a real issuer must not hand out tokens to whoever asks.
/// </summary>
public sealed class SignInOptions
{
    /// <summary>Address of any OpenID Connect issuer, such as <c>https://login.example/realms/tickets</c>.</summary>
    public Uri? Authority { get; set; }

    /// <summary>What the issuer's tokens must be meant for (<c>aud</c>). Required with <see cref="Authority"/>.</summary>
    public string? Audience { get; set; }

    /// <summary>The demo sign-in.</summary>
    public DemoOptions Demo { get; set; } = new();

    /// <summary>Throws <see cref="StartupException"/> when the settings do not fit together.</summary>
    internal void Check()
    {
        if (Authority is null && !Demo.Enabled)
            throw new StartupException(
                "Authentication:Authority is missing; allowed: the address of an OpenID Connect issuer, or Authentication:Demo:Enabled=true to try things out.");
        if (Authority is not null && Demo.Enabled)
            throw new StartupException("Authentication:Demo:Enabled is 'true' beside Authentication:Authority; allowed: one of the two.");
        if (Authority is { } authority && !(authority.IsAbsoluteUri
            && (authority.Scheme == Uri.UriSchemeHttps || authority is { Scheme: "http", IsLoopback: true })))
            throw new StartupException($"Authentication:Authority is '{authority}'; allowed: an https address, or http on this machine.");
        if (Authority is not null && string.IsNullOrWhiteSpace(Audience))
            throw new StartupException("Authentication:Audience is missing; allowed: the audience the issuer puts into tokens for this API.");
    }
}

/// <summary>The demo sign-in: <c>POST /auth/demo</c> makes a token for any name. For trying out, tests and demonstrations.</summary>
public sealed class DemoOptions
{
    /// <summary>Whether it is on; off by default.</summary>
    public bool Enabled { get; set; }

    /// <summary>Whether it serves callers that are not on this machine; off by default.</summary>
    public bool AllowRemote { get; set; }

    /// <summary>
    /// Key of the tokens in base64, at least 32 bytes; the same for all gateways. By default a random one per start, which ends all
    /// earlier tokens.
    /// </summary>
    public string? Key { get; set; }

    /// <summary>How long a token is good; 12 h.</summary>
    [Range(typeof(TimeSpan), "00:00:10", "7.00:00:00")]
    public TimeSpan TokenLifetime { get; set; } = TimeSpan.FromHours(12);
}
