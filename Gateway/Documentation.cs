using ConcertSaga.Gateway.Limits;
using Scalar.AspNetCore;

namespace ConcertSaga.Gateway;

/// <summary>The description of the API and a page to read it with. Both come from this process: the page works without the internet.</summary>
internal static class Documentation
{
    public static void MapDocumentation(this IEndpointRouteBuilder routes)
    {
        var document = Read();
        routes.MapGet("/openapi.json", () => Results.Bytes(document, "application/json"))
            .AllowAnonymous().RequireRateLimiting(nameof(RateLimitsOptions.Read));

        routes.MapScalarApiReference("/docs", page => page
                .WithTitle("ConcertSaga API")
                .WithOpenApiRoutePattern("/openapi.json")
                .WithNonce()
                // Each of these would call out to somebody else's server.
                .DisableDefaultFonts().DisableTelemetry().DisableAgent().DisableMcp().HideClientButton().HideDeveloperTools())
            .AllowAnonymous().RequireRateLimiting(nameof(RateLimitsOptions.Read));
    }

    private static byte[] Read()
    {
        using var stream = typeof(Documentation).Assembly.GetManifestResourceStream("openapi.json")!;
        using var copy = new MemoryStream();
        stream.CopyTo(copy);
        return copy.ToArray();
    }
}
