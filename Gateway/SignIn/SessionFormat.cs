using System.Globalization;
using System.Security.Claims;
using System.Security.Cryptography;
using System.Text;
using ConcertSaga.Gateway.Http;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.WebUtilities;

namespace ConcertSaga.Gateway.SignIn;

/// <summary>
/// Writes the session cookie as few bytes, because a browser sends it with every poll. The framework's own format has several times as
/// many.
/// </summary>
internal sealed class SessionFormat(IDataProtectionProvider keys) : ISecureDataFormat<AuthenticationTicket>
{
    /// <summary>The claim with the id of the session.</summary>
    public const string SessionId = "sid";

    private const byte Version = 1;

    private readonly IDataProtector _protector = keys.CreateProtector("ConcertSaga.Gateway.Session");

    /// <summary>The session of a user; null for a bearer token, whose own <c>sid</c> is the issuer's.</summary>
    public static ulong? IdOf(ClaimsPrincipal user) =>
        user.Identity?.AuthenticationType is SignInSchemes.Session or SignInSchemes.Renewal
            && ulong.TryParse(user.FindFirst(SessionId)?.Value, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var id)
            ? id : null;

    public static string TextOf(ulong id) => id.ToString("x16", CultureInfo.InvariantCulture);

    public string Protect(AuthenticationTicket data, string? purpose) => Protect(data);

    public AuthenticationTicket? Unprotect(string? protectedText, string? purpose) => Unprotect(protectedText);

    public string Protect(AuthenticationTicket data)
    {
        using var bytes = new MemoryStream();
        using (var writer = new BinaryWriter(bytes, Encoding.ASCII))
        {
            writer.Write(Version);
            writer.Write(IdOf(data.Principal)!.Value);
            writer.Write((uint)data.Properties.ExpiresUtc!.Value.ToUnixTimeSeconds());
            writer.Write(data.Principal.UserId()!);
            foreach (var role in data.Principal.Roles())
                writer.Write(role);
        }
        return WebEncoders.Base64UrlEncode(_protector.Protect(bytes.ToArray()));
    }

    public AuthenticationTicket? Unprotect(string? protectedText)
    {
        try
        {
            using var reader = new BinaryReader(new MemoryStream(_protector.Unprotect(WebEncoders.Base64UrlDecode(protectedText ?? ""))),
                Encoding.ASCII);
            return reader.ReadByte() == Version ? Read(reader) : null;
        }
        catch (Exception exception) when (exception is CryptographicException or FormatException)
        {
            return null;
        }
    }

    private static AuthenticationTicket Read(BinaryReader reader)
    {
        var id = reader.ReadUInt64();
        var end = DateTimeOffset.FromUnixTimeSeconds(reader.ReadUInt32());
        var user = new ClaimsIdentity([new("sub", reader.ReadString()), new(SessionId, TextOf(id))], SignInSchemes.Session, "sub", "roles");
        while (reader.BaseStream.Position < reader.BaseStream.Length)
            user.AddClaim(new("roles", reader.ReadString()));
        return new AuthenticationTicket(new(user), new AuthenticationProperties { ExpiresUtc = end }, SignInSchemes.Session);
    }
}
