using System.Globalization;
using System.Net.Http.Headers;
using ConcertSaga.Contracts;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Http.Json;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.Routing.Matching;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace ConcertSaga.Shared.Hosting.Http;

/// <summary>
/// Checks the query, media type and body of each request against the parameters of its handler, before binding. The framework's own
/// binding is more lenient, and its errors speak of .NET types.
/// </summary>
public static class RequestChecks
{
    /// <summary>
    /// Lets a path contain a number or UUID only in its canonical form, so each resource has one address. The framework's own constraints
    /// also accept white space, signs, zeros in front and braces.
    /// </summary>
    public static void AddCanonicalPaths(this IServiceCollection services) => services.Configure<RouteOptions>(routing =>
    {
        routing.SetParameterPolicy<CanonicalConstraint<int>>("int");
        routing.SetParameterPolicy<CanonicalConstraint<long>>("long");
        routing.SetParameterPolicy<CanonicalConstraint<Guid>>("guid");
    });

    /// <summary>Adds the checks. Call it after routing and before the endpoints.</summary>
    public static void UseRequestChecks(this IApplicationBuilder app)
    {
        var json = app.ApplicationServices.GetRequiredService<IOptions<JsonOptions>>().Value.SerializerOptions;
        app.Use(async (context, next) =>
        {
            if (context.GetEndpoint() is not { } endpoint || RequestPlan.Of(endpoint) is not { HasHandler: true } plan)
            {
                await next(context);
                return;
            }
            var errors = new RequestErrors();
            CheckQuery(context.Request, plan, errors);
            if (errors.IsEmpty && ReadsBody(context.Request, plan))
            {
                if (!IsJson(context.Request))
                {
                    await Problems.Refuse(StatusCodes.Status415UnsupportedMediaType, RefusalCodes.UnsupportedMediaType,
                        "Send the body as application/json in UTF-8, without a Content-Encoding.").ExecuteAsync(context);
                    return;
                }
                await CheckBodyAsync(context, plan, new BodyCheck(json, errors), errors);
            }
            if (errors.IsEmpty)
                await next(context);
            else
                await errors.ToProblem().ExecuteAsync(context);
        });
    }

    private static void CheckQuery(HttpRequest request, RequestPlan plan, RequestErrors errors)
    {
        foreach (var (name, values) in request.Query)
        {
            if (errors.IsFull)
                return;
            if (!plan.Query.TryGetValue(name, out var parameter))
            {
                if (IsChange(request))
                    errors.Unreadable(StoredText.Quote(name), plan.Query.Count == 0
                        ? "Unknown parameter. This route has no parameters."
                        : $"Unknown parameter. Allowed: {string.Join(", ", plan.Query.Keys)}.", RefusalCodes.UnknownParameter);
            }
            else if (values.Count > 1)
            {
                errors.Unreadable(name, "The parameter is given more than once.");
            }
            else if (!parameter.IsReadable(values.ToString()))
            {
                errors.Unreadable(name, parameter.Allowed);
            }
            else if (StoredText.FaultOf(values.ToString()) is { } fault)
            {
                errors.Unreadable(name, fault);
            }
        }
    }

    // A change with an unexpected body is checked too, because ignoring the body could ignore what the client wanted.
    private static bool ReadsBody(HttpRequest request, RequestPlan plan) =>
        plan.Body is not null || (IsChange(request) && CanHaveBody(request));

    private static bool CanHaveBody(HttpRequest request) =>
        request.HttpContext.Features.Get<IHttpRequestBodyDetectionFeature>() is { CanHaveBody: true };

    private static bool IsChange(HttpRequest request) =>
        !HttpMethods.IsGet(request.Method) && !HttpMethods.IsHead(request.Method) && !HttpMethods.IsOptions(request.Method);

    // A request without a body needs no media type.
    private static bool IsJson(HttpRequest request)
    {
        if (request.Headers.ContentEncoding is { Count: > 0 } encoding
            && !string.Equals(encoding, "identity", StringComparison.OrdinalIgnoreCase))
            return false;
        if (string.IsNullOrEmpty(request.ContentType))
            return !CanHaveBody(request);
        return MediaTypeHeaderValue.TryParse(request.ContentType, out var type)
            && string.Equals(type.MediaType, "application/json", StringComparison.OrdinalIgnoreCase)
            && type.Parameters.Where(parameter => parameter.Name.Equals("charset", StringComparison.OrdinalIgnoreCase))
                .All(charset => string.Equals(charset.Value?.Trim('"'), "utf-8", StringComparison.OrdinalIgnoreCase));
    }

    private static async Task CheckBodyAsync(HttpContext context, RequestPlan plan, BodyCheck check, RequestErrors errors)
    {
        var request = context.Request;
        // The server limits its length.
        var body = new MemoryStream();
        await request.Body.CopyToAsync(body, context.RequestAborted);
        var bytes = body.GetBuffer().AsMemory(0, (int)body.Length);
        if (!bytes.Span.ContainsAnyExcept(" \t\r\n"u8))
        {
            if (plan is { Body: { } type, IsBodyOptional: false })
                errors.Unreadable(BodyCheck.Root, $"The body is missing. Send a JSON object with {check.Members(type)}.");
            return;
        }
        check.Check(bytes, plan.Body);
        body.Position = 0;
        request.Body = body;
        // Checked above. The framework does not understand every spelling of a charset.
        request.ContentType = "application/json";
        context.Response.RegisterForDispose(body);
    }

    private sealed class CanonicalConstraint<T> : IRouteConstraint, IParameterLiteralNodeMatchingPolicy
    {
        public bool Match(HttpContext? httpContext, IRouter? route, string routeKey, RouteValueDictionary values,
            RouteDirection routeDirection) =>
            Convert.ToString(values[routeKey], CultureInfo.InvariantCulture) is { } text && ValueReader.IsReadable(typeof(T), text);

        // Without this, the methods of /{id:guid} would also be those of /send-again beside it.
        public bool MatchesLiteral(string parameterName, string literal) => ValueReader.IsReadable(typeof(T), literal);
    }
}
