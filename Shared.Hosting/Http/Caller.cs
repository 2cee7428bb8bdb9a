using System.Reflection;
using Microsoft.AspNetCore.Http;

namespace ConcertSaga.Shared.Hosting.Http;

/// <summary>
/// Who calls, as the gateway established it. Endpoints take it as a parameter. The headers can be trusted because the inner wall lets only
/// the gateway in, and the gateway drops any that come from outside.
/// </summary>
/// <param name="UserId">The subject of the caller's bearer token.</param>
/// <param name="QueueTokenId">The pass the call was made with, if the route asks for one.</param>
/// <param name="QueueConcertId">The concert of that pass.</param>
public sealed record Caller(string UserId, Guid? QueueTokenId, int? QueueConcertId)
{
    /// <summary>The user's id.</summary>
    public const string UserIdHeader = "X-User-Id";

    /// <summary>The user's roles, separated by commas.</summary>
    public const string UserRolesHeader = "X-User-Roles";

    /// <summary>The id of the caller's queue pass.</summary>
    public const string QueueTokenIdHeader = "X-Queue-Token-Id";

    /// <summary>The concert of the caller's queue pass.</summary>
    public const string QueueConcertIdHeader = "X-Queue-Concert-Id";

    /// <summary>Binds an endpoint's parameter.</summary>
    public static ValueTask<Caller?> BindAsync(HttpContext context, ParameterInfo parameter)
    {
        var headers = context.Request.Headers;
        var userId = headers[UserIdHeader].ToString();
        if (userId.Length == 0)
            throw new BadHttpRequestException("Sign in first.", StatusCodes.Status401Unauthorized);
        return ValueTask.FromResult<Caller?>(new Caller(
            userId,
            Guid.TryParse(headers[QueueTokenIdHeader], out var token) ? token : null,
            int.TryParse(headers[QueueConcertIdHeader], out var concert) ? concert : null));
    }
}
