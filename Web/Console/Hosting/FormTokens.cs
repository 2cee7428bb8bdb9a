using System.Buffers.Text;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using ConcertSaga.Shared.Hosting.Http;
using Microsoft.AspNetCore.Antiforgery;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Options;

namespace ConcertSaga.OperatorConsole.Hosting;

/// <summary>
/// Signs the token of each form for its operator. The key derives from the gateway's secret, which every replica has, so a form works on
/// any of them, also after a restart. It needs no cookie, because a page of another origin cannot read the token.
/// </summary>
internal sealed class FormTokens(IOptions<InnerWallOptions> wall, TimeProvider clock) : IAntiforgery
{
    public const string Field = "form-token";

    private static readonly TimeSpan Lifetime = TimeSpan.FromHours(12);

    private readonly byte[] _key = HKDF.DeriveKey(HashAlgorithmName.SHA256, Encoding.UTF8.GetBytes(wall.Value.Secret), 32,
        info: "forms of the console"u8.ToArray());

    public AntiforgeryTokenSet GetAndStoreTokens(HttpContext httpContext) => GetTokens(httpContext);

    public AntiforgeryTokenSet GetTokens(HttpContext httpContext) =>
        new(Write(OperatorOf(httpContext), clock.GetUtcNow() + Lifetime), null, Field, null);

    public async Task<bool> IsRequestValidAsync(HttpContext httpContext)
    {
        var request = httpContext.Request;
        if (HttpMethods.IsGet(request.Method) || HttpMethods.IsHead(request.Method))
            return true;
        if (!request.HasFormContentType)
            return false;
        return (await request.ReadFormAsync(httpContext.RequestAborted))[Field] is [{ } token]
            && IsValid(token, OperatorOf(httpContext));
    }

    public async Task ValidateRequestAsync(HttpContext httpContext)
    {
        if (!await IsRequestValidAsync(httpContext))
            throw new AntiforgeryValidationException("The form has no valid token.");
    }

    public void SetCookieTokenAndHeader(HttpContext httpContext)
    {
    }

    private static string OperatorOf(HttpContext context) => context.Request.Headers[Caller.UserIdHeader].ToString();

    private string Write(string user, DateTimeOffset end)
    {
        var seconds = end.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture);
        return $"{seconds}.{Base64Url.EncodeToString(Sign(user, seconds))}";
    }

    private bool IsValid(string token, string user)
    {
        if (token.Split('.') is not [var seconds, var signature] || !Base64Url.IsValid(signature)
            || !CryptographicOperations.FixedTimeEquals(Base64Url.DecodeFromChars(signature), Sign(user, seconds)))
            return false;
        // The product wrote this number: the signature covers it.
        return long.Parse(seconds, CultureInfo.InvariantCulture) > clock.GetUtcNow().ToUnixTimeSeconds();
    }

    private byte[] Sign(string user, string seconds) => HMACSHA256.HashData(_key, Encoding.UTF8.GetBytes($"{seconds}\n{user}"));
}
