using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace ConcertSaga.Gateway.Tests.Hosts;

/// <summary>Creates bearer tokens of which each part can be wrong.</summary>
public static class Tokens
{
    public static readonly string Key = Convert.ToBase64String(SHA512.HashData("key of the gateway tests"u8));

    public static string For(string userId, params string[] roles) =>
        Make(claims => { claims["sub"] = userId; claims["roles"] = new JsonArray([.. roles.Select(role => JsonValue.Create(role))]); });

    /// <summary>The user of a token; null if it names none.</summary>
    public static string? UserOf(string? token)
    {
        try
        {
            return token?.Split('.') is [_, var claims, _] ? JsonNode.Parse(Base64Url.DecodeFromChars(claims))?["sub"]?.GetValue<string>()
                : null;
        }
        catch (Exception exception) when (exception is FormatException or JsonException or InvalidOperationException)
        {
            return null;
        }
    }

    public static string Make(Action<JsonObject> change, string header = """{"alg":"HS256","typ":"JWT"}""", string? key = null,
        bool sign = true)
    {
        var now = TimeProvider.System.GetUtcNow().ToUnixTimeSeconds();
        var claims = new JsonObject
        {
            ["iss"] = "concertsaga-demo",
            ["aud"] = "concertsaga",
            ["sub"] = "mina",
            ["iat"] = now,
            ["nbf"] = now,
            ["exp"] = now + 3600
        };
        change(claims);
        var content = $"{Encode(Encoding.UTF8.GetBytes(header))}.{Encode(JsonSerializer.SerializeToUtf8Bytes(claims))}";
        var secret = Convert.FromBase64String(key ?? Key);
        var bytes = Encoding.ASCII.GetBytes(content);
        var signature = !sign ? "" : Encode(header.Contains("HS512", StringComparison.Ordinal) ? HMACSHA512.HashData(secret, bytes)
            : HMACSHA256.HashData(secret, bytes));
        return $"{content}.{signature}";
    }

    internal static string Encode(byte[] bytes) => Base64Url.EncodeToString(bytes);
}
