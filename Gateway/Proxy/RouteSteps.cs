using System.Collections.Frozen;
using ConcertSaga.Gateway.Http;
using ConcertSaga.Gateway.Queue;
using ConcertSaga.Gateway.Seats;
using ConcertSaga.Shared.Hosting;

namespace ConcertSaga.Gateway.Proxy;

/// <summary>Runs the steps that a route requires in its metadata (<see cref="RouteMetadata"/>).</summary>
internal static class RouteSteps
{
    private static readonly FrozenDictionary<string, QueueTokenUse> Uses = Enum.GetValues<QueueTokenUse>()
        .ToFrozenDictionary(use => use.ToString());

    private static readonly FrozenDictionary<string, Func<IServiceProvider, Func<HttpContext, RequestDelegate, Task>>> Handlers =
        new Dictionary<string, Func<IServiceProvider, Func<HttpContext, RequestDelegate, Task>>>
        {
            [QueuePollHandler.Name] = services => services.GetRequiredService<QueuePollHandler>().AnswerAsync,
            [QueueStreamHandler.Name] = services => services.GetRequiredService<QueueStreamHandler>().AnswerAsync,
            [SeatMapFetcher.Name] = services => services.GetRequiredService<SeatMapFetcher>().AnswerAsync,
            [SeatStreamHandler.Name] = services => services.GetRequiredService<SeatStreamHandler>().AnswerAsync
        }.ToFrozenDictionary();

    private static readonly FrozenDictionary<string, string[]> Allowed = new Dictionary<string, string[]>
    {
        [RouteMetadata.QueueToken] = [.. Uses.Keys],
        [RouteMetadata.AnsweredBy] = [.. Handlers.Keys],
        [RouteMetadata.Repeatable] = ["true", "false"],
        [RouteMetadata.Page] = ["true", "false"]
    }.ToFrozenDictionary(StringComparer.OrdinalIgnoreCase);

    /// <summary>Refuses an unknown name, and an unknown or empty value. Either would open the route to everyone.</summary>
    public static void Check(string path, IReadOnlyDictionary<string, string> metadata)
    {
        if (metadata.Keys.FirstOrDefault(name => !Allowed.ContainsKey(name)) is { } unknown)
            throw new StartupException($"{path}:{unknown} is not a setting; allowed: "
                + $"{string.Join(", ", Allowed.Keys.Order(StringComparer.Ordinal).Select(name => $"{path}:{name}"))}.");
        foreach (var (name, value) in metadata)
        {
            if (!Allowed[name].Contains(value))
                throw new StartupException(
                    $"{path}:{name} is '{value}'; allowed: {string.Join(", ", Allowed[name].Order(StringComparer.Ordinal))}.");
        }
        if (metadata.GetValueOrDefault(RouteMetadata.Repeatable) == "true"
            && (!metadata.ContainsKey(RouteMetadata.QueueToken) || metadata.ContainsKey(RouteMetadata.AnsweredBy)))
            throw new StartupException(
                $"{path}:{RouteMetadata.Repeatable} is 'true'; allowed: false, unless a service answers the route and "
                    + $"{RouteMetadata.QueueToken} is set.");
    }

    public static void UseRouteSteps(this IReverseProxyApplicationBuilder proxy)
    {
        var check = proxy.ApplicationServices.GetRequiredService<QueueTokenCheck>();
        var handlers = Handlers.ToFrozenDictionary(handler => handler.Key, handler => handler.Value(proxy.ApplicationServices));
        proxy.Use(next => context =>
            Metadata(context) is { } metadata && metadata.TryGetValue(RouteMetadata.QueueToken, out var use)
                ? check.CheckAsync(context, Uses[use], metadata.GetValueOrDefault(RouteMetadata.Repeatable) == "true", next)
                : next(context));
        proxy.Use(next => context =>
            Metadata(context)?.TryGetValue(RouteMetadata.AnsweredBy, out var name) == true ? handlers[name](context, next) : next(context));
    }

    private static IReadOnlyDictionary<string, string>? Metadata(HttpContext context) =>
        context.GetReverseProxyFeature().Route.Config.Metadata;
}
