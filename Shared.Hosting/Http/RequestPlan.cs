using System.ComponentModel.DataAnnotations;
using System.Globalization;
using System.Reflection;
using System.Runtime.CompilerServices;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Metadata;
using Microsoft.AspNetCore.Routing;

namespace ConcertSaga.Shared.Hosting.Http;

/// <summary>Lists what an endpoint reads from a request, by the parameters of its handler.</summary>
internal sealed class RequestPlan
{
    private static readonly ConditionalWeakTable<Endpoint, RequestPlan> Plans = [];

    private RequestPlan(Endpoint endpoint)
    {
        HasHandler = endpoint.Metadata.GetMetadata<MethodInfo>() is not null;
        var route = (endpoint as RouteEndpoint)?.RoutePattern;
        foreach (var parameter in endpoint.Metadata.GetOrderedMetadata<IParameterBindingMetadata>())
        {
            var type = parameter.ParameterInfo.ParameterType;
            if (route?.GetParameter(parameter.Name) is null && !parameter.HasBindAsync && (parameter.HasTryParse || type == typeof(string)))
                Query[parameter.Name] = new QueryParameter(type, parameter.ParameterInfo.GetCustomAttribute<RangeAttribute>());
        }
        if (endpoint.Metadata.GetMetadata<IAcceptsMetadata>() is { RequestType: { } body } accepts)
        {
            Body = body;
            IsBodyOptional = accepts.IsOptional;
        }
    }

    /// <summary>Whether the endpoint is a handler method. Others, such as health checks, read the request themselves.</summary>
    public bool HasHandler { get; }

    /// <summary>Parameters from the query.</summary>
    public Dictionary<string, QueryParameter> Query { get; } = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>The type of the body; null if the endpoint has none.</summary>
    public Type? Body { get; }

    /// <summary>Whether the endpoint also accepts a request without a body.</summary>
    public bool IsBodyOptional { get; }

    public static RequestPlan Of(Endpoint endpoint) => Plans.GetValue(endpoint, static key => new RequestPlan(key));
}

/// <summary>A parameter of the query.</summary>
/// <param name="Type">The type of the handler's parameter.</param>
/// <param name="Range">The range of its numbers; null if only the type limits them.</param>
internal sealed record QueryParameter(Type Type, RangeAttribute? Range)
{
    public bool IsReadable(string text) =>
        ValueReader.IsReadable(Type, text) && (Range?.IsValid(long.Parse(text, CultureInfo.InvariantCulture)) ?? true);

    public string Allowed => ValueReader.Allowed(Type, Range);
}
