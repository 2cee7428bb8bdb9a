using System.Text.RegularExpressions;

namespace ConcertSaga.Gateway.Tests.Hosts;

/// <summary>A route of the gateway's own settings, with a matching address.</summary>
public sealed record ShippedRoute(
    string Name, string[] Methods, string Path, string? Service, string? QueueToken, string? AnsweredBy, bool IsRepeatable,
        string? AuthorizationPolicy)
{
    public override string ToString() => Name;
}

/// <summary>Reads all shipped routes, so that a test over them covers a new route.</summary>
public static partial class ShippedRoutes
{
    public static ShippedRoute[] All { get; } = [.. Read()];

    /// <summary>The addresses of the storefront's pages.</summary>
    public static readonly string[] Pages =
    [
        "/", "/concerts/1", "/concerts/1/schedules", "/concerts/1/schedules/2", "/reservations",
        "/reservations/0197b1d0-0000-7000-8000-000000000001", "/points"
    ];

    /// <summary>The methods of each path, from the shipped routes and the gateway's own endpoints.</summary>
    public static IReadOnlyDictionary<string, string[]> MethodsByPath { get; } = All
        .Concat(
        [
            new ShippedRoute("openapi", ["GET"], "/openapi.json", null, null, null, false, null),
            new ShippedRoute("docs", ["GET"], "/docs/", null, null, null, false, null),
            new ShippedRoute("live", ["GET"], "/health/live", null, null, null, false, null),
            new ShippedRoute("ready", ["GET"], "/health/ready", null, null, null, false, null),
            new ShippedRoute("demo", ["POST"], "/auth/demo", null, null, null, false, null),
            new ShippedRoute("sign-in", ["GET", "POST"], "/auth/sign-in", null, null, null, false, null),
            new ShippedRoute("session", ["GET"], "/auth/session", null, null, null, false, null),
            new ShippedRoute("sign-out", ["POST"], "/auth/sign-out", null, null, null, false, null)
        ])
        .Concat(Pages.Select(page => new ShippedRoute("page", ["GET"], page, null, null, null, false, null)))
        .GroupBy(route => route.Path).ToDictionary(routes => routes.Key,
            routes => routes.SelectMany(route => route.Methods).Distinct().ToArray());

    private static IEnumerable<ShippedRoute> Read()
    {
        var builder = GatewayHost.Builder([]);
        builder.AddGateway();
        foreach (var route in builder.Configuration.GetSection("ReverseProxy:Routes").GetChildren())
        {
            var path = Parameter().Replace(route["Match:Path"]!, parameter =>
                parameter.Value.EndsWith(":guid}", StringComparison.Ordinal) ? "0197b1d0-0000-7000-8000-000000000001" : "1");
            yield return new ShippedRoute(route.Key, [.. route.GetSection("Match:Methods").GetChildren().Select(method => method.Value!)],
                path, route["ClusterId"],
                route["Metadata:QueueToken"], route["Metadata:AnsweredBy"], route["Metadata:Repeatable"] == "true",
                    route["AuthorizationPolicy"]);
        }
    }

    [GeneratedRegex(@"\{[^}]*\}")]
    private static partial Regex Parameter();
}
