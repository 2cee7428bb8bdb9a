using ConcertSaga.Gateway.Limits;
using ConcertSaga.Shared.Hosting;
using ConcertSaga.Shared.Hosting.Http;
using Microsoft.Extensions.Configuration.Memory;
using Microsoft.Extensions.Options;
using Yarp.ReverseProxy.Configuration;
using Yarp.ReverseProxy.Forwarder;
using Yarp.ReverseProxy.Transforms;

namespace ConcertSaga.Gateway.Proxy;

/// <summary>The way to the services: routes and addresses are configuration, section <c>ReverseProxy</c>.</summary>
internal static class ProxyRegistration
{
    private const string Section = "ReverseProxy";

    public static void AddProxy(this WebApplicationBuilder builder)
    {
        builder.AddShippedRoutes();
        var section = builder.Configuration.GetSection(Section);
        CheckRoutes(section);
        builder.Logging.AddFilter("Yarp", LogLevel.Warning);
        builder.Services.AddSingleton<InnerClient>();
        builder.Services.AddReverseProxy()
            .LoadFromConfig(section)
            .AddConfigFilter<SafeDefaults>()
            .ConfigureHttpClient((_, client) => client.ActivityHeadersPropagator = new TraceHeaders())
            .AddTransforms(route =>
            {
                CallerHeaders.Set(route, route.Services.GetRequiredService<IOptions<InnerWallOptions>>().Value.Secret);
                route.AddResponseTransform(UpstreamFailures.HideAsync);
                // Which software answers inside is nobody's business outside.
                route.AddResponseHeaderRemove("Server", ResponseCondition.Always);
            });
    }

    public static void MapProxy(this IEndpointRouteBuilder routes)
    {
        try
        {
            routes.MapReverseProxy(proxy =>
            {
                proxy.UseRouteSteps();
                proxy.Use(next => context => UpstreamFailures.AnswerAsync(context, next));
                proxy.UseLoadBalancing();
            });
        }
        catch (InvalidOperationException wrong) when (wrong.InnerException is { } reason)
        {
            throw new StartupException($"{Section} is wrong: {reason.GetBaseException().Message.ReplaceLineEndings(" ")}");
        }
    }

    /// <summary>
    /// The routes of the gateway's settings file go below everything else that is configured: a host that takes the gateway into its own
    /// process has them too, and each value stays overridable.
    /// </summary>
    private static void AddShippedRoutes(this WebApplicationBuilder builder)
    {
        using var stream = typeof(ProxyRegistration).Assembly.GetManifestResourceStream("appsettings.json")!;
        var shipped = new ConfigurationBuilder().AddJsonStream(stream).Build();
        ((IConfigurationBuilder)builder.Configuration).Sources.Insert(0,
            new MemoryConfigurationSource { InitialData = shipped.GetSection(Section).AsEnumerable().Where(pair => pair.Value is not null) });
    }

    private static void CheckRoutes(IConfigurationSection section)
    {
        var clusters = section.GetSection("Clusters").GetChildren().ToDictionary(cluster => cluster.Key, StringComparer.OrdinalIgnoreCase);
        foreach (var route in section.GetSection("Routes").GetChildren())
        {
            RouteSteps.Check(route.GetSection("Metadata"));
            if (!clusters.ContainsKey(route["ClusterId"] ?? ""))
                throw new StartupException($"{route.Path}:ClusterId is '{route["ClusterId"]}'; allowed: {string.Join(", ", clusters.Keys.Order(StringComparer.Ordinal))}.");
        }
        foreach (var address in clusters.Values
            .SelectMany(cluster => cluster.GetSection("Destinations").GetChildren())
            .Select(destination => destination.GetSection("Address")))
        {
            if (!Uri.TryCreate(address.Value, UriKind.Absolute, out var uri) || uri.Scheme is not ("http" or "https"))
                throw new StartupException(
                    $"{address.Path} is {(string.IsNullOrEmpty(address.Value) ? "missing" : $"'{address.Value}'")}; allowed: an address such as http://seats:8080.");
        }
    }

    /// <summary>What holds where a route or cluster says nothing: sign-in is needed, and silence ends.</summary>
    private sealed class SafeDefaults(IOptions<RequestLimitsOptions> limits) : IProxyConfigFilter
    {
        public ValueTask<RouteConfig> ConfigureRouteAsync(RouteConfig route, ClusterConfig? cluster, CancellationToken cancel) =>
            ValueTask.FromResult(route with
            {
                AuthorizationPolicy = route.AuthorizationPolicy ?? "Default",
                RateLimiterPolicy = route.RateLimiterPolicy ?? nameof(RateLimitsOptions.Read)
            });

        public ValueTask<ClusterConfig> ConfigureClusterAsync(ClusterConfig cluster, CancellationToken cancel)
        {
            var request = cluster.HttpRequest ?? ForwarderRequestConfig.Empty;
            return ValueTask.FromResult(cluster with
            {
                HttpRequest = request with { ActivityTimeout = request.ActivityTimeout ?? limits.Value.UpstreamTimeout }
            });
        }
    }
}
