using ConcertSaga.Shared.Hosting;
using Microsoft.Extensions.Options;

namespace ConcertSaga.Gateway;

/// <summary>Section <c>Cors</c>: which web pages of other origins may call.</summary>
public sealed class CrossOriginOptions
{
    /// <summary>Origins such as <c>https://tickets.example</c>, or <c>*</c> for any. None by default.</summary>
    public string[] Origins { get; set; } = [];
}

internal static class CrossOrigin
{
    private static readonly string[] Exposed = ["Location", "ETag", "Retry-After", "Date", "Idempotent-Replayed"];

    private static readonly string[] Accepted =
        ["Authorization", "Content-Type", "Idempotency-Key", "If-None-Match", "Last-Event-ID", "Prefer", "X-Queue-Token", "traceparent", "tracestate"];

    public static void AddCrossOrigin(this WebApplicationBuilder builder)
    {
        var options = builder.AddOptionsSection<CrossOriginOptions>("Cors");
        foreach (var origin in options.Origins)
        {
            if (origin != "*" && !(Uri.TryCreate(origin, UriKind.Absolute, out var address) && address.GetLeftPart(UriPartial.Authority) == origin))
                throw new StartupException($"Cors:Origins has '{origin}'; allowed: *, or origins without a path such as https://tickets.example.");
        }
        // Callers show a bearer token and never a cookie, so credentials stay off and any origin can be allowed without harm.
        builder.Services.AddCors(cors => cors.AddDefaultPolicy(policy => policy
            .WithOrigins(options.Origins)
            .WithMethods("GET", "POST", "DELETE")
            .WithHeaders(Accepted)
            .WithExposedHeaders(Exposed)
            .SetPreflightMaxAge(TimeSpan.FromMinutes(10))));
    }

    public static void UseCrossOrigin(this WebApplication app)
    {
        if (app.Services.GetRequiredService<IOptions<CrossOriginOptions>>().Value.Origins.Length > 0)
            app.UseCors();
    }
}
