using Yarp.ReverseProxy.Model;

namespace ConcertSaga.Gateway.Http;

/// <summary>Names the metadata that a route can have in the settings.</summary>
internal static class RouteMetadata
{
    /// <summary>Which queue token the caller must present; absent if the route needs none.</summary>
    public const string QueueToken = "QueueToken";

    /// <summary>Which part of the gateway answers instead of the cluster.</summary>
    public const string AnsweredBy = "AnsweredBy";

    /// <summary>Whether the service answers repeats whose token has ended.</summary>
    public const string Repeatable = "Repeatable";

    /// <summary>Whether the route serves pages with forms, not data.</summary>
    public const string Page = "Page";

    /// <summary>Whether the route of a request serves pages.</summary>
    public static bool IsPage(HttpContext context) =>
        context.GetEndpoint()?.Metadata.GetMetadata<RouteModel>()?.Config.Metadata?.GetValueOrDefault(Page) == "true";
}
