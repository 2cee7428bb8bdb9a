using ConcertSaga.Contracts;
using Microsoft.OpenApi;

namespace ConcertSaga.AllInOne;

/// <summary>
/// Describes what the gateway answers itself: event streams, sign-in, health, and the queue token header. The services' endpoints
/// describe everything else.
/// </summary>
internal static class GatewayRoutes
{
    /// <summary>Describes the queue token header and its refusals if the route requires a token.</summary>
    public static void DescribeQueueToken(this OpenApiOperation operation, ShippedRoute route, OpenApiDocument document)
    {
        if (route.QueueToken is null)
            return;
        (operation.Parameters ??= []).Add(OpenApiOperations.HeaderParameter(
            "X-Queue-Token", "The most recent queue token that the caller received.", OpenApiSchemas.Text(), isRequired: true));
        operation.Refuse(document, 400, RefusalCodes.QueueTokenMissing);
        operation.Refuse(document, 401, RefusalCodes.QueueTokenInvalid);
        operation.Refuse(document, 403, RefusalCodes.QueueTokenNotYours);
        operation.Refuse(document, 410, RefusalCodes.QueueTokenExpired, RefusalCodes.QueueTokenRevoked);
        operation.Refuse(document, 503, RefusalCodes.QueueUnavailable);
        if (route.QueueToken != "Any")
            operation.Refuse(document, 403, RefusalCodes.QueueTokenNotActive, RefusalCodes.QueueTokenWrongConcert);
    }

    /// <summary>Adds the gateway's own routes.</summary>
    public static void DescribeGateway(this OpenApiDocument document)
    {
        document.AddEvents("/api/queue/tokens/current/events", "Queue",
            "Streams the caller's queue entry: `position` and `active`, then one last event when it ends, each with the token as data.");
        document.AddEvents("/api/schedules/{scheduleId}/seats/events", "Schedules",
            "Streams the seat map: `snapshot`, then `changed` with the new version and the changed seats.",
            new OpenApiParameter { Name = "scheduleId", In = ParameterLocation.Path, Required = true, Schema = OpenApiSchemas.Number() },
            OpenApiOperations.HeaderParameter("Last-Event-ID",
                "The id of the last event received. The stream continues after it, or starts over.", OpenApiSchemas.Text()));
        document.AddSignIn();
        document.AddSessions();
        document.AddHealth();
    }

    private static void AddEvents(this OpenApiDocument document, string path, string tag, string summary,
        params OpenApiParameter[] parameters)
    {
        var operation = new OpenApiOperation
        {
            Summary = summary,
            Description = "A browser's `EventSource` sends the tokens in the address instead: `?access_token=&queue_token=`.",
            Tags = new HashSet<OpenApiTagReference> { new(tag, document) },
            Parameters = [.. parameters],
            Responses = new OpenApiResponses { ["200"] = Success("text/event-stream", OpenApiSchemas.Text()) }
        };
        operation.RequireSignIn(document);
        operation.Refuse(document, 401, RefusalCodes.Unauthenticated);
        operation.Refuse(document, 429, RefusalCodes.TooManyRequests);
        operation.Refuse(document, 503, RefusalCodes.Unavailable);
        if (path.Contains("scheduleId", StringComparison.Ordinal))
            operation.Refuse(document, 404, RefusalCodes.ScheduleNotFound);
        operation.DescribeQueueToken(ShippedRoutes.Find("GET", path), document);
        operation.DescribeOtherRefusals(document);
        document.Add(path, HttpMethod.Get, operation);
    }

    private static void AddSignIn(this OpenApiDocument document)
    {
        var request = OpenApiSchemas.Object(
            ("userId", new OpenApiSchema { Type = JsonSchemaType.String, MinLength = 1, MaxLength = 100, Pattern = "^[A-Za-z0-9._@-]+$" }),
            ("roles", new OpenApiSchema { Type = JsonSchemaType.Array, MaxItems = 10, Items = OpenApiSchemas.Text() }));
        request.Required!.Remove("roles");
        var operation = new OpenApiOperation
        {
            Summary = "Signs in under any user id. This route exists only if the demo sign-in is enabled.",
            Tags = new HashSet<OpenApiTagReference> { new("Sign-in", document) },
            RequestBody = new OpenApiRequestBody
            {
                Required = true,
                Content = new Dictionary<string, OpenApiMediaType> { ["application/json"] = new() { Schema = request } }
            },
            Responses = new OpenApiResponses
            {
                ["200"] = Success("application/json", OpenApiSchemas.Object(
                    ("accessToken", OpenApiSchemas.Text()), ("expiresAt", OpenApiSchemas.Text("date-time"))))
            }
        };
        operation.Refuse(document, 400, RefusalCodes.BadRequest, RefusalCodes.UnknownMember, RefusalCodes.UnknownParameter);
        operation.Refuse(document, 404, RefusalCodes.NotFound);
        operation.Refuse(document, 415, RefusalCodes.UnsupportedMediaType);
        operation.Refuse(document, 422, RefusalCodes.InvalidRoles, RefusalCodes.InvalidUserId);
        operation.Refuse(document, 429, RefusalCodes.TooManyRequests);
        operation.DescribeOtherRefusals(document);
        (document.Tags ??= new HashSet<OpenApiTag>()).Add(new OpenApiTag { Name = "Sign-in" });
        document.Add("/auth/demo", HttpMethod.Post, operation);
    }

    private static void AddSessions(this OpenApiDocument document)
    {
        var name = new OpenApiSchema { Type = JsonSchemaType.String | JsonSchemaType.Null };
        var session = SessionOperation(document, "Returns the session of a page, and renews it in its second half.",
            OpenApiSchemas.Object(("userId", OpenApiSchemas.Text()), ("name", name),
                ("roles", new OpenApiSchema { Type = JsonSchemaType.Array, Items = OpenApiSchemas.Text() }),
                ("expiresAt", OpenApiSchemas.Text("date-time"))));
        session.Refuse(document, 401, RefusalCodes.Unauthenticated);
        session.Refuse(document, 503, RefusalCodes.Unavailable);
        session.DescribeOtherRefusals(document);
        document.Add("/auth/session", HttpMethod.Get, session);

        var signOut = SessionOperation(document,
            "Ends the session of a page. The page then opens `redirectTo`, which ends it at the issuer.",
            OpenApiSchemas.Object(("redirectTo", OpenApiSchemas.Text("uri"))));
        signOut.Parameters = [OpenApiOperations.HeaderParameter("X-CSRF", "`1`", OpenApiSchemas.Text(), isRequired: true)];
        signOut.Refuse(document, 400, RefusalCodes.BadRequest, RefusalCodes.UnknownMember, RefusalCodes.UnknownParameter);
        signOut.Refuse(document, 403, RefusalCodes.CsrfRejected);
        signOut.DescribeOtherRefusals(document);
        document.Add("/auth/sign-out", HttpMethod.Post, signOut);
    }

    private static OpenApiOperation SessionOperation(OpenApiDocument document, string summary, OpenApiSchema answer)
    {
        var operation = new OpenApiOperation
        {
            Summary = summary,
            Tags = new HashSet<OpenApiTagReference> { new("Sign-in", document) },
            Security = [new OpenApiSecurityRequirement { [new OpenApiSecuritySchemeReference("session", document)] = [] }],
            Responses = new OpenApiResponses { ["200"] = Success("application/json", answer) }
        };
        operation.Refuse(document, 429, RefusalCodes.TooManyRequests);
        return operation;
    }

    private static void AddHealth(this OpenApiDocument document)
    {
        (document.Tags ??= new HashSet<OpenApiTag>()).Add(new OpenApiTag { Name = "Health" });
        document.Add("/health/live", HttpMethod.Get, new OpenApiOperation
        {
            Summary = "Reports whether the process is running.",
            Tags = new HashSet<OpenApiTagReference> { new("Health", document) },
            Responses = new OpenApiResponses { ["200"] = Success("text/plain", OpenApiSchemas.Text()) }
        });
        var report = OpenApiSchemas.Object(
            ("status", Statuses()),
            ("checks", new OpenApiSchema { Type = JsonSchemaType.Object, AdditionalProperties = Statuses() }),
            ("reasons", new OpenApiSchema { Type = JsonSchemaType.Object, AdditionalProperties = OpenApiSchemas.Text() }));
        var unhealthy = Success("application/json", report);
        unhealthy.Description = "Reads cannot be served.";
        document.Add("/health/ready", HttpMethod.Get, new OpenApiOperation
        {
            Summary = "Reports whether requests can be served. `reasons` explains each check that is not `Healthy`.",
            Tags = new HashSet<OpenApiTagReference> { new("Health", document) },
            Responses = new OpenApiResponses { ["200"] = Success("application/json", report), ["503"] = unhealthy }
        });
    }

    private static OpenApiSchema Statuses() => new() { Type = JsonSchemaType.String, Enum = ["Healthy", "Degraded", "Unhealthy"] };

    private static OpenApiResponse Success(string mediaType, OpenApiSchema schema) => new()
    {
        Description = "OK",
        Content = new Dictionary<string, OpenApiMediaType> { [mediaType] = new() { Schema = schema } }
    };

    private static void Add(this OpenApiDocument document, string path, HttpMethod method, OpenApiOperation operation) =>
        document.Paths.Add(path, new OpenApiPathItem
        {
            Operations = new Dictionary<HttpMethod, OpenApiOperation> { [method] = operation }
        });
}
