using System.Text.RegularExpressions;
using Microsoft.OpenApi;

namespace ConcertSaga.AllInOne;

/// <summary>
/// What the gateway itself answers and no service has an endpoint for: the event streams, and the header its check asks for. The services'
/// endpoints describe everything else.
/// </summary>
internal static partial class GatewayRoutes
{
    private static readonly string[] NeedQueueToken =
    [
        "GET api/concerts/{concertId}/schedules", "GET api/schedules/{scheduleId}/seats", "POST api/reservations", "POST api/reservations/{id}/payment",
        "GET api/queue/tokens/current", "DELETE api/queue/tokens/current"
    ];

    /// <summary>Describes the header on the routes that need it.</summary>
    public static void DescribeQueueToken(this OpenApiOperation operation, string route)
    {
        // A route's template may say of which kind a part is.
        if (NeedQueueToken.Contains(Constraint().Replace(route, "")))
            (operation.Parameters ??= []).Add(QueueToken());
    }

    /// <summary>Adds the event streams.</summary>
    public static void DescribeEventStreams(this OpenApiDocument document)
    {
        document.Add("/api/queue/tokens/current/events", "Queue",
            "The caller's place as a stream of `position`, `active`, `expired` and `completed`, each with the token as data.");
        document.Add("/api/schedules/{scheduleId}/seats/events", "Schedules",
            "The seat map as a stream: `snapshot`, then `changed` with the new version and the seats that changed. With `Last-Event-ID` it goes on where it was, or begins again.",
            new OpenApiParameter { Name = "scheduleId", In = ParameterLocation.Path, Required = true, Schema = new OpenApiSchema { Type = JsonSchemaType.Integer, Format = "int32" } },
            new OpenApiParameter { Name = "Last-Event-ID", In = ParameterLocation.Header, Schema = new OpenApiSchema { Type = JsonSchemaType.String } });
    }

    private static void Add(this OpenApiDocument document, string path, string tag, string summary, params OpenApiParameter[] parameters)
    {
        var operation = new OpenApiOperation
        {
            Summary = summary,
            Description = "A browser's `EventSource` sends both tokens as `?access_token=&queue_token=` instead.",
            Tags = new HashSet<OpenApiTagReference> { new(tag, document) },
            Parameters = [.. parameters, QueueToken()],
            Security = [new OpenApiSecurityRequirement { [new OpenApiSecuritySchemeReference("bearer", document)] = [] }],
            Responses = new OpenApiResponses
            {
                ["200"] = new OpenApiResponse
                {
                    Description = "OK",
                    Content = new Dictionary<string, OpenApiMediaType> { ["text/event-stream"] = new() { Schema = new OpenApiSchema { Type = JsonSchemaType.String } } }
                },
                ["401"] = new OpenApiResponse { Description = "Unauthorized" }
            }
        };
        document.Paths.Add(path, new OpenApiPathItem { Operations = new Dictionary<HttpMethod, OpenApiOperation> { [HttpMethod.Get] = operation } });
    }

    private static OpenApiParameter QueueToken() => new()
    {
        Name = "X-Queue-Token",
        In = ParameterLocation.Header,
        Required = true,
        Description = "The newest queue token the caller was given. Refusals: `QUEUE_TOKEN_MISSING`, `_INVALID`, `_EXPIRED`, `_REVOKED`, `_NOT_ACTIVE`, "
            + "`_NOT_YOURS`, `_WRONG_CONCERT`, `QUEUE_UNAVAILABLE`.",
        Schema = new OpenApiSchema { Type = JsonSchemaType.String }
    };

    [GeneratedRegex(":[a-z]+(?=})")]
    private static partial Regex Constraint();
}
