using System.Text.RegularExpressions;
using ConcertSaga.Gateway;

namespace ConcertSaga.AllInOne;

/// <summary>
/// The public API's routes as the gateway ships them. They decide which requests need a sign-in or a queue token, so the generated
/// documents take it from here.
/// </summary>
internal static partial class ShippedRoutes
{
    private static readonly Dictionary<string, ShippedRoute> Routes = Read();

    /// <summary>The methods and paths, such as <c>GET /api/reservations/{id}</c>.</summary>
    public static IEnumerable<string> Names => Routes.Keys;

    /// <summary>Finds the route of an operation.</summary>
    public static ShippedRoute Find(string method, string path) =>
        Routes.TryGetValue(NameOf(method, path), out var route) ? route
            : throw new InvalidOperationException($"The gateway has no route for {NameOf(method, path)}, so no client can reach it.");

    private static Dictionary<string, ShippedRoute> Read()
    {
        using var stream = typeof(GatewayService).Assembly.GetManifestResourceStream("appsettings.json")!;
        var routes = new Dictionary<string, ShippedRoute>();
        foreach (var route in new ConfigurationBuilder().AddJsonStream(stream).Build().GetSection("ReverseProxy:Routes").GetChildren())
        {
            var path = route["Match:Path"]!;
            // Operators' routes are not part of the public API.
            if (!path.StartsWith("/api/", StringComparison.Ordinal))
                continue;
            foreach (var method in route.GetSection("Match:Methods").GetChildren())
                routes.Add(NameOf(method.Value!, path), new(route["AuthorizationPolicy"] == "Anonymous", route["Metadata:QueueToken"]));
        }
        return routes;
    }

    // The gateway and the services may constrain a parameter differently, as in {id:guid}.
    private static string NameOf(string method, string path) => $"{method} /{Constraint().Replace(path.Trim('/'), "")}";

    [GeneratedRegex(":[a-z]+(?=})")]
    private static partial Regex Constraint();
}

/// <summary>What the gateway requires on a route.</summary>
/// <param name="IsAnonymous">Whether it needs no bearer token.</param>
/// <param name="QueueToken">The use of the queue token that it needs: <c>Book</c>, <c>Pay</c> or <c>Any</c>; null if it needs none.</param>
internal sealed record ShippedRoute(bool IsAnonymous, string? QueueToken);
