using ConcertSaga.Gateway.Limits;
using ConcertSaga.Gateway.Proxy;
using ConcertSaga.Gateway.SignIn;

namespace ConcertSaga.Gateway;

/// <summary>
/// The public door: everything from outside comes through here and nothing else is open. It owns no data. The host adds the service
/// defaults before <see cref="AddGateway"/> and uses the public defaults before <see cref="MapGateway"/>.
/// </summary>
public static class GatewayService
{
    /// <summary>Registers the gateway. A setting that is missing or wrong throws <see cref="Shared.Hosting.StartupException"/>.</summary>
    public static WebApplicationBuilder AddGateway(this WebApplicationBuilder builder)
    {
        builder.AddRequestLimits();
        builder.AddForwardedAddresses();
        builder.AddCrossOrigin();
        builder.AddRateLimits();
        builder.AddBearerTokens();
        builder.AddProxy();
        builder.AddRefusalCounter();
        return builder;
    }

    /// <summary>
    /// Puts the steps in their order, cheap before expensive. The token is read before the rate limits, because a bucket belongs to a user
    /// only when the user is proven: a bare claim would let a stranger empty somebody else's bucket. Whoever proves nothing shares the
    /// bucket of their address.
    /// </summary>
    public static void MapGateway(this WebApplication app)
    {
        app.UseSecurityHeaders();
        app.UseForwardedAddresses();
        app.UseRequestLimits();
        app.UseCrossOrigin();
        app.UseDemoSignInGuard();
        app.UseRouting();
        app.UseRequestTimeouts();
        app.UseAuthentication();
        app.UseRateLimiter();
        app.UseAuthorization();
        app.MapDemoSignIn();
        app.MapDocumentation();
        app.MapProxy();
    }
}
