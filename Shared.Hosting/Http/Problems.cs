using System.Diagnostics;
using ConcertSaga.Contracts;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Diagnostics;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Mvc;
using Microsoft.Extensions.DependencyInjection;

namespace ConcertSaga.Shared.Hosting.Http;

/// <summary>
/// Describes errors as RFC 9457 <c>application/problem+json</c> with <c>type</c>, <c>title</c>, <c>status</c>, <c>detail</c>, <c>code</c>
/// and <c>traceId</c>. An unreadable request gets a <c>400</c>: invalid JSON, an unknown member or parameter, a value of another type. A
/// readable request gets a <c>422</c> if a member is missing, null or not allowed. Both name the members in <c>errors</c>.
/// </summary>
public static class Problems
{
    private static readonly Dictionary<int, (string Code, string Title, string Detail)> ByStatus = new()
    {
        [400] = (RefusalCodes.BadRequest, "Bad request", "The server cannot read the request. Correct it and send it again."),
        [401] = (RefusalCodes.Unauthenticated, "Not signed in", "This route needs a valid bearer token. Sign in first."),
        [402] = (RefusalCodes.PaymentRequired, "Not enough points", "The balance does not cover the price. Charge points, then try again."),
        [403] = (RefusalCodes.Forbidden, "Forbidden", "You do not have permission for this request."),
        [404] = (RefusalCodes.NotFound, "Not found", "This address does not exist. Check the path."),
        [405] = (RefusalCodes.MethodNotAllowed, "Method not allowed",
            "This address does not support the method. Use one that the header Allow lists."),
        [406] = (RefusalCodes.NotAcceptable, "Not acceptable", "The server cannot produce any media type that the header Accept lists."),
        [408] = (RefusalCodes.RequestTimeout, "Request timeout", "The request did not arrive completely in time. Send it again."),
        [409] = (RefusalCodes.Conflict, "Conflict", "The request conflicts with the current state. Read that state before you try again."),
        [410] = (RefusalCodes.Gone, "Gone", "The resource no longer exists."),
        [413] = (RefusalCodes.PayloadTooLarge, "Payload too large", "The request body is larger than the limit. Send a smaller body."),
        [414] = (RefusalCodes.UriTooLong, "Address too long", "The address is longer than the limit. Send a shorter one."),
        [415] = (RefusalCodes.UnsupportedMediaType, "Unsupported media type", "Send the body as application/json."),
        [422] = (RefusalCodes.Unprocessable, "Invalid request", "The request contains a value that is not allowed. Correct it."),
        [429] = (RefusalCodes.TooManyRequests, "Too many requests",
            "You have reached a rate limit. Wait as long as Retry-After says, then try again."),
        [431] = (RefusalCodes.HeadersTooLarge, "Headers too large", "The request headers are larger than the limit. Send fewer of them."),
        [500] = (RefusalCodes.InternalError, "Internal error",
            "The request failed because of an error in the server. Give the traceId when you report it."),
        [503] = (RefusalCodes.Unavailable, "Temporarily unavailable",
            "A part of the system is temporarily unavailable. Wait as long as Retry-After says, then try again."),
        [505] = (RefusalCodes.HttpVersionNotSupported, "HTTP version not supported",
            "The server does not support this version of HTTP. Send the request with HTTP/1.1.")
    };

    /// <summary>Refuses a request with a code.</summary>
    /// <param name="status">The HTTP status.</param>
    /// <param name="code">The stable code that clients act on, such as <c>SEAT_UNAVAILABLE</c>.</param>
    /// <param name="detail">What happened and what to do.</param>
    /// <param name="extensions">Further members of the problem.</param>
    public static ProblemHttpResult Refuse(int status, string code, string detail,
        params ReadOnlySpan<(string Name, object? Value)> extensions)
    {
        var problem = new ProblemDetails { Status = status, Detail = detail, Extensions = { ["code"] = code } };
        foreach (var (name, value) in extensions)
            problem.Extensions[name] = value;
        return TypedResults.Problem(problem);
    }

    /// <summary>Refuses a request with a 422 whose <c>errors</c> name the invalid field.</summary>
    public static ProblemHttpResult Invalid(string code, string field, string error) =>
        Refuse(StatusCodes.Status422UnprocessableEntity, code, error, ("errors", new Dictionary<string, string[]> { [field] = [error] }));

    /// <summary>Documents the statuses with which a route can refuse.</summary>
    public static RouteHandlerBuilder ProducesProblems(this RouteHandlerBuilder route, params ReadOnlySpan<int> statuses)
    {
        foreach (var status in statuses)
            route.ProducesProblem(status);
        return route;
    }

    internal static void AddProblems(this IServiceCollection services)
    {
        // Registered before the framework's own writer, which declines if Accept excludes JSON.
        services.AddSingleton<IProblemDetailsWriter, ProblemWriter>();
        services.AddProblemDetails(options => options.CustomizeProblemDetails = context =>
        {
            var problem = context.ProblemDetails;
            if (context.Exception is RefusedRequestException refused)
            {
                problem.Detail = refused.Message;
                problem.Extensions.TryAdd("code", refused.Code);
                if (refused.Member is { } member)
                    problem.Extensions.TryAdd("errors", new Dictionary<string, string[]> { [member] = [refused.Error] });
            }
            var status = problem.Status ??= context.HttpContext.Response.StatusCode;
            var (code, title, detail) = ByStatus.GetValueOrDefault(status,
                (RefusalCodes.Error, "Error", "The server refused the request."));
            problem.Extensions.TryAdd("code", code);
            problem.Type = $"urn:concertsaga:problem:{problem.Extensions["code"]}";
            problem.Title = title;
            problem.Detail ??= detail;
            problem.Extensions["traceId"] = Activity.Current?.TraceId.ToString() ?? context.HttpContext.TraceIdentifier;
            if (status is 429 or 503 && !context.HttpContext.Response.HasStarted)
                context.HttpContext.Response.Headers.RetryAfter = context.HttpContext.Response.Headers.RetryAfter is { Count: > 0 } chosen
                    ? chosen : "1";
        });
        // An unreadable body or value then throws with its own status. Otherwise it would be logged as a bug.
        services.Configure<Microsoft.AspNetCore.Routing.RouteHandlerOptions>(options => options.ThrowOnBadRequest = true);
        services.AddSingleton<RequestFailureHandler>();
        services.AddSingleton<IExceptionHandler>(provider => provider.GetRequiredService<RequestFailureHandler>());
        services.Configure<ExceptionHandlerOptions>(options =>
        {
            options.StatusCodeSelector = RequestFailureHandler.StatusOf;
            options.SuppressDiagnosticsCallback = RequestFailureHandler.IsHandled;
        });
    }

    internal static void UseProblems(this IApplicationBuilder app)
    {
        app.UseExceptionHandler();
        app.UseStatusCodePages(DescribeAsync);
    }

    private static async Task DescribeAsync(StatusCodeContext status)
    {
        var context = status.HttpContext;
        // The client has hung up and will not read a response.
        if (context.RequestAborted.IsCancellationRequested)
            context.Response.StatusCode = StatusCodes.Status499ClientClosedRequest;
        if (context.Response.StatusCode == StatusCodes.Status499ClientClosedRequest)
            return;
        await context.RequestServices.GetRequiredService<IProblemDetailsService>().WriteAsync(
            new ProblemDetailsContext { HttpContext = context, ProblemDetails = { Status = context.Response.StatusCode } });
    }
}
