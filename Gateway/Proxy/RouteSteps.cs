using System.Collections.Frozen;
using ConcertSaga.Gateway.Limits;
using ConcertSaga.Gateway.Queue;
using ConcertSaga.Gateway.Seats;
using ConcertSaga.Shared.Hosting;
using Yarp.ReverseProxy.Model;

namespace ConcertSaga.Gateway.Proxy;

/// <summary>
/// What a route asks for in its metadata: <c>QueueToken</c> says which token the caller must show, <c>AnsweredBy</c> which part of the gateway
/// answers instead of the cluster.
/// </summary>
internal static class RouteSteps
{
    private const string QueueToken = "QueueToken", AnsweredBy = "AnsweredBy";

    private static readonly FrozenDictionary<string, QueueTokenUse> Uses = Enum.GetValues<QueueTokenUse>().ToFrozenDictionary(use => use.ToString());

    private static readonly FrozenDictionary<string, Func<IServiceProvider, Func<HttpContext, RequestDelegate, Task>>> Answers =
        new Dictionary<string, Func<IServiceProvider, Func<HttpContext, RequestDelegate, Task>>>
        {
            [nameof(QueuePolls)] = services => services.GetRequiredService<QueuePolls>().AnswerAsync,
            [nameof(QueueEvents)] = services => services.GetRequiredService<QueueEvents>().AnswerAsync,
            [nameof(SeatMaps)] = services => services.GetRequiredService<SeatMaps>().AnswerAsync,
            [nameof(SeatEvents)] = services => services.GetRequiredService<SeatEvents>().AnswerAsync
        }.ToFrozenDictionary();

    /// <summary>A value nobody knows would open the route to everybody, and so would an empty one: the start stops.</summary>
    public static void Check(IConfigurationSection metadata)
    {
        CheckOne(metadata.GetSection(QueueToken), Uses.Keys);
        CheckOne(metadata.GetSection(AnsweredBy), Answers.Keys);
    }

    public static void UseRouteSteps(this IReverseProxyApplicationBuilder proxy)
    {
        var pass = proxy.ApplicationServices.GetRequiredService<QueuePass>();
        var answers = Answers.ToFrozenDictionary(answer => answer.Key, answer => answer.Value(proxy.ApplicationServices));
        proxy.Use(next => context =>
            Metadata(context)?.TryGetValue(QueueToken, out var use) == true ? pass.CheckAsync(context, Uses[use], next) : next(context));
        proxy.Use(next => context =>
            Metadata(context)?.TryGetValue(AnsweredBy, out var answer) == true ? answers[answer](context, next) : next(context));
    }

    /// <summary>Whether a route is answered by <see cref="QueuePolls"/> under the policies it ships with.</summary>
    public static bool IsPlainPoll(Endpoint endpoint) =>
        endpoint.Metadata.GetMetadata<RouteModel>()?.Config is { AuthorizationPolicy: "Default", RateLimiterPolicy: nameof(RateLimitsOptions.Poll), CorsPolicy: null, Metadata: { } metadata }
        && metadata.TryGetValue(AnsweredBy, out var answer) && answer == nameof(QueuePolls)
        && metadata.TryGetValue(QueueToken, out var use) && use == nameof(QueueTokenUse.Any);

    private static IReadOnlyDictionary<string, string>? Metadata(HttpContext context) => context.GetReverseProxyFeature().Route.Config.Metadata;

    private static void CheckOne(IConfigurationSection value, IEnumerable<string> allowed)
    {
        if (value.Value is { } text && !allowed.Contains(text))
            throw new StartupException($"{value.Path} is '{text}'; allowed: {string.Join(", ", allowed.Order(StringComparer.Ordinal))}.");
    }
}
