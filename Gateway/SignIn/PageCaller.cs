using System.Text.Encodings.Web;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authentication.JwtBearer;
using Microsoft.Extensions.Options;

namespace ConcertSaga.Gateway.SignIn;

/// <summary>
/// Authenticates the caller of a page as every other caller. A browser cannot show a problem document, so it is sent to the sign-in, or
/// gets a page that says why.
/// </summary>
internal sealed class PageCaller(
    IOptionsMonitor<AuthenticationSchemeOptions> options, ILoggerFactory logger, UrlEncoder encoder, IOptions<SignInOptions> signIn)
    : AuthenticationHandler<AuthenticationSchemeOptions>(options, logger, encoder)
{
    private string CallerScheme => signIn.Value.HasPages ? SignInSchemes.Caller : JwtBearerDefaults.AuthenticationScheme;

    protected override Task<AuthenticateResult> HandleAuthenticateAsync() => Context.AuthenticateAsync(CallerScheme);

    protected override Task HandleChallengeAsync(AuthenticationProperties properties)
    {
        if (!signIn.Value.HasPages || Request.Headers.Authorization.Count > 0)
            return Context.ChallengeAsync(CallerScheme, properties);
        // A form that was sent after the session ended is shown again, because its content is lost.
        Response.StatusCode = StatusCodes.Status303SeeOther;
        Response.Headers.CacheControl = "no-store";
        Response.Headers.Location = SignInPage.AddressFor(Request);
        return Task.CompletedTask;
    }

    protected override Task HandleForbiddenAsync(AuthenticationProperties properties) => SignInPage.ShowForbiddenAsync(Context);
}
