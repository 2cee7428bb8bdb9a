using System.ComponentModel.DataAnnotations;
using System.Reflection;
using System.Text.Json;
using ConcertSaga.Shared.Hosting.Http;

namespace ConcertSaga.AllInOne.Tests.Http;

/// <summary>Checks what every route refuses in its address, across all services.</summary>
public sealed class QueryTests(ServicesFixture services)
{
    internal static readonly string[] InvalidInstants =
    [
        "", " ", "05.12.2026", "12/05/2026", "5 Dec 2026", "2026-12-5", "2026-12", "2026", "20261205", "2026-12-05 18:30:00Z",
            "2026-12-05T18:30", "2026-12-05T18:30:00",
        "2026-12-05T18:30:00.", "2026-12-05T18:30:00.Z", "2026-12-05T18Z", "2026-12-05T18:30:60Z", "2026-13-05T18:30:00Z", "2026-02-30",
            "2026-12-05T24:00:00Z",
        "2026-12-05T18:30:00 01:00", "2026-12-05T18:30:00+0100", "2026-12-05T18:30:00+15:00", " 2026-12-05T18:30:00Z",
            "2026-12-05T18:30:00Z ", "Sat, 05 Dec 2026 18:30:00 GMT",
        "now", "1764959400", "٢٠٢٦-12-05"
    ];

    private static readonly string[] Instants =
        ["2026-12-05", "2026-12-05T18:30Z", "2026-12-05T18:30:00Z", "2026-12-05T18:30:00.5Z", "2026-12-05T18:30:00.1234567Z",
            "2026-12-05T18:30:00+01:00", "0001-01-01", "9999-12-31T23:59:59Z"];

    [Fact]
    public async Task Parameter_UnknownOnAChange_Is400NamingIt()
    {
        foreach (var route in services.Routes.Where(route => route.IsChange))
        {
            foreach (var query in new[] { "seatNumbers=5", "seatNumbers", "seatNumbers=", "seatNumbers=1&seatNumbers=2",
                "a=1&seatNumbers=5" })
            {
                var reply = await services.SendAsync(route.Method, $"{route.Address}?{query}", route.Body is null ? null
                    : ServicesFixture.Json("{}"));
                reply.IsProblem(400, "seatNumbers", "UNKNOWN_PARAMETER");
            }
        }
    }

    [Fact]
    public async Task Parameter_OfAnotherType_Is400NamingIt()
    {
        var checkedParameters = 0;
        foreach (var route in services.Routes)
        {
            foreach (var parameter in route.Query)
            {
                foreach (var value in Wrong(ValueReader.TypeOf(parameter.ParameterType)))
                {
                    checkedParameters++;
                    CheckForm(await services.SendAsync(route.Method, $"{route.Address}?{parameter.Name}={Uri.EscapeDataString(value)}"),
                        parameter.Name!);
                }
            }
        }
        Assert.True(checkedParameters > 50, $"{checkedParameters}");
    }

    [Fact]
    public async Task Parameter_OutOfItsRange_Is400InTheFormOfEveryOther()
    {
        var ranges = 0;
        foreach (var route in services.Routes)
        {
            foreach (var parameter in route.Query)
            {
                if (parameter.Name == "limit")
                    Assert.NotNull(parameter.GetCustomAttribute<RangeAttribute>());
                if (parameter.GetCustomAttribute<RangeAttribute>() is not { Minimum: int min, Maximum: int max })
                    continue;
                ranges++;
                var expected = $"Allowed: a whole number from {min} to {max}, in digits only.";
                foreach (var value in new[] { $"{min - 1}", $"{max + 1}", $"{int.MinValue}", $"{int.MaxValue}", "1e9", "%201", "none" })
                    Assert.Equal(expected, CheckForm(
                        await services.SendAsync(route.Method, $"{route.Address}?{parameter.Name}={value}"), parameter.Name!));
            }
        }
        Assert.True(ranges >= 7, $"{ranges}");
    }

    [Fact]
    public async Task Parameter_RefusedByItsHandler_HasTheSameForm()
    {
        // Accounts follow a user id, which may be any text.
        foreach (var route in services.Routes.Where(route => route.Template != "/internal/facts/accounts"))
        {
            foreach (var name in route.Query.Where(parameter => parameter.Name is "cursor" or "after" or "eventType"
                && parameter.ParameterType == typeof(string)).Select(parameter => parameter.Name!))
                CheckForm(await services.SendAsync(route.Method, $"{route.Address}?{name}=nonsense"), name);
        }
    }

    [Fact]
    public async Task Parameters_InTheDocument_HaveTheRangesOfTheirRoutes()
    {
        using var document = JsonDocument.Parse(await GeneratedDocs.OpenApiAsync([]));
        var numbers = 0;
        foreach (var path in document.RootElement.GetProperty("paths").EnumerateObject())
        {
            foreach (var parameter in path.Value.EnumerateObject().Where(operation => operation.Value.TryGetProperty("parameters", out _))
                .SelectMany(operation => operation.Value.GetProperty("parameters").EnumerateArray())
                .Where(parameter => parameter.GetProperty("in").GetString() == "query"
                    && parameter.GetProperty("schema").TryGetProperty("maximum", out _)))
            {
                numbers++;
                var (name, schema) = (parameter.GetProperty("name").GetString()!, parameter.GetProperty("schema"));
                var address = path.Name.Replace("{concertId}", "1", StringComparison.Ordinal);
                foreach (var value in new[] { schema.GetProperty("minimum").GetInt32() - 1, schema.GetProperty("maximum").GetInt32() + 1 })
                    CheckForm(await services.SendAsync("GET", $"{address}?{name}={value}"), name);
                foreach (var value in new[] { schema.GetProperty("minimum").GetInt32(), schema.GetProperty("maximum").GetInt32() })
                    Assert.Equal(200, (int)(await services.SendAsync("GET", $"{address}?{name}={value}")).Status);
            }
        }
        Assert.True(numbers >= 4, $"{numbers}");
    }

    [Fact]
    public async Task Parameter_GivenTwice_Is400NamingIt()
    {
        foreach (var route in services.Routes)
        {
            foreach (var parameter in route.Query)
                (await services.SendAsync(route.Method, $"{route.Address}?{parameter.Name}=1&{parameter.Name}=2"))
                    .IsProblem(400, parameter.Name, "BAD_REQUEST");
        }
    }

    [Fact]
    public async Task Parameter_TextWithControlCharacters_Is400NamingIt()
    {
        foreach (var route in services.Routes)
        {
            foreach (var parameter in route.Query.Where(parameter => parameter.ParameterType == typeof(string)))
            {
                foreach (var text in new[] { "a%00b", "%1b", "%0A" })
                    (await services.SendAsync(route.Method, $"{route.Address}?{parameter.Name}={text}")).IsProblem(400, parameter.Name,
                        "BAD_REQUEST");
            }
        }
    }

    [Fact]
    public async Task Parameter_Valid_IsAccepted()
    {
        foreach (var route in services.Routes)
        {
            foreach (var parameter in route.Query)
            {
                var type = ValueReader.TypeOf(parameter.ParameterType);
                string[] values = type == typeof(IsoInstant) ? Instants
                    : type == typeof(int) ? ["1", "100"]
                    : type == typeof(bool) ? ["true", "FALSE"]
                    : type == typeof(Guid) ? ["0199c2f0-5a3e-7c41-9d0b-3f8e6a1b2c4d", "0199C2F0-5A3E-7C41-9D0B-3F8E6A1B2C4D"]
                    : type.IsEnum ? [.. Enum.GetNames(type), Enum.GetNames(type)[0].ToLowerInvariant()]
                    : [];
                // A seat number means nothing without its schedule.
                var needed = parameter.Name == "seat" ? "&scheduleId=1" : "";
                foreach (var value in values)
                {
                    var reply = await services.SendAsync(
                        route.Method, $"{route.Address}?{parameter.Name}={Uri.EscapeDataString(value)}{needed}");
                    Assert.True((int)reply.Status is 200 or 404 && reply.Code is not "BAD_REQUEST", $"{reply}");
                }
            }
        }
    }

    [Theory]
    [InlineData("nonsense")]
    [InlineData("MQ")]
    [InlineData("====")]
    [InlineData("OTk5OTk5OTk5OTk5OTk5OTk5OTk6MQ")]
    [InlineData("IDE")] // " 1"
    [InlineData("KzE")] // "+1"
    [InlineData("MDE")] // "01"
    [InlineData("%20MQ")]
    [InlineData("MQ==")]
    public async Task Cursor_Unknown_Is400(string cursor)
    {
        foreach (var route in services.Routes.Where(route => route.Query.Any(parameter => parameter.Name == "cursor")))
        {
            var reply = await services.SendAsync(route.Method, $"{route.Address}?cursor={cursor}");
            // Lists ordered by number use a number as cursor. One of them belongs to an object that does not exist.
            if (cursor != "MQ" || (int)reply.Status is not (200 or 404))
                reply.IsProblem(400, "cursor", "BAD_REQUEST");
        }
    }

    [Theory]
    [InlineData("+1")]
    [InlineData("%2B1")]
    [InlineData("%201")]
    [InlineData("1%20")]
    [InlineData("%091")]
    [InlineData("01")]
    [InlineData("-0")]
    [InlineData("-01")]
    [InlineData("%D9%A1")]
    [InlineData("+199c2f0-5a3e-7c41-9d0b-3f8e6a1b2c4d")]
    [InlineData("0x99c2f0-5a3e-7c41-9d0b-3f8e6a1b2c4d")]
    [InlineData("%200199c2f0-5a3e-7c41-9d0b-3f8e6a1b2c4d")]
    [InlineData("0199c2f0-5a3e-7c41-9d0b-3f8e6a1b2c4d%20")]
    [InlineData("99999999999999999999")]
    [InlineData("one")]
    [InlineData("0199c2f05a3e7c419d0b3f8e6a1b2c4d")]
    [InlineData("%7B0199c2f0-5a3e-7c41-9d0b-3f8e6a1b2c4d%7D")]
    public async Task Path_InAnotherForm_Is404(string value)
    {
        foreach (var route in services.Routes)
        {
            // A user id and the name of an invariant are text.
            foreach (var part in route.Endpoint.RoutePattern.Parameters.Where(part => part.Name is not ("userId" or "name")))
            {
                var address = route.Template.Replace($"{{{part.Name}:{Assert.Single(part.ParameterPolicies).Content}}}", value,
                    StringComparison.Ordinal);
                (await services.SendAsync(route.Method, address, route.Body is null ? null : ServicesFixture.Json("{}")))
                    .IsProblem(404, null, "NOT_FOUND");
            }
        }
    }

    // The framework would accept dates in formats of many cultures, and enums as numbers and lists.
    [Fact]
    public void Parameters_OfDatesAndEnums_UseTheProductsTypes()
    {
        foreach (var route in services.Routes)
        {
            foreach (
                var parameter in route.Endpoint.Metadata.GetOrderedMetadata<Microsoft.AspNetCore.Http.Metadata.IParameterBindingMetadata>())
            {
                var type = Nullable.GetUnderlyingType(parameter.ParameterInfo.ParameterType) ?? parameter.ParameterInfo.ParameterType;
                Assert.False(type == typeof(DateTime) || type == typeof(DateTimeOffset) || type == typeof(DateOnly)
                    || type == typeof(TimeOnly) || type.IsEnum, $"{route} {parameter.Name}");
            }
        }
    }

    /// <summary>The address of a route, with a value for each parameter of its query.</summary>
    internal static string WithParameters(Route route) =>
        $"{route.Address}?{string.Join('&', route.Query.Select(parameter => $"{parameter.Name}={Sample(parameter)}"))}";

    private static string Sample(ParameterInfo parameter)
    {
        var type = ValueReader.TypeOf(parameter.ParameterType);
        return type == typeof(IsoInstant) ? Instants[2]
            : type == typeof(int) || type == typeof(long) ? "5"
            : type == typeof(bool) ? "true"
            : type == typeof(Guid) ? "0199c2f0-5a3e-7c41-9d0b-3f8e6a1b2c4d"
            : type.IsEnum ? Enum.GetNames(type)[0]
            : parameter.Name == "cursor" ? "MQ" : "text";
    }

    // The name stands once in the detail, and only as the key among the errors.
    private static string CheckForm(Reply reply, string name)
    {
        reply.IsProblem(400, name, "BAD_REQUEST");
        using var problem = JsonDocument.Parse(reply.Text);
        var error = Assert.Single(problem.RootElement.GetProperty("errors").GetProperty(name).EnumerateArray()).GetString()!;
        Assert.Equal($"{name}: {error}", problem.RootElement.GetProperty("detail").GetString());
        Assert.DoesNotContain($"{name}:", error, StringComparison.Ordinal);
        Assert.Matches("^[A-Z].*[.]$", error);
        return error;
    }

    private static string[] Wrong(Type type) =>
        type == typeof(int) || type == typeof(long) ? ["abc", "", "+1", " 1", "1 ", "\t1", "01", "-0", "-01", "00", "1,000", "1.0",
            "1e0", "0x1", "99999999999999999999", "١"]
        : type == typeof(Guid) ? ["1", "", "0199c2f05a3e7c419d0b3f8e6a1b2c4d", "{0199c2f0-5a3e-7c41-9d0b-3f8e6a1b2c4d}",
            " 0199c2f0-5a3e-7c41-9d0b-3f8e6a1b2c4d", "0199c2f0-5a3e-7c41-9d0b-3f8e6a1b2c4d ", "+199c2f0-5a3e-7c41-9d0b-3f8e6a1b2c4d",
            "0x99c2f0-5a3e-7c41-9d0b-3f8e6a1b2c4d"]
        : type == typeof(bool) ? ["", "1", "yes", " true", "true,false"]
        : type == typeof(IsoInstant) ? InvalidInstants
        : type.IsEnum ? ["", "0", "1", "99", "-1", "nonsense", string.Join(',', Enum.GetNames(type)[..2]),
            string.Join(", ", Enum.GetNames(type)[..2]), $" {Enum.GetNames(type)[0]}"]
        : type == typeof(string) ? []
        : throw new NotSupportedException($"Add wrong values of {type}.");
}
