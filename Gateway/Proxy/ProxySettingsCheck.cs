using ConcertSaga.Shared.Hosting;
using Microsoft.AspNetCore.Routing.Constraints;
using Microsoft.AspNetCore.Routing.Patterns;
using Microsoft.Extensions.Options;

namespace ConcertSaga.Gateway.Proxy;

/// <summary>
/// Checks the section <c>ReverseProxy</c> at start. The proxy would report some errors in several lines without the key, and others only
/// when a request arrives.
/// </summary>
internal static class ProxySettingsCheck
{
    private static readonly string[] Methods = ["DELETE", "GET", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"];

    private static readonly DefaultInlineConstraintResolver Constraints = CreateConstraints();

    public static void Check(IConfigurationSection section)
    {
        var settings = section.BindOptions<ProxySettings>();
        foreach (var (name, cluster) in settings.Clusters)
            CheckDestinations($"{section.Path}:Clusters:{name}:Destinations", cluster.Destinations);
        foreach (var (name, route) in settings.Routes)
        {
            var path = $"{section.Path}:Routes:{name}";
            RouteSteps.Check($"{path}:Metadata", route.Metadata);
            if (!settings.Clusters.ContainsKey(route.ClusterId ?? ""))
                throw Refuse($"{path}:ClusterId", route.ClusterId, string.Join(", ", settings.Clusters.Keys.Order(StringComparer.Ordinal)));
            CheckMatch(section.GetSection($"Routes:{name}:Match"), route.Match);
        }
        CheckOverlaps(section, settings.Routes);
    }

    private static void CheckDestinations(string path, Dictionary<string, DestinationSettings> destinations)
    {
        if (destinations.Count == 0)
            throw new StartupException($"{path} is missing; allowed: addresses, such as {path}:one:Address=http://localhost:8080.");
        foreach (var (name, destination) in destinations)
        {
            if (destination.Address is not { } address)
                throw Refuse($"{path}:{name}:Address", null, "an absolute address such as http://localhost:8080");
            // The proxy appends the path of the request.
            if (address.Query.Length > 0)
                throw Refuse($"{path}:{name}:Address", address.OriginalString, "an address without a query");
        }
    }

    private static void CheckMatch(IConfigurationSection section, MatchSettings match)
    {
        if (string.IsNullOrEmpty(match.Path) || !IsTemplate(match.Path))
            throw Refuse($"{section.Path}:Path", string.IsNullOrEmpty(match.Path) ? null : match.Path,
                "a path such as /api/points or /api/reservations/{id:guid}");
        // The proxy would ignore one line, and then forward every method.
        if (section["Methods"] is { Length: > 0 } line)
            throw Refuse($"{section.Path}:Methods", line, $"{section.Path}:Methods:0, {section.Path}:Methods:1 and so on");
        for (var i = 0; i < match.Methods.Length; i++)
        {
            if (!Methods.Contains(match.Methods[i]) || match.Methods.AsSpan(0, i).Contains(match.Methods[i]))
                throw Refuse($"{section.Path}:Methods:{i}", match.Methods[i], $"{string.Join(", ", Methods)}, each once");
        }
    }

    private static bool IsTemplate(string path)
    {
        try
        {
            return RoutePatternFactory.Parse(path).Parameters.SelectMany(parameter => parameter.ParameterPolicies)
                .All(policy => Constraints.ResolveConstraint(policy.Content!) is not null);
        }
        catch (Exception)
        {
            return false;
        }
    }

    private static DefaultInlineConstraintResolver CreateConstraints()
    {
        var routing = new RouteOptions();
        routing.SetParameterPolicy<RegexInlineRouteConstraint>("regex");
        return new DefaultInlineConstraintResolver(Options.Create(routing), new ServiceCollection().BuildServiceProvider());
    }

    // The framework would answer each such request with 500.
    private static void CheckOverlaps(IConfigurationSection section, Dictionary<string, RouteSettings> routes)
    {
        foreach (var same in routes.GroupBy(route => (route.Value.Match.Path!.Trim('/').ToUpperInvariant(), route.Value.Order)))
        {
            var taken = new Dictionary<string, string>();
            foreach (var (name, route) in same)
            {
                foreach (var method in route.Match.Methods is [] ? Methods : route.Match.Methods)
                {
                    if (!taken.TryAdd(method, name))
                        throw new StartupException($"{section.Path}:Routes:{name}:Match has {method} {route.Match.Path}, as the route "
                            + $"{taken[method]} has; allowed: another method or path, or another {section.Path}:Routes:{name}:Order.");
                }
            }
        }
    }

    private static StartupException Refuse(string key, string? value, string allowed) =>
        new($"{key} is {SettingText.Show(key, value)}; allowed: {allowed}.");
}
