using System.Buffers;
using System.Security.Claims;

namespace ConcertSaga.Gateway.SignIn;

/// <summary>What the product takes from a token. Both go on to the services as headers, so both must be safe there.</summary>
internal static class Claims
{
    /// <summary>The most characters of a user id; the services' columns are this wide.</summary>
    public const int MaxUserIdLength = 200;

    private const int MaxRoles = 20;

    private static readonly SearchValues<char> RoleCharacters =
        SearchValues.Create("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._:-");

    /// <summary>
    /// The caller's id: the one <c>sub</c> of the token, a text of visible ASCII characters. Null where there is none such. Spaces are out
    /// too, because a header loses those at its ends and two users could become one.
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

    /// <summary>The caller's roles. One with other characters is left out: a comma in it would read as two roles further on.</summary>
    public static IEnumerable<string> Roles(this ClaimsPrincipal user) =>
        user.Claims.Where(claim => claim.Type is "roles" or "role").Select(claim => claim.Value).Where(IsRole).Distinct().Take(MaxRoles);

    public static bool IsRole(string? role) => role is { Length: >= 1 and <= 64 } && !role.AsSpan().ContainsAnyExcept(RoleCharacters);
}
