using System.ComponentModel.DataAnnotations;
using System.Reflection;
using System.Text.Json.Nodes;
using ConcertSaga.Contracts;
using ConcertSaga.Shared.Hosting.Http;
using Microsoft.AspNetCore.Http.Metadata;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.OpenApi;
using Microsoft.OpenApi;

namespace ConcertSaga.AllInOne;

/// <summary>
/// Describes headers, refusals and queries of operations, derived from the metadata of their handlers and the gateway's routes.
/// </summary>
internal static class OpenApiOperations
{
    /// <summary>Describes one operation.</summary>
    public static async Task DescribeAsync(OpenApiOperation operation, OpenApiOperationTransformerContext context,
        CancellationToken cancellationToken)
    {
        var description = context.Description;
        var route = ShippedRoutes.Find(description.HttpMethod!, description.RelativePath!);
        var metadata = description.ActionDescriptor.EndpointMetadata;
        var handler = metadata.OfType<MethodInfo>().First();
        var problem = await context.GetOrCreateSchemaAsync(typeof(ProblemDetails), null, cancellationToken);
        context.Document!.AddComponent(nameof(ProblemDetails), problem);
        var codes = metadata.OfType<ProblemCodes>().ToLookup(problem => problem.Status, problem => problem.Codes);
        operation.Responses ??= [];
        operation.Parameters ??= [];
        operation.ShortenSummary();

        if (!route.IsAnonymous)
        {
            operation.RequireSignIn(context.Document);
            operation.Refuse(context.Document, 401, RefusalCodes.Unauthenticated);
        }
        var isChange = description.HttpMethod is not "GET";
        var hasBody = metadata.OfType<IAcceptsMetadata>().Any(accepted => accepted.RequestType is not null);
        if (isChange || operation.Parameters.Count > 0)
            operation.Refuse(context.Document, 400, RefusalCodes.BadRequest);
        if (isChange)
        {
            operation.Refuse(context.Document, 400, RefusalCodes.UnknownMember, RefusalCodes.UnknownParameter);
            operation.Refuse(context.Document, 403, RefusalCodes.CsrfRejected);
        }
        if (hasBody)
        {
            operation.Refuse(context.Document, 415, RefusalCodes.UnsupportedMediaType);
            operation.Refuse(context.Document, 422, RefusalCodes.Unprocessable);
        }
        foreach (var status in codes)
            operation.Refuse(context.Document, status.Key, [.. status.SelectMany(names => names)]);
        operation.Refuse(context.Document, 429, RefusalCodes.TooManyRequests);
        operation.Refuse(context.Document, 503, RefusalCodes.Unavailable);
        operation.DescribeQueueToken(route, context.Document);
        if (handler.GetParameters().Any(parameter => parameter.ParameterType == typeof(IdempotencyKey)))
            operation.DescribeIdempotencyKey(context.Document);
        operation.DescribePreference();
        operation.DescribeVersion();
        operation.DescribeQuery(metadata.OfType<IParameterBindingMetadata>());
        operation.DescribeOtherRefusals(context.Document);
    }

    /// <summary>Describes that either a bearer token or a session is needed.</summary>
    public static void RequireSignIn(this OpenApiOperation operation, OpenApiDocument document) =>
        operation.Security =
        [
            new OpenApiSecurityRequirement { [new OpenApiSecuritySchemeReference("bearer", document)] = [] },
            new OpenApiSecurityRequirement { [new OpenApiSecuritySchemeReference("session", document)] = [] }
        ];

    // The first sentence becomes the summary of the operation, the rest its description.
    private static void ShortenSummary(this OpenApiOperation operation)
    {
        var summary = operation.Summary?.ReplaceLineEndings(" ") ?? "";
        if (summary.IndexOf(". ", StringComparison.Ordinal) is var end and > 0)
            (operation.Summary, operation.Description) = (summary[..end], summary[(end + 2)..]);
        else
            operation.Summary = summary.TrimEnd('.');
    }

    /// <summary>Adds codes to the refusals of a status.</summary>
    public static void Refuse(this OpenApiOperation operation, OpenApiDocument document, int status, params string[] codes)
    {
        var key = $"{status}";
        operation.Responses ??= [];
        var before = operation.Responses.TryGetValue(key, out var given)
            && given.Extensions?["x-problem-codes"] is JsonNodeExtension { Node: JsonArray known }
            ? known.Select(code => code!.GetValue<string>()) : [];
        var all = before.Concat(codes).Distinct().Order(StringComparer.Ordinal).ToArray();
        operation.Responses[key] = new OpenApiResponse
        {
            Description = string.Join(", ", all.Select(code => $"`{code}`")),
            Content = ProblemContent(document),
            Headers = status switch
            {
                401 => Header("WWW-Authenticate", "`Bearer`, if the bearer token is missing or rejected.", OpenApiSchemas.Text()),
                429 or 503 => Header("Retry-After", "Seconds to wait before repeating the request.", OpenApiSchemas.Number(1),
                    isRequired: true),
                _ => null
            },
            Extensions = new Dictionary<string, IOpenApiExtension>
            {
                ["x-problem-codes"] = new JsonNodeExtension(new JsonArray([.. all.Select(code => JsonValue.Create(code))]))
            }
        };
    }

    /// <summary>Creates a response header.</summary>
    public static Dictionary<string, IOpenApiHeader> Header(string name, string description, OpenApiSchema schema,
        bool isRequired = false) =>
        new() { [name] = new OpenApiHeader { Description = description, Schema = schema, Required = isRequired } };

    /// <summary>Creates a request header.</summary>
    public static OpenApiParameter HeaderParameter(string name, string description, OpenApiSchema schema, bool isRequired = false) =>
        new() { Name = name, In = ParameterLocation.Header, Required = isRequired, Description = description, Schema = schema };

    /// <summary>Describes the refusals that any route can return.</summary>
    public static void DescribeOtherRefusals(this OpenApiOperation operation, OpenApiDocument document) =>
        (operation.Responses ??= [])["default"] = new OpenApiResponse
        {
            Description = "Any other refusal, such as 404 `NOT_FOUND`, 405 `METHOD_NOT_ALLOWED`, 413 `PAYLOAD_TOO_LARGE`, "
                + "414 `URI_TOO_LONG`, 431 `HEADERS_TOO_LARGE` or 500 `INTERNAL_ERROR`.",
            Content = ProblemContent(document),
            Headers = Header("Allow", "With 405: the methods that this address supports.", OpenApiSchemas.Text())
        };

    private static void DescribeIdempotencyKey(this OpenApiOperation operation, OpenApiDocument document)
    {
        operation.Parameters!.Add(HeaderParameter(
            IdempotencyKey.Header, "A new UUID for each new request, and the same UUID when repeating it. Kept for 24 hours.",
                OpenApiSchemas.Text("uuid"), isRequired: true));
        operation.Refuse(document, 400, RefusalCodes.IdempotencyKeyMissing, RefusalCodes.IdempotencyKeyInvalid);
        operation.Refuse(document, 422, RefusalCodes.IdempotencyKeyReused);
        foreach (var response in operation.Successes())
            response.AddHeader(IdempotencyKey.ReplayedHeader, "`true` if this repeats an earlier response.", OpenApiSchemas.Text());
    }

    /// <summary>Describes <c>Prefer</c> on routes that can answer 202.</summary>
    private static void DescribePreference(this OpenApiOperation operation)
    {
        if (!operation.Responses!.TryGetValue("202", out var accepted))
            return;
        operation.Parameters!.Add(HeaderParameter(
            "Prefer", "RFC 7240: `wait=n` waits 0 to 10 seconds for the outcome, `respond-async` not at all. Without it, 3 seconds.",
                OpenApiSchemas.Text()));
        ((OpenApiResponse)accepted).Description = "The outcome is not known yet. Poll the address in `Location`.";
        ((OpenApiResponse)accepted).AddHeader("Location", "The address of the reservation.", OpenApiSchemas.Text("uri-reference"),
            isRequired: true);
        ((OpenApiResponse)accepted).AddHeader("Retry-After", "Seconds to wait before polling that address.", OpenApiSchemas.Number(1),
            isRequired: true);
        if (operation.Responses.TryGetValue("201", out var created))
            ((OpenApiResponse)created).AddHeader("Location", "The address of the reservation.", OpenApiSchemas.Text("uri-reference"),
                isRequired: true);
    }

    /// <summary>Describes <c>If-None-Match</c> on routes that can answer 304.</summary>
    private static void DescribeVersion(this OpenApiOperation operation)
    {
        if (!operation.Responses!.TryGetValue("304", out var same))
            return;
        operation.Parameters!.Add(HeaderParameter("If-None-Match",
            "The `ETag` of the caller's version. The response is 304 if that version is the latest.", OpenApiSchemas.Text()));
        ((OpenApiResponse)same).Description = "The caller has the latest version.";
        ((OpenApiResponse)same).Content = null;
        foreach (var response in operation.Successes().Append((OpenApiResponse)same))
            response.AddHeader("ETag", "The current version.", OpenApiSchemas.Text(), isRequired: true);
    }

    private static void DescribeQuery(this OpenApiOperation operation, IEnumerable<IParameterBindingMetadata> handler)
    {
        var bindings = handler.ToDictionary(binding => binding.Name, binding => binding.ParameterInfo);
        foreach (var parameter in operation.Parameters!.OfType<OpenApiParameter>()
            .Where(candidate => candidate.In == ParameterLocation.Query))
        {
            var bound = bindings[parameter.Name!];
            var type = ValueReader.TypeOf(bound.ParameterType);
            if (type == typeof(IsoInstant))
            {
                parameter.Schema = OpenApiSchemas.Text("date-time");
                parameter.Description ??= "ISO 8601 with `Z` or an offset; a bare date means midnight UTC.";
            }
            else if (type.IsEnum)
            {
                parameter.Schema = OpenApiSchemas.Names(type);
            }
            else if (parameter.Name == "limit")
            {
                var range = bound.GetCustomAttribute<RangeAttribute>()!;
                parameter.Schema = OpenApiSchemas.Number((int)range.Minimum, (int)range.Maximum);
                parameter.Description = $"Items per page; the default is {Paging.DefaultLimit}.";
            }
            else if (parameter.Name == "cursor")
            {
                parameter.Description = "The `nextCursor` of the previous page.";
            }
        }
    }

    private static Dictionary<string, OpenApiMediaType> ProblemContent(OpenApiDocument document) =>
        new() { ["application/problem+json"] = new() { Schema = new OpenApiSchemaReference(nameof(ProblemDetails), document) } };

    private static IEnumerable<OpenApiResponse> Successes(this OpenApiOperation operation) =>
        operation.Responses!.Where(response => response.Key is ['2', ..]).Select(response => (OpenApiResponse)response.Value);

    private static void AddHeader(this OpenApiResponse response, string name, string description, OpenApiSchema schema,
        bool isRequired = false) =>
        (response.Headers ??= new Dictionary<string, IOpenApiHeader>())[name] =
            new OpenApiHeader { Description = description, Schema = schema, Required = isRequired };
}
