using ConcertSaga.Shared.Hosting;
using Microsoft.Extensions.Options;

namespace ConcertSaga.Gateway.Http;

/// <summary>Section <c>Cors</c>: the origins whose web pages may call the API.</summary>
public sealed class CrossOriginOptions : ICheckedOptions
{
    /// <summary>Origins such as <c>https://tickets.example</c>, or <c>*</c> for any. None by default.</summary>
    public string[] Origins { get; set; } = [];

    /// <inheritdoc />
    public void Check()
    {
        foreach (var origin in Origins)
        {
            if (origin != "*" && !(Uri.TryCreate(origin, UriKind.Absolute, out var address)
                && address is { Scheme: "http" or "https", UserInfo: "" }
                && address.GetLeftPart(UriPartial.Authority) == origin))
                throw new StartupException(
                    $"Cors:Origins has {SettingText.Show("Cors:Origins", origin)}; allowed: *, or origins without a path such as "
                        + $"https://tickets.example.");
        }
        // The framework would ignore the asterisk.
        if (Origins.Length > 1 && Origins.Contains("*"))
            throw new StartupException("Cors:Origins has '*' beside other origins; allowed: * alone, or origins.");
    }
}

/// <summary>Lets web pages of the configured origins call the API.</summary>
internal static class CrossOrigin
{
    // The response headers that the documents name. A browser hides all others from a page of another origin.
    private static readonly string[] Exposed =
        ["Location", "ETag", "Retry-After", "Date", "Idempotent-Replayed", "Allow", "WWW-Authenticate"];

    // The methods of the shipped routes. Configured routes may add others.
    private static readonly string[] Methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];

    private static readonly string[] Accepted =
        ["Authorization", "Content-Type", "Idempotency-Key", "If-None-Match", "Last-Event-ID", "Prefer", "X-Queue-Token", "traceparent",
            "tracestate"];

    public static void AddCrossOrigin(this WebApplicationBuilder builder)
    {
        var options = builder.AddOptionsSection<CrossOriginOptions>("Cors");
        // Callers send a bearer token and never a cookie. Without credentials, any origin can be allowed safely.
        builder.Services.AddCors(cors => cors.AddDefaultPolicy(policy => policy
            .WithOrigins(options.Origins)
            .WithMethods([.. Methods.Union(RouteMethods(builder.Configuration), StringComparer.OrdinalIgnoreCase)])
            .WithHeaders(Accepted)
            .WithExposedHeaders(Exposed)
            .SetPreflightMaxAge(TimeSpan.FromMinutes(10))));
    }

    private static IEnumerable<string> RouteMethods(ConfigurationManager configuration) =>
        configuration.GetSection("ReverseProxy:Routes").GetChildren()
            .SelectMany(route => route.GetSection("Match:Methods").GetChildren()).Select(method => method.Value).OfType<string>();

    public static void UseCrossOrigin(this WebApplication app)
    {
        if (app.Services.GetRequiredService<IOptions<CrossOriginOptions>>().Value.Origins.Length > 0)
            app.UseCors();
    }
}
