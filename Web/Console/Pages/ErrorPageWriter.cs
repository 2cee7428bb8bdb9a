using ConcertSaga.Shared.Hosting.Http;
using ConcertSaga.Shared.Hosting.Operators;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace ConcertSaga.OperatorConsole.Pages;

/// <summary>
/// Shows the problems of pages as pages, if a browser asks. All other requests, and the routes below <c>/ops/api</c>, keep the problem
/// details.
/// </summary>
internal sealed class ErrorPageWriter(IOptions<ProblemDetailsOptions> problems, IOptions<InnerWallOptions> wall) : IProblemDetailsWriter
{
    private readonly byte[] _secret = InnerWall.Digest(wall.Value.Secret);

    public bool CanWrite(ProblemDetailsContext context)
    {
        var request = context.HttpContext.Request;
        // The page contains the token of a form, which is for operators behind the wall only.
        return request.Path.StartsWithSegments("/ops", out var rest) && !rest.StartsWithSegments("/api")
            && request.GetTypedHeaders().Accept.Any(accepted => accepted.MediaType == "text/html")
            && OperatorRoutes.IsOperator(request) && InnerWall.PresentsSecret(context.HttpContext, _secret);
    }

    public async ValueTask WriteAsync(ProblemDetailsContext context)
    {
        var http = context.HttpContext;
        context.ProblemDetails.Status ??= http.Response.StatusCode;
        // A page that was begun has left headers, which the framework adds once more.
        http.Response.Clear();
        problems.Value.CustomizeProblemDetails?.Invoke(context);
        // The framework renders one page per scope, and the page that failed was one.
        var used = http.RequestServices;
        await using var scope = used.CreateAsyncScope();
        http.RequestServices = scope.ServiceProvider;
        try
        {
            await new RazorComponentResult<App>(new { Problem = context.ProblemDetails }) { StatusCode = context.ProblemDetails.Status }
                .ExecuteAsync(http);
        }
        finally
        {
            http.RequestServices = used;
        }
    }
}
