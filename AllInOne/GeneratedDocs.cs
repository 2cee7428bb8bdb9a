using ConcertSaga.Gateway.Queue;
using ConcertSaga.Gateway.Seats;
using ConcertSaga.Orchestrator.Reservations;
using Microsoft.AspNetCore.OpenApi;
using Microsoft.OpenApi;

namespace ConcertSaga.AllInOne;

/// <summary>Generates <c>docs/openapi.json</c> and <c>docs/saga.mmd</c> from the code.</summary>
public static class GeneratedDocs
{
    private const string Description =
        "Reserve concert seats, pay with points, cancel.\n\n"
        + "Errors are RFC 9457 problems with a stable `code`, sent as `application/problem+json` regardless of `Accept`. "
        + "A request that cannot be parsed is 400: a body that is not JSON in UTF-8, an unknown member, "
        + "or a value of the wrong type (a number is never a string). "
        + "On requests that change something, an unknown query parameter or an unexpected body is 400 too. "
        + "A request that can be parsed is 422 if a member is missing or null, or has a value that is not allowed, "
        + "such as text with control characters. "
        + "Both list the members in `errors`.\n\n"
        + "Instants are ISO 8601 with `Z` or an offset. `HEAD` works wherever `GET` does.";

    /// <summary>
    /// Writes both documents into <c>docs</c> beside the solution, because <c>dotnet run</c> may have changed the current folder.
    /// </summary>
    public static async Task WriteAsync(string[] args)
    {
        var docs = Directory.CreateDirectory(Path.Combine(DataDirectory.SolutionFolder(), "docs")).FullName;
        await File.WriteAllTextAsync(Path.Combine(docs, "openapi.json"), await OpenApiAsync(args));
        await File.WriteAllTextAsync(Path.Combine(docs, "saga.mmd"), Saga());
    }

    /// <summary>The OpenAPI document of the public API.</summary>
    public static async Task<string> OpenApiAsync(string[] args)
    {
        var folder = Directory.CreateTempSubdirectory("concertsaga-docs");
        try
        {
            // The databases are not migrated, so background tasks would log errors.
            await using var app = EmbeddedSystem.BuildServices(
                [.. args, "--Logging:Console:LogLevel:Default=None"], folder.FullName, new string('-', 16),
                    new RoomDirectory(TimeProvider.System), new SeatChangeFeed(), []);
            await app.StartAsync();
            using var scope = app.Services.CreateScope();
            var document = await app.Services.GetRequiredKeyedService<IOpenApiDocumentProvider>("v1").GetOpenApiDocumentAsync();
            var text = await document.SerializeAsJsonAsync(OpenApiSpecVersion.OpenApi3_1) + "\n";
            await app.StopAsync();
            return text;
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    /// <summary>The state machine as a Mermaid diagram.</summary>
    public static string Saga() => ReservationDiagram.Draw(new ReservationStateMachine(new ReservationSteps(
        TimeProvider.System, Microsoft.Extensions.Options.Options.Create(new Orchestrator.ReservationOptions()))));

    internal static void AddGeneratedDocs(this IServiceCollection services) => services.AddOpenApi("v1", options =>
    {
        options.ShouldInclude = api => api.RelativePath!.StartsWith("api/", StringComparison.Ordinal);
        options.AddDocumentTransformer((document, _, _) =>
        {
            document.Info = new OpenApiInfo
            {
                Title = "ConcertSaga",
                Version = "v1",
                Description = Description
            };
            document.Servers = [];
            document.Components ??= new OpenApiComponents();
            document.Components.SecuritySchemes ??= new Dictionary<string, IOpenApiSecurityScheme>();
            document.Components.SecuritySchemes["bearer"] = new OpenApiSecurityScheme
            {
                Type = SecuritySchemeType.Http,
                Scheme = "bearer",
                BearerFormat = "JWT",
                Description = "The `sub` claim is the user. For a demo: `POST /auth/demo {\"userId\":\"mina\",\"roles\":[]}`."
            };
            document.Components.SecuritySchemes["session"] = new OpenApiSecurityScheme
            {
                Type = SecuritySchemeType.ApiKey,
                In = ParameterLocation.Cookie,
                Name = "__Host-concert",
                Description = "The session of a page of the gateway, from `GET /auth/sign-in?returnUrl=/…`. It opens what the user's "
                    + "bearer token would. A change also needs the header `X-CSRF: 1` and the gateway's own `Origin` "
                    + "(403 `CSRF_REJECTED`). With an `Authorization` header, the cookie is ignored."
            };
            document.DescribeGateway();
            return Task.CompletedTask;
        });
        options.AddSchemaTransformer(OpenApiSchemas.DescribeAsync);
        options.AddOperationTransformer(OpenApiOperations.DescribeAsync);
    });
}
