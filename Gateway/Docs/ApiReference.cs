using ConcertSaga.Gateway.Limits;
using Scalar.AspNetCore;

namespace ConcertSaga.Gateway.Docs;

/// <summary>Serves the API description and a page to read it with. The page loads nothing from the internet.</summary>
internal static class ApiReference
{
    public static void MapApiReference(this IEndpointRouteBuilder routes)
    {
        var document = Read();
        routes.MapGet("/openapi.json", () => Results.Bytes(document, "application/json"))
            .AllowAnonymous().RequireRateLimiting(nameof(RateLimitsOptions.Read));

        routes.MapScalarApiReference("/docs", page => page
                .WithTitle("ConcertSaga API")
                .WithOpenApiRoutePattern("/openapi.json")
                .WithNonce()
                // Each of these features would call an external server.
                .DisableDefaultFonts().DisableTelemetry().DisableAgent().DisableMcp().HideClientButton().HideDeveloperTools())
            .AllowAnonymous().RequireRateLimiting(nameof(RateLimitsOptions.Read));
    }

    private static byte[] Read()
    {
        using var stream = typeof(ApiReference).Assembly.GetManifestResourceStream("openapi.json")!;
        using var copy = new MemoryStream();
        stream.CopyTo(copy);
        return copy.ToArray();
    }
}
