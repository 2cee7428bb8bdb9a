using System.Reflection;
using ConcertSaga.Contracts;
using Microsoft.AspNetCore.Http;

namespace ConcertSaga.Shared.Hosting.Http;

/// <summary>
/// The caller, as the gateway identified it. Endpoints take it as a parameter. Its headers can be trusted: the inner wall admits only the
/// gateway, and the gateway removes such headers from client requests.
/// </summary>
/// <param name="UserId">The subject of the caller's bearer token.</param>
/// <param name="QueueTokenId">The id of the caller's pass, if the route needs one.</param>
/// <param name="QueueConcertId">The concert of that pass.</param>
/// <param name="QueueRefusal">
/// The code with which the gateway would refuse the caller's queue token; null if the token opens the route. The gateway forwards such a
/// request only if a repeat of completed work may still need its response. The service answers it from its records, and refuses everything
/// else with this code.
/// </param>
public sealed record Caller(string UserId, Guid? QueueTokenId, int? QueueConcertId, string? QueueRefusal = null)
{
    /// <summary>Carries the user's id.</summary>
    public const string UserIdHeader = "X-User-Id";

    /// <summary>Carries the user's roles, separated by commas.</summary>
    public const string UserRolesHeader = "X-User-Roles";

    /// <summary>Carries the id of the caller's pass.</summary>
    public const string QueueTokenIdHeader = "X-Queue-Token-Id";

    /// <summary>Carries the concert of the caller's pass.</summary>
    public const string QueueConcertIdHeader = "X-Queue-Concert-Id";

    /// <summary>Carries the code with which the gateway would refuse the queue token.</summary>
    public const string QueueRefusalHeader = "X-Queue-Refusal";

    // The length of the column in every database.
    private const int MaxUserIdLength = 200;

    /// <summary>Binds an endpoint's parameter.</summary>
    public static ValueTask<Caller?> BindAsync(HttpContext context, ParameterInfo parameter)
    {
        var headers = context.Request.Headers;
        var userId = headers[UserIdHeader].ToString();
        if (userId.Length == 0)
            throw new RefusedRequestException(StatusCodes.Status401Unauthorized, RefusalCodes.Unauthenticated,
                "This route needs a signed-in user. Sign in first.");
        if (userId.Length > MaxUserIdLength)
            throw InvalidUserId(StatusCodes.Status400BadRequest, RefusalCodes.BadRequest,
                $"It has more than {MaxUserIdLength} characters.");
        if (StoredText.FaultOf(userId) is { } fault)
            throw InvalidUserId(StatusCodes.Status422UnprocessableEntity, RefusalCodes.Unprocessable, fault);
        return ValueTask.FromResult<Caller?>(new Caller(
            userId,
            Guid.TryParse(headers[QueueTokenIdHeader], out var token) ? token : null,
            int.TryParse(headers[QueueConcertIdHeader], out var concert) ? concert : null,
            headers[QueueRefusalHeader] is [{ Length: > 0 } refusal] ? refusal : null));
    }

    private static RefusedRequestException InvalidUserId(int status, string code, string reason) =>
        new(status, code, $"The subject of this bearer token cannot be a user id: {reason}", "sub");
}
