using System.Text;
using System.Text.Json;
using ConcertSaga.Shared.Hosting.Http;
using Microsoft.AspNetCore.Http.Json;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace ConcertSaga.AllInOne.Tests.Http;

/// <summary>Checks what every route with a body refuses, across all services.</summary>
public sealed class BodyTests(ServicesFixture services)
{
    private const string Half = "\\ud800";

    private IEnumerable<Route> WithBody => services.Routes.Where(route => route.Body is not null);

    [Fact]
    public void Routes_WithBody_AreFound() => Assert.True(WithBody.Count() >= 8, string.Join(", ", WithBody));

    [Theory]
    [InlineData("")]
    [InlineData("  \r\n")]
    [InlineData("null")]
    [InlineData("[]")]
    [InlineData("5")]
    [InlineData("\"text\"")]
    [InlineData("{")]
    [InlineData("{}{}")]
    [InlineData("{'a':1}")]
    [InlineData("{\"a\":1,}")]
    [InlineData("// comment\n{}")]
    [InlineData("\uFEFF{}")]
    public async Task Body_NotAnObject_Is400WithAPosition(string body)
    {
        foreach (var route in WithBody)
        {
            var reply = (await services.SendAsync(route.Method, route.Address, ServicesFixture.Json(body))).IsProblem(400, "body",
                "BAD_REQUEST");
            if (body is "{" or "{}{}")
                Assert.Contains("line 1, byte ", reply.Text, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Body_Absent_Is400NamingTheMembers()
    {
        foreach (var route in WithBody)
        {
            var reply = (await services.SendAsync(route.Method, route.Address)).IsProblem(400, "body", "BAD_REQUEST");
            Assert.Contains(Members(route)[0].Name, reply.Text, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Body_NotUtf8_IsRefused()
    {
        foreach (var route in WithBody)
        {
            foreach (var bytes in new[] { Encoding.Unicode.GetBytes("\uFEFF{}"), Encoding.Unicode.GetBytes("{}"),
                [(byte)'{', (byte)'"', 0xFF, (byte)'"', (byte)':', (byte)'1', (byte)'}'] })
            {
                var body = new ByteArrayContent(bytes);
                body.Headers.TryAddWithoutValidation("Content-Type", "application/json");
                (await services.SendAsync(route.Method, route.Address, body)).IsProblem(400, "body", "BAD_REQUEST");
            }
        }
    }

    [Theory]
    [InlineData("application/json; charset=\"utf-8\"", false)]
    [InlineData("application/json;charset=UTF-8", false)]
    [InlineData("APPLICATION/JSON", false)]
    [InlineData("application/json; version=1", false)]
    [InlineData("application/json; charset=utf8", true)]
    [InlineData("application/json; charset=utf-16", true)]
    [InlineData("application/json; charset=", true)]
    [InlineData("application/json; charset=\"", true)]
    [InlineData("application/json; charset=utf-8; charset=utf-16", true)]
    [InlineData("application/json, text/plain", true)]
    [InlineData("text/plain", true)]
    [InlineData("application/x-www-form-urlencoded", true)]
    [InlineData("application/xml", true)]
    [InlineData("json", true)]
    [InlineData("/", true)]
    [InlineData(null, true)]
    public async Task MediaType_OtherThanJsonInUtf8_Is415(string? mediaType, bool isRefused)
    {
        foreach (var route in WithBody)
        {
            var body = ServicesFixture.Json("[]", mediaType ?? "");
            if (mediaType is null)
                body.Headers.Remove("Content-Type");
            var reply = await services.SendAsync(route.Method, route.Address, body);
            // An array is refused later than the media type.
            reply.IsProblem(isRefused ? 415 : 400, null, isRefused ? "UNSUPPORTED_MEDIA_TYPE" : "BAD_REQUEST");
        }
    }

    [Fact]
    public async Task Encoding_Compressed_Is415()
    {
        foreach (var route in WithBody)
        {
            var body = ServicesFixture.Json("{}");
            body.Headers.ContentEncoding.Add("gzip");
            (await services.SendAsync(route.Method, route.Address, body)).IsProblem(415);
        }
    }

    [Fact]
    public async Task Member_Unknown_Is400NamingIt()
    {
        foreach (var route in WithBody)
        {
            var reply = (await services.SendAsync(route.Method, route.Address, ServicesFixture.Json(With(route, "pause", "true"))))
                .IsProblem(400, "pause", "UNKNOWN_MEMBER");
            foreach (var member in Members(route))
                Assert.Contains(member.Name, reply.Text, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Member_UnknownOnRouteWithoutBody_Is400NamingIt()
    {
        foreach (var route in services.Routes.Where(route => route.IsChange && route.Body is null))
        {
            (await services.SendAsync(route.Method, route.Address, ServicesFixture.Json("""{"seatNumbers":[5]}""")))
                .IsProblem(400, "seatNumbers", "UNKNOWN_MEMBER");
            (await services.SendAsync(route.Method, route.Address, ServicesFixture.Json("seatNumbers=5",
                "application/x-www-form-urlencoded"))).IsProblem(415);
            var empty = await services.SendAsync(route.Method, route.Address, ServicesFixture.Json("{}"));
            Assert.NotEqual("BAD_REQUEST", empty.Code);
        }
    }

    [Fact]
    public async Task Member_GivenTwice_Is400NamingIt()
    {
        foreach (var route in WithBody)
        {
            foreach (var member in Members(route))
            {
                (await services.SendAsync(route.Method, route.Address, ServicesFixture.Json(With(route, member.Name,
                    Sample(member.Type))))).IsProblem(400, member.Name, "BAD_REQUEST");
            }
        }
    }

    [Fact]
    public async Task Member_InAnotherCase_Is400NamingItAndTheRightSpelling()
    {
        foreach (var route in WithBody)
        {
            foreach (var member in Members(route))
            {
                foreach (var name in new[] { $"{char.ToUpperInvariant(member.Name[0])}{member.Name[1..]}", member.Name.ToUpperInvariant() })
                {
                    var body = $"{Without(route, member.Name)[..^1]},\"{name}\":{Sample(member)}}}".Replace("{,", "{",
                        StringComparison.Ordinal);
                    foreach (var text in new[] { body, With(route, name, Sample(member)) })
                    {
                        var reply = (await services.SendAsync(route.Method, route.Address, ServicesFixture.Json(text)))
                            .IsProblem(400, name, "UNKNOWN_MEMBER");
                        Assert.Contains($"write {member.Name}.", reply.Text, StringComparison.Ordinal);
                        Assert.Equal([name], reply.Named);
                    }
                }
            }
        }
    }

    // The step in front of the endpoints refuses such bodies already.
    [Fact]
    public void Serializer_Itself_IsAsStrict()
    {
        var options = services.Services.GetRequiredService<IOptions<JsonOptions>>().Value.SerializerOptions;
        foreach (var body in new[] { "{\"Amount\":1}", "{\"amount\":1,\"amount\":1}" })
            Assert.Throws<JsonException>(() => JsonSerializer.Deserialize<Points.Endpoints.ChargeRequest>(body, options));
    }

    [Fact]
    public async Task Member_MissingOrNull_Is422NamingIt()
    {
        var required = 0;
        foreach (var route in WithBody)
        {
            foreach (var member in Members(route).Where(member => member.IsRequired))
            {
                required++;
                (await services.SendAsync(route.Method, route.Address, ServicesFixture.Json(Without(route, member.Name))))
                    .IsProblem(422, member.Name);
                (await services.SendAsync(route.Method, route.Address, ServicesFixture.Json(With(route, member.Name, "null",
                    replace: true)))).IsProblem(422, member.Name);
            }
        }
        Assert.True(required >= 4, $"{required}");
    }

    [Fact]
    public async Task Member_OfAnotherType_Is400NamingIt()
    {
        foreach (var route in WithBody)
        {
            foreach (var member in Members(route))
            {
                foreach (var value in Wrong(member.Type))
                {
                    var reply = await services.SendAsync(route.Method, route.Address, ServicesFixture.Json(With(route, member.Name, value,
                        replace: true)));
                    Assert.True(reply.Named.Any(name => name.StartsWith(member.Name, StringComparison.Ordinal)), $"{value}: {reply}");
                    reply.IsProblem(400, null, "BAD_REQUEST");
                }
            }
        }
    }

    [Fact]
    public async Task Member_TextWithControlCharacters_Is422NamingIt()
    {
        var texts = 0;
        foreach (var route in WithBody)
        {
            foreach (var member in Members(route).Where(member => member.Type == typeof(string)))
            {
                texts++;
                foreach (var text in new[] { "a\\u0000b", "a\\u001b[31mb", "a\\u0085b", "a\\u007fb", "a\\nb", Half, "a" + Half + "b",
                    "\\udc00" + Half })
                    (await services.SendAsync(route.Method, route.Address, ServicesFixture.Json(With(route, member.Name, $"\"{text}\"",
                        replace: true)))).IsProblem(422, member.Name);
            }
        }
        Assert.True(texts >= 4, $"{texts}");
    }

    [Theory]
    [InlineData("")]
    [InlineData(" ")]
    [InlineData("\u200b")]
    [InlineData("\u2060\u00a0\ufeff")]
    public async Task Reason_Blank_Is422NamingIt(string reason)
    {
        var reasons = WithBody.Where(route => route.Template.StartsWith("/ops/", StringComparison.Ordinal)
            && Members(route).Any(member => member.Name == "reason")).ToList();
        Assert.NotEmpty(reasons);
        foreach (var route in reasons)
        {
            var others = Members(route).Where(member => member.IsRequired && member.Name != "reason")
                .Select(member => $"\"{member.Name}\":{Sample(member)},");
            var body = ServicesFixture.Json($"{{{string.Concat(others)}\"reason\":\"{reason}\"}}");
            (await services.SendAsync(route.Method, route.Address, body)).IsProblem(422, "reason", "INVALID_REASON");
        }
    }

    [Fact]
    public async Task Member_Valid_IsAccepted()
    {
        foreach (var route in WithBody)
        {
            var reply = await services.SendAsync(route.Method, route.Address, ServicesFixture.Json(With(route, null, "")));
            Assert.True(reply.Code is not ("BAD_REQUEST" or "UNKNOWN_MEMBER" or "UNPROCESSABLE") && (int)reply.Status < 500,
                reply.ToString());
        }
    }

    // The framework would parse these with its own error texts, or by the formats of a culture.
    [Fact]
    public void Members_OfDates_UseTheProductsTypes()
    {
        // Bodies that services send each other have one format.
        foreach (var route in WithBody.Where(route => !route.Template.StartsWith("/internal/", StringComparison.Ordinal)))
        {
            foreach (var member in Members(route))
                Assert.False(member.Type == typeof(DateTime) || member.Type == typeof(DateTimeOffset) || member.Type == typeof(DateOnly),
                    $"{route} {member.Name}");
        }
    }

    /// <summary>A valid body of a route.</summary>
    internal static string Valid(Route route) => With(route, null, "");

    private static List<Member> Members(Route route) =>
    [
        .. route.Body!.GetConstructors().MaxBy(constructor => constructor.GetParameters().Length)!.GetParameters()
            .Select(parameter => new Member(
                JsonNamingPolicy.CamelCase.ConvertName(parameter.Name!), PlainType(parameter.ParameterType), !parameter.HasDefaultValue))
    ];

    // A member of a partial update has its type inside an optional.
    private static Type PlainType(Type type) =>
        Nullable.GetUnderlyingType(Optionals.ValueTypeOf(type)) ?? Optionals.ValueTypeOf(type);

    private static string Sample(Member member) => member.Name switch
    {
        "eventType" => "\"reservation.confirmed\"",
        "action" => "\"Cancel\"",
        _ => Sample(member.Type)
    };

    private static string With(Route route, string? name, string value, bool replace = false)
    {
        var members = Members(route).Where(member => !(replace && member.Name == name)).Select(member =>
            $"\"{member.Name}\":{Sample(member)}");
        return $"{{{string.Join(',', name is null ? members : members.Append($"\"{name}\":{value}"))}}}";
    }

    private static string Without(Route route, string name)
    {
        var members = Members(route).Where(member => member.Name != name)
            .Select(member => $"\"{member.Name}\":{Sample(member)}");
        return $"{{{string.Join(',', members)}}}";
    }

    private static string Sample(Type type) =>
        type == typeof(int) || type == typeof(long) ? "1"
        : type == typeof(int[]) || type == typeof(long[]) ? "[1]"
        : type.IsArray ? "[]"
        : IsObject(type) ? "{}"
        : type == typeof(bool) ? "true"
        : type == typeof(string) ? "\"text\""
        : type == typeof(Guid) ? "\"0199c2f0-5a3e-7c41-9d0b-3f8e6a1b2c4d\""
        : type == typeof(IsoInstant) || type == typeof(DateTimeOffset) ? "\"2026-12-05T18:30:00Z\""
        : type == typeof(TimeSpan) ? "\"00:00:30\""
        : type.IsEnum ? $"\"{Enum.GetNames(type)[0]}\""
        : throw new NotSupportedException($"Add a sample of {type}.");

    private static string[] Wrong(Type type) =>
        type == typeof(int) || type == typeof(long) ? ["\"1\"", "1.0", "1e0", "1.5", "true", "{}", "[1]", "\"\"", "99999999999999999999",
            "1e400"]
        : type == typeof(int[]) || type == typeof(long[]) ? ["1", "\"1\"", "[\"1\"]", "[1.0]", "[[1]]", "{}", "{\"0\":1}"]
        : type == typeof(string[]) ? ["1", "\"text\"", "{}", "[1]"]
        : type.IsArray ? ["1", "\"text\"", "{}", "[1]", "[\"text\"]"]
        : IsObject(type) ? ["1", "\"text\"", "true", "[]", "[{}]"]
        : type == typeof(bool) ? ["1", "0", "\"true\"", "[]"]
        : type == typeof(string) ? ["1", "true", "{}", "[\"a\"]"]
        : type == typeof(Guid) ? ["1", "\"\"", "\"0199c2f05a3e7c419d0b3f8e6a1b2c4d\"", "\"{0199c2f0-5a3e-7c41-9d0b-3f8e6a1b2c4d}\""]
        : type == typeof(DateTimeOffset) ? ["1", "\"text\"", "\"2026-13-01T00:00:00Z\"", "{}"]
        : type == typeof(IsoInstant) ? [.. QueryTests.InvalidInstants.Select(text => JsonSerializer.Serialize(text)), "1", "{}"]
        : type == typeof(TimeSpan) ? ["1", "\"1 s\"", "\"\"", "\"PT1S\"", "{}"]
        : type.IsEnum ? ["1", "\"1\"", "99", "\"\"", "\"nonsense\"", "true", $"\"{string.Join(", ", Enum.GetNames(type)[..2])}\"",
            $"\" {Enum.GetNames(type)[0]}\"", "{}"]
        : throw new NotSupportedException($"Add wrong values of {type}.");

    // The filter of a bulk change, whose members have tests of their own.
    private static bool IsObject(Type type) => type.IsClass && type.Namespace!.StartsWith("ConcertSaga", StringComparison.Ordinal);

    private sealed record Member(string Name, Type Type, bool IsRequired);
}
