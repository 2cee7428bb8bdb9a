using ConcertSaga.Contracts;
using ConcertSaga.Shared.Hosting.Http;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Routing;

namespace ConcertSaga.Shared.Hosting.Operators;

/// <summary>The body of an operator's change that needs nothing else.</summary>
/// <param name="Reason">Why, for the record; 1 to 500 characters.</param>
public sealed record OperatorReason(string? Reason = null);

/// <summary>Maps routes of operators, and checks what all their requests have in common.</summary>
public static class OperatorRoutes
{
    private const string Role = "ops";

    /// <summary>Maps a group of routes that answer only callers with the role <c>ops</c>.</summary>
    public static RouteGroupBuilder MapOperators(this IEndpointRouteBuilder routes, string prefix)
    {
        var group = routes.MapGroup(prefix).WithTags("Operators").ProducesProblem(StatusCodes.Status403Forbidden);
        group.AddEndpointFilter(RequireRole);
        return group;
    }

    /// <summary>Refuses a missing, blank or long reason. The request checks refuse control characters in any text.</summary>
    public static ProblemHttpResult? RefuseReason(string? reason) =>
        StoredText.IsBlank(reason) || reason!.Length > OperatorAction.MaxReasonLength
            ? Problems.Invalid(RefusalCodes.InvalidReason, "reason", $"Give a reason of 1 to {OperatorAction.MaxReasonLength} characters.")
            : null;

    /// <summary>Whether the caller has the role <c>ops</c>.</summary>
    public static bool IsOperator(HttpRequest request) =>
        request.Headers[Caller.UserRolesHeader].ToString().Split(',').Contains(Role);

    private static ValueTask<object?> RequireRole(EndpointFilterInvocationContext context, EndpointFilterDelegate next) =>
        IsOperator(context.HttpContext.Request) ? next(context) : ValueTask.FromResult<object?>(Refusals.OperatorsOnly.Answer());
}
