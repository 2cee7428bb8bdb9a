namespace ConcertSaga.Gateway.SignIn;

/// <summary>Names the ways to authenticate, beside the framework's <c>Bearer</c>.</summary>
internal static class SignInSchemes
{
    /// <summary>Chooses between the bearer token and the session cookie.</summary>
    public const string Caller = "Caller";

    /// <summary>The session cookie of a page.</summary>
    public const string Session = "Session";

    /// <summary>The cookie that renews the session.</summary>
    public const string Renewal = "Renewal";

    /// <summary>The caller of a page: without a session, the browser is sent to the sign-in.</summary>
    public const string Page = "Page";

    /// <summary>The sign-in at the issuer.</summary>
    public const string Issuer = "Issuer";
}
