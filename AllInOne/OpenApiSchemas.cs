using System.Text.Json.Nodes;
using ConcertSaga.Contracts.Queue;
using ConcertSaga.Orchestrator.Reservations;
using ConcertSaga.Points.Endpoints;
using ConcertSaga.Shared.Hosting.Http;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.OpenApi;
using Microsoft.OpenApi;

namespace ConcertSaga.AllInOne;

/// <summary>Describes the JSON of API types that the framework cannot derive.</summary>
internal static class OpenApiSchemas
{
    private static readonly string[] AlwaysInProblems = ["type", "title", "status", "detail", "code", "traceId"];

    /// <summary>Describes one type.</summary>
    public static Task DescribeAsync(OpenApiSchema schema, OpenApiSchemaTransformerContext context, CancellationToken cancellationToken)
    {
        var type = Nullable.GetUnderlyingType(context.JsonTypeInfo.Type) ?? context.JsonTypeInfo.Type;
        if (type.IsEnum)
            (schema.Type, schema.Enum) = (OrNull(JsonSchemaType.String, context), Names(type).Enum);
        else if (type == typeof(IsoInstant))
            (schema.Type, schema.Format) = (OrNull(JsonSchemaType.String, context), "date-time");
        else if (type == typeof(ProblemDetails))
            DescribeProblem(schema);
        else if (type == typeof(QueueTokenView) && schema.Properties?["status"] is OpenApiSchema status)
            status.Enum = [JsonValue.Create("Waiting"), JsonValue.Create("Active")];
        else if (type == typeof(ChargeRequest) && schema.Properties?["amount"] is OpenApiSchema amount)
            amount.Minimum = "1";
        else if (type == typeof(ReservationRequest) && schema.Properties?["seatNumbers"] is OpenApiSchema seats)
            (seats.MinItems, seats.UniqueItems) = (1, true);
        // Requests reject unknown members; responses can gain members later.
        if (!type.Name.EndsWith("Request", StringComparison.Ordinal))
            schema.AdditionalPropertiesAllowed = true;
        return Task.CompletedTask;
    }

    /// <summary>A 32-bit integer.</summary>
    public static OpenApiSchema Number(int? minimum = null, int? maximum = null) => new()
    {
        Type = JsonSchemaType.Integer,
        Format = "int32",
        Minimum = minimum?.ToString(System.Globalization.CultureInfo.InvariantCulture),
        Maximum = maximum?.ToString(System.Globalization.CultureInfo.InvariantCulture)
    };

    /// <summary>A string.</summary>
    public static OpenApiSchema Text(string? format = null) => new() { Type = JsonSchemaType.String, Format = format };

    /// <summary>A string that is one of the names of an enum.</summary>
    public static OpenApiSchema Names(Type type) =>
        new() { Type = JsonSchemaType.String, Enum = [.. Enum.GetNames(type).Select(name => JsonValue.Create(name))] };

    /// <summary>An object of these members, all of them required.</summary>
    public static OpenApiSchema Object(params (string Name, IOpenApiSchema Schema)[] members) => new()
    {
        Type = JsonSchemaType.Object,
        Properties = members.ToDictionary(member => member.Name, member => member.Schema),
        Required = members.Select(member => member.Name).ToHashSet()
    };

    private static JsonSchemaType OrNull(JsonSchemaType type, OpenApiSchemaTransformerContext context) =>
        Nullable.GetUnderlyingType(context.JsonTypeInfo.Type) is null ? type : type | JsonSchemaType.Null;

    private static void DescribeProblem(OpenApiSchema schema)
    {
        schema.Description = "RFC 9457. Branch on `code`, which is stable; `detail` is for humans.";
        schema.Required = AlwaysInProblems.ToHashSet();
        schema.Properties = new Dictionary<string, IOpenApiSchema>
        {
            ["type"] = Describe(Text("uri"), "`urn:concertsaga:problem:` followed by the code."),
            ["title"] = Text(),
            ["status"] = Number(400, 599),
            ["detail"] = Describe(Text(), "What happened, and what to do."),
            ["code"] = Text(),
            ["traceId"] = Describe(Text(), "The id of the request in the server's log and traces."),
            ["errors"] = Describe(
                new OpenApiSchema
                {
                    Type = JsonSchemaType.Object,
                    AdditionalProperties = new OpenApiSchema { Type = JsonSchemaType.Array, Items = Text() }
                },
                "With 400 and 422: the errors of each member or parameter."),
            ["reservationId"] = Describe(Text("uuid"), "Present if a reservation exists."),
            ["reservationStatus"] = Describe(Names(typeof(ReservationStatus)), "Present if a reservation exists."),
            ["holdExpiresAt"] = new OpenApiSchema
            {
                Type = JsonSchemaType.String | JsonSchemaType.Null,
                Format = "date-time",
                Description = "When the hold on the seats of that reservation ends; null if they are not held."
            },
            ["seats"] = Describe(
                new OpenApiSchema { Type = JsonSchemaType.Array, Items = Number() },
                "With `SEAT_UNAVAILABLE` and `SEAT_NOT_FOUND`: the seats that cannot be held.")
        };
    }

    private static OpenApiSchema Describe(OpenApiSchema schema, string description)
    {
        schema.Description = description;
        return schema;
    }
}
