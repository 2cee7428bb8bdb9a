using System.ComponentModel.DataAnnotations;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace ConcertSaga.Shared.Hosting.Http;

/// <summary>What a service knows of section <c>Gateway</c>.</summary>
public sealed class InnerWallOptions
{
    /// <summary>Known to the gateway and the services only. Required; AllInOne makes a new one at each start.</summary>
    [Required, MinLength(16)]
    public string Secret { get; set; } = "";
}

/// <summary>
/// The inner wall: a process answers only callers that present the gateway's secret, whatever the route, but for health. Nothing a caller
/// can forge from outside (host, forwarded address, path) takes part in the decision.
/// </summary>
public static class InnerWall
{
    /// <summary>Carries the secret.</summary>
    public const string SecretHeader = "X-Gateway-Secret";

    internal static void UseInnerWall(this IApplicationBuilder app)
    {
        var secret = Digest(app.ApplicationServices.GetRequiredService<IOptions<InnerWallOptions>>().Value.Secret);
        app.Use((context, next) =>
        {
            var path = context.Request.Path;
            if (path == "/health/live" || path == "/health/ready" || PresentsSecret(context, secret))
                return next(context);
            // Indistinguishable from a route that does not exist.
            context.Response.StatusCode = StatusCodes.Status404NotFound;
            return Task.CompletedTask;
        });
    }

    /// <summary>Puts single endpoints of an otherwise open process behind the wall: without the secret they do not exist.</summary>
    internal static void RequireGatewaySecret(this IEndpointConventionBuilder endpoints, IServiceProvider services)
    {
        var secret = Digest(services.GetRequiredService<IOptions<InnerWallOptions>>().Value.Secret);
        endpoints.Add(endpoint =>
        {
            var answer = endpoint.RequestDelegate!;
            endpoint.RequestDelegate = context =>
            {
                if (PresentsSecret(context, secret))
                    return answer(context);
                context.Response.StatusCode = StatusCodes.Status404NotFound;
                return Task.CompletedTask;
            };
        });
    }

    /// <summary>Whether the request carries the secret; compared in constant time over digests, so that its length does not leak either.</summary>
    internal static bool PresentsSecret(HttpContext context, byte[] secret) =>
        CryptographicOperations.FixedTimeEquals(Digest(context.Request.Headers[SecretHeader].ToString()), secret);

    internal static byte[] Digest(string secret) => SHA256.HashData(Encoding.UTF8.GetBytes(secret));
}
