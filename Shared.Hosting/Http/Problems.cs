using System.Diagnostics;
using System.Text.Json;
using ConcertSaga.Shared.Hosting.Messaging;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Mvc;
using Microsoft.Extensions.DependencyInjection;

namespace ConcertSaga.Shared.Hosting.Http;

/// <summary>
/// Errors as RFC 9457 <c>application/problem+json</c> with <c>type</c>, <c>title</c>, <c>status</c>, <c>detail</c>, <c>code</c> and
/// <c>traceId</c>.
/// </summary>
public static class Problems
{
    private static readonly Dictionary<int, (string Code, string Title, string Detail)> ByStatus = new()
    {
        [400] = ("BAD_REQUEST", "Bad request", "The request cannot be understood as it stands."),
        [401] = ("UNAUTHENTICATED", "Sign in first", "This needs a valid bearer token."),
        [402] = ("PAYMENT_REQUIRED", "Not enough points", "Charge points and try again."),
        [403] = ("FORBIDDEN", "Not allowed", "The caller may not do this."),
        [404] = ("NOT_FOUND", "Not found", "There is nothing at this address."),
        [405] = ("METHOD_NOT_ALLOWED", "Method not allowed", "This address exists, but not for this method; Allow names those it has."),
        [406] = ("NOT_ACCEPTABLE", "Not acceptable", "None of the accepted media types can be produced."),
        [408] = ("REQUEST_TIMEOUT", "Request timed out", "The request did not arrive in time."),
        [409] = ("CONFLICT", "Conflict", "The request conflicts with the present state."),
        [410] = ("GONE", "Gone", "This is over."),
        [413] = ("PAYLOAD_TOO_LARGE", "Payload too large", "The request body is larger than is taken here."),
        [414] = ("URI_TOO_LONG", "Address too long", "The address is longer than is taken here."),
        [415] = ("UNSUPPORTED_MEDIA_TYPE", "Unsupported media type", "Send the body as application/json."),
        [422] = ("UNPROCESSABLE", "The request cannot be carried out as given", "Something in the request has a value that is not allowed."),
        [429] = ("TOO_MANY_REQUESTS", "Too many requests", "Wait as long as Retry-After says, then try again."),
        [431] = ("HEADERS_TOO_LARGE", "Headers too large", "The request headers are larger than is taken here."),
        [500] = ("INTERNAL_ERROR", "Something went wrong on our side", "The error is recorded under this traceId."),
        [503] = ("UNAVAILABLE", "Not available right now", "Wait as long as Retry-After says, then try again.")
    };

    /// <summary>A refusal with its own code.</summary>
    /// <param name="status">The HTTP status.</param>
    /// <param name="code">The stable code clients decide by, such as <c>SEAT_UNAVAILABLE</c>.</param>
    /// <param name="detail">What happened and what to do, in a sentence.</param>
    /// <param name="extensions">Further members of the problem.</param>
    public static ProblemHttpResult Refuse(int status, string code, string detail, params ReadOnlySpan<(string Name, object? Value)> extensions)
    {
        var problem = new ProblemDetails { Status = status, Detail = detail, Extensions = { ["code"] = code } };
        foreach (var (name, value) in extensions)
            problem.Extensions[name] = value;
        return TypedResults.Problem(problem);
    }

    /// <summary>A 422 whose <c>errors</c> name the fields at fault.</summary>
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
        services.AddProblemDetails(options => options.CustomizeProblemDetails = context =>
        {
            var problem = context.ProblemDetails;
            if (context.Exception is RefusedRequestException refused)
                problem.Extensions.TryAdd("code", refused.Code);
            var status = problem.Status ??= context.HttpContext.Response.StatusCode;
            var (code, title, detail) = ByStatus.GetValueOrDefault(status, ("ERROR", "Error", "The request was refused."));
            problem.Extensions.TryAdd("code", code);
            problem.Type = $"urn:concertsaga:problem:{problem.Extensions["code"]}";
            problem.Title = title;
            // What a refused request did wrong is the caller's to know; the message of any other exception is not.
            problem.Detail ??= context.Exception switch
            {
                BadHttpRequestException { InnerException: JsonException } => "The body is not the JSON this route takes.",
                BadHttpRequestException { StatusCode: < 500 } bad => bad.Message,
                _ => detail
            };
            problem.Extensions["traceId"] = Activity.Current?.TraceId.ToString() ?? context.HttpContext.TraceIdentifier;
            if (status is 429 or 503 && !context.HttpContext.Response.HasStarted)
                context.HttpContext.Response.Headers.RetryAfter = context.HttpContext.Response.Headers.RetryAfter is { Count: > 0 } given ? given : "1";
        });
        // A body that is no JSON, or a value of the wrong type, throws with its own status; without this it would be logged as a bug.
        services.Configure<Microsoft.AspNetCore.Routing.RouteHandlerOptions>(options => options.ThrowOnBadRequest = true);
        services.Configure<ExceptionHandlerOptions>(options =>
        {
            options.StatusCodeSelector = exception =>
                exception is BadHttpRequestException bad ? bad.StatusCode
                : FailurePolicy.IsTransient(exception) ? StatusCodes.Status503ServiceUnavailable
                : StatusCodes.Status500InternalServerError;
            // A caller's mistake is no error of ours: logged as one, with its stack, it would bury those.
            options.SuppressDiagnosticsCallback = context => context.Exception is BadHttpRequestException;
        });
    }

    internal static void UseProblems(this IApplicationBuilder app)
    {
        app.UseExceptionHandler();
        app.UseStatusCodePages();
    }
}
