using System.Text.Json;

namespace ConcertSaga.AllInOne.Tests;

/// <summary>Checks that a client generated from the OpenAPI document has the right types, headers and codes.</summary>
public sealed class OpenApiTests
{
    private static readonly string[] Documented = ["Location", "ETag", "Idempotent-Replayed", "Allow", "Retry-After", "WWW-Authenticate"];

    private static readonly string[] Sent = ["X-Queue-Token", "Idempotency-Key", "Prefer", "If-None-Match", "Last-Event-ID",
        "X-CSRF"];

    private static readonly Task<string> Document = GeneratedDocs.OpenApiAsync([]);

    [Fact]
    public async Task Numbers_Everywhere_AreNumbersOnly()
    {
        var count = 0;
        foreach (var schema in await SchemasAsync())
        {
            if (!schema.TryGetProperty("type", out var type))
                continue;
            string[] types = type.ValueKind == JsonValueKind.Array ? [.. type.EnumerateArray().Select(item => item.GetString()!)]
                : [type.GetString()!];
            Assert.False(types.Contains("string") && (types.Contains("integer") || types.Contains("number")), schema.GetRawText());
            count += types.Contains("integer") ? 1 : 0;
        }
        Assert.True(count > 20, $"{count}");
        Assert.Equal("integer", (await SchemaAsync("BalanceView")).GetProperty("balance").GetProperty("type").GetString());
    }

    [Theory]
    [InlineData("ReservationResponse", "status", "AwaitingPayment")]
    [InlineData("SeatView", "status", "Held")]
    [InlineData("EntryView", "kind", "Refund")]
    [InlineData("QueueTokenView", "status", "Waiting")]
    [InlineData("QueueTokenView", "admission", "Open")]
    [InlineData("ProblemDetails", "reservationStatus", "Paying")]
    public async Task Names_OfOneEnum_AreListed(string type, string member, string name)
    {
        var schema = (await SchemaAsync(type)).GetProperty(member);
        if (schema.TryGetProperty("$ref", out var reference))
            schema = (await ReadAsync()).GetProperty("components").GetProperty("schemas")
                .GetProperty(reference.GetString()!.Split('/')[^1]);
        Assert.Equal("string", schema.GetProperty("type").GetString());
        Assert.Contains(name, schema.GetProperty("enum").EnumerateArray().Select(item => item.GetString()));
    }

    [Fact]
    public async Task Schemas_Everywhere_HaveAType()
    {
        foreach (var schema in await SchemasAsync())
            Assert.True(new[] { "type", "$ref", "oneOf", "anyOf", "allOf" }.Any(word => schema.TryGetProperty(word, out _)),
                schema.GetRawText());
    }

    [Fact]
    public async Task Refusals_Everywhere_AreProblemsWithCodes()
    {
        foreach (var (name, operation) in await OperationsAsync())
        {
            if (name.Contains("/health/", StringComparison.Ordinal))
                continue;
            var responses = operation.GetProperty("responses");
            foreach (var status in name.Contains("/auth/", StringComparison.Ordinal) ? ["429"] : new[] { "429", "503" })
                Assert.True(responses.TryGetProperty(status, out var refused) && refused.GetProperty("headers")
                    .TryGetProperty("Retry-After", out _), $"{name} {status}");
            foreach (var response in responses.EnumerateObject().Where(response => response.Name is ['4' or '5', ..] or "default"))
            {
                Assert.Equal("#/components/schemas/ProblemDetails",
                    response.Value.GetProperty("content").GetProperty("application/problem+json").GetProperty("schema").GetProperty("$ref")
                        .GetString());
                Assert.True(response.Name == "default" || response.Value.GetProperty("x-problem-codes").GetArrayLength() > 0,
                    $"{name} {response.Name}");
            }
            if (name.StartsWith("DELETE", StringComparison.Ordinal) || name.StartsWith("POST", StringComparison.Ordinal))
                Assert.Contains("UNKNOWN_PARAMETER", responses.GetProperty("400").GetRawText(), StringComparison.Ordinal);
        }
        var problem = (await ReadAsync()).GetProperty("components").GetProperty("schemas").GetProperty("ProblemDetails");
        Assert.Equal(["code", "detail", "status", "title", "traceId", "type"], problem.GetProperty("required").EnumerateArray()
            .Select(item => item.GetString()).Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task Headers_OfTheApi_AreDescribed()
    {
        var operations = await OperationsAsync();
        var parameters = operations
            .SelectMany(entry => entry.Operation.TryGetProperty("parameters", out var all) ? all.EnumerateArray().ToArray() : [])
            .Where(parameter => parameter.GetProperty("in").GetString() == "header")
            .Select(parameter => parameter.GetProperty("name").GetString()).ToHashSet();
        var answers = operations.SelectMany(entry => entry.Operation.GetProperty("responses").EnumerateObject())
            .SelectMany(response => response.Value.TryGetProperty("headers", out var headers) ? headers.EnumerateObject().Select(header =>
                header.Name).ToArray() : []).ToHashSet();
        Assert.Equal(Sent.Order(StringComparer.Ordinal), parameters.Order(StringComparer.Ordinal));
        Assert.Equal(Documented.Order(StringComparer.Ordinal), answers.Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task Bodies_OfRequests_ListRequiredMembers()
    {
        var schemas = (await ReadAsync()).GetProperty("components").GetProperty("schemas");
        Assert.Equal(["scheduleId", "seatNumbers"], Required("ReservationRequest"));
        Assert.Equal(["amount"], Required("ChargeRequest"));
        Assert.Equal(["concertId"], Required("EnterRequest"));

        IEnumerable<string?> Required(string name) =>
            schemas.GetProperty(name).GetProperty("required").EnumerateArray().Select(item => item.GetString())
                .Order(StringComparer.Ordinal);
    }

    private static async Task<JsonElement> ReadAsync() => JsonDocument.Parse(await Document).RootElement;

    private static async Task<JsonElement> SchemaAsync(string name) =>
        (await ReadAsync()).GetProperty("components").GetProperty("schemas").GetProperty(name).GetProperty("properties");

    private static async Task<List<(string Name, JsonElement Operation)>> OperationsAsync() =>
        [.. (await ReadAsync()).GetProperty("paths").EnumerateObject()
            .SelectMany(path => path.Value.EnumerateObject().Select(method => ($"{method.Name.ToUpperInvariant()} {path.Name}",
                method.Value)))];

    // Collects the schemas of members, parameters, elements and bodies.
    private static async Task<List<JsonElement>> SchemasAsync()
    {
        List<JsonElement> found = [];
        Collect(await ReadAsync());
        return found;

        void Collect(JsonElement element)
        {
            if (element.ValueKind == JsonValueKind.Array)
            {
                foreach (var item in element.EnumerateArray())
                    Collect(item);
            }
            else if (element.ValueKind == JsonValueKind.Object)
            {
                foreach (var member in element.EnumerateObject())
                {
                    if (member.Value.ValueKind == JsonValueKind.Object && member.Name is "schema" or "items" or "additionalProperties")
                        found.Add(member.Value);
                    else if (member.Value.ValueKind == JsonValueKind.Object && member.Name is "properties" or "schemas")
                        found.AddRange(member.Value.EnumerateObject().Select(item => item.Value));
                    Collect(member.Value);
                }
            }
        }
    }
}
