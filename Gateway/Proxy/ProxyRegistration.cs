using System.Collections.ObjectModel;
using ConcertSaga.Gateway.Limits;
using ConcertSaga.Gateway.Upstream;
using ConcertSaga.Shared.Hosting;
using ConcertSaga.Shared.Hosting.Http;
using Microsoft.Extensions.Configuration.Memory;
using Microsoft.Extensions.Options;
using Yarp.ReverseProxy.Configuration;
using Yarp.ReverseProxy.Forwarder;
using Yarp.ReverseProxy.Health;
using Yarp.ReverseProxy.Transforms;

namespace ConcertSaga.Gateway.Proxy;

/// <summary>Registers the proxy. Its routes and addresses come from the section <c>ReverseProxy</c>.</summary>
internal static class ProxyRegistration
{
    private const string Section = "ReverseProxy";

    public static void AddProxy(this WebApplicationBuilder builder)
    {
        builder.AddShippedRoutes();
        var section = builder.Configuration.GetSection(Section);
        ProxySettingsCheck.Check(section);
        builder.Logging.AddFilter("Yarp", LogLevel.Warning);
        builder.Services.AddSingleton<UpstreamClient>();
        builder.Services.AddSingleton<UpstreamFailureHandler>();
        builder.Services.AddSingleton<UpstreamOutageLog>();
        builder.Services.AddSingleton<ConnectionHealthPolicy>();
        builder.Services.AddSingleton<IPassiveHealthCheckPolicy>(services => services.GetRequiredService<ConnectionHealthPolicy>());
        builder.Services.AddReverseProxy()
            .LoadFromConfig(section)
            .AddConfigFilter<SafeDefaults>()
            .ConfigureHttpClient((_, client) => client.ActivityHeadersPropagator = new TraceHeaders())
            .AddTransforms(route =>
            {
                CallerHeaders.Set(route, route.Services.GetRequiredService<IOptions<InnerWallOptions>>().Value.Secret);
                route.AddResponseTransform(UpstreamFailureHandler.HideAsync);
                // Hides the server software of the services.
                route.AddResponseHeaderRemove("Server", ResponseCondition.Always);
            });
    }

    public static void MapProxy(this IEndpointRouteBuilder routes)
    {
        var failures = routes.ServiceProvider.GetRequiredService<UpstreamFailureHandler>();
        try
        {
            routes.MapReverseProxy(proxy =>
            {
                proxy.UseRouteSteps();
                proxy.Use(next => context => failures.AnswerAsync(context, next));
                proxy.Use(next => context => DestinationFailover.SendAsync(context, next));
                proxy.UseLoadBalancing();
                proxy.UsePassiveHealthChecks();
            });
        }
        catch (InvalidOperationException wrong) when (wrong.InnerException is { } reason)
        {
            throw new StartupException($"{Section} is wrong: {reason.GetBaseException().Message.ReplaceLineEndings(" ")}");
        }
    }

    /// <summary>
    /// Adds the routes of the gateway's own settings file with the lowest priority. A host that embeds the gateway thus gets them too, and
    /// can override each value.
    /// </summary>
    private static void AddShippedRoutes(this WebApplicationBuilder builder)
    {
        using var stream = typeof(ProxyRegistration).Assembly.GetManifestResourceStream("appsettings.json")!;
        var shipped = new ConfigurationBuilder().AddJsonStream(stream).Build();
        ((IConfigurationBuilder)builder.Configuration).Sources.Insert(0,
            new MemoryConfigurationSource
            {
                InitialData = shipped.GetSection(Section).AsEnumerable()
                .Where(pair => pair.Value is not null)
            });
    }

    /// <summary>Sets the defaults of routes and clusters: a required sign-in, a rate limit, a timeout and health checks.</summary>
    private sealed class SafeDefaults(IOptions<RequestLimitsOptions> limits) : IProxyConfigFilter
    {
        public ValueTask<RouteConfig> ConfigureRouteAsync(RouteConfig route, ClusterConfig? cluster, CancellationToken cancel)
        {
            // The proxy reads a changed settings file again. An exception keeps the routes as they were.
            RouteSteps.Check($"{Section}:Routes:{route.RouteId}:Metadata", route.Metadata ?? ReadOnlyDictionary<string, string>.Empty);
            return ValueTask.FromResult(route with
            {
                AuthorizationPolicy = string.IsNullOrEmpty(route.AuthorizationPolicy) ? "Default" : route.AuthorizationPolicy,
                RateLimiterPolicy = string.IsNullOrEmpty(route.RateLimiterPolicy) ? nameof(RateLimitsOptions.Read)
                    : route.RateLimiterPolicy
            });
        }

        public ValueTask<ClusterConfig> ConfigureClusterAsync(ClusterConfig cluster, CancellationToken cancel)
        {
            var request = cluster.HttpRequest ?? ForwarderRequestConfig.Empty;
            var health = cluster.HealthCheck ?? new HealthCheckConfig();
            return ValueTask.FromResult(cluster with
            {
                HealthCheck = health with
                {
                    Passive = health.Passive ?? new PassiveHealthCheckConfig { Enabled = true, Policy = ConnectionHealthPolicy.PolicyName },
                    AvailableDestinationsPolicy = health.AvailableDestinationsPolicy
                        ?? HealthCheckConstants.AvailableDestinations.HealthyOrPanic
                },
                HttpRequest = request with { ActivityTimeout = request.ActivityTimeout ?? limits.Value.UpstreamTimeout }
            });
        }
    }
}
