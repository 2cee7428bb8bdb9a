using ConcertSaga.Shared.Hosting.Http;
using Microsoft.AspNetCore.Http.HttpResults;

namespace ConcertSaga.DataPlatform.Endpoints;

/// <summary>What an operator gives with everything that changes something.</summary>
/// <param name="Reason">Why, for whoever looks later; 1 to 500 characters.</param>
public sealed record OperatorReason(string? Reason);

/// <summary>What all routes of operators have in common.</summary>
internal static class Operators
{
    private const string Role = "ops";
    private const int MostReason = 500;

    public static RouteGroupBuilder MapOperators(this IEndpointRouteBuilder routes, string prefix)
    {
        var group = routes.MapGroup(prefix).WithTags("Operators").ProducesProblem(StatusCodes.Status403Forbidden);
        group.AddEndpointFilter(RequireRole);
        return group;
    }

    public static ProblemHttpResult? Invalid(string? reason) => string.IsNullOrWhiteSpace(reason) || reason.Length > MostReason
        ? Problems.Invalid("INVALID_REASON", "reason", $"Say why, in 1 to {MostReason} characters.") : null;

    private static ValueTask<object?> RequireRole(EndpointFilterInvocationContext context, EndpointFilterDelegate next) =>
        context.HttpContext.Request.Headers[Caller.UserRolesHeader].ToString().Split(',').Contains(Role)
            ? next(context)
            : ValueTask.FromResult<object?>(Problems.Refuse(StatusCodes.Status403Forbidden, "FORBIDDEN", "This is for operators."));
}
