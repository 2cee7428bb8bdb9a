using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Options;

namespace ConcertSaga.Shared.Hosting.Http;

/// <summary>
/// Writes every problem as <c>application/problem+json</c>, whatever the request accepts. The framework's writer declines if
/// <c>Accept</c> excludes JSON, and the response would be plain text without a code.
/// </summary>
internal sealed class ProblemWriter(IOptions<ProblemDetailsOptions> problems, IOptions<Microsoft.AspNetCore.Http.Json.JsonOptions> json)
    : IProblemDetailsWriter
{
    public bool CanWrite(ProblemDetailsContext context) => true;

    public async ValueTask WriteAsync(ProblemDetailsContext context)
    {
        var response = context.HttpContext.Response;
        context.ProblemDetails.Status ??= response.StatusCode;
        problems.Value.CustomizeProblemDetails?.Invoke(context);
        await response.WriteAsJsonAsync(context.ProblemDetails, json.Value.SerializerOptions, "application/problem+json");
    }
}
