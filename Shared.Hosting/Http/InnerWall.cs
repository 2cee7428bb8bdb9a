using System.ComponentModel.DataAnnotations;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace ConcertSaga.Shared.Hosting.Http;

/// <summary>The settings of section <c>Gateway</c> that a service needs.</summary>
public sealed class InnerWallOptions
{
    /// <summary>The secret that the gateway and the services share. Required; AllInOne creates one at each start.</summary>
    [Required, MinLength(16)]
    public string Secret { get; set; } = "";
}

/// <summary>
/// The inner wall: every route except health answers only callers that present the gateway's secret. The decision uses nothing that a
/// client can forge, such as the host, a forwarded address or the path.
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
            // The same response as for a missing route.
            context.Response.StatusCode = StatusCodes.Status404NotFound;
            return Task.CompletedTask;
        });
    }

    /// <summary>Protects single endpoints of an otherwise public process. Without the secret, they respond with a 404.</summary>
    internal static void RequireGatewaySecret(this IEndpointConventionBuilder endpoints, IServiceProvider services)
    {
        var secret = Digest(services.GetRequiredService<IOptions<InnerWallOptions>>().Value.Secret);
        endpoints.Add(endpoint =>
        {
            var handle = endpoint.RequestDelegate!;
            endpoint.RequestDelegate = context =>
            {
                if (PresentsSecret(context, secret))
                    return handle(context);
                context.Response.StatusCode = StatusCodes.Status404NotFound;
                return Task.CompletedTask;
            };
        });
    }

    /// <summary>
    /// Whether the request carries the secret. Comparing digests in constant time hides even the secret's length.
    /// </summary>
    public static bool PresentsSecret(HttpContext context, byte[] secret) =>
        CryptographicOperations.FixedTimeEquals(Digest(context.Request.Headers[SecretHeader].ToString()), secret);

    /// <summary>The digest of a secret, for <see cref="PresentsSecret"/>.</summary>
    public static byte[] Digest(string secret) => SHA256.HashData(Encoding.UTF8.GetBytes(secret));
}
