using System.Buffers;
using System.Security.Claims;

namespace ConcertSaga.Gateway.Http;

/// <summary>Reads the caller's id and roles from a token. Both become request headers for services, so both must be valid there.</summary>
internal static class Claims
{
    /// <summary>The maximum length of a user id, which is the width of the services' columns.</summary>
    public const int MaxUserIdLength = 200;

    private const int MaxRoles = 20;

    private static readonly SearchValues<char> RoleCharacters =
        SearchValues.Create("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._:-");

    /// <summary>
    /// The caller's id: the only <c>sub</c> of the token, a text of visible ASCII characters; null if there is no such claim. Spaces are
    /// not allowed: a header loses them at its ends, so two users could become one.
    /// </summary>
    public static string? UserId(this ClaimsPrincipal user)
    {
        string? found = null;
        foreach (var claim in user.FindAll("sub"))
        {
            if (found is not null || claim.ValueType != ClaimValueTypes.String)
                return null;
            found = claim.Value;
        }
        return found is { Length: >= 1 and <= MaxUserIdLength } && !found.AsSpan().ContainsAnyExceptInRange('!', '~') ? found : null;
    }

    /// <summary>The caller's roles, without malformed ones: a service would read a role with a comma as two.</summary>
    public static IEnumerable<string> Roles(this ClaimsPrincipal user) =>
        user.Claims.Where(claim => claim.Type is "roles" or "role").Select(claim => claim.Value).Where(IsRole).Distinct().Take(MaxRoles);

    public static bool IsRole(string? role) => role is { Length: >= 1 and <= 64 } && !role.AsSpan().ContainsAnyExcept(RoleCharacters);
}
