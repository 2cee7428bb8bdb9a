using ConcertSaga.Gateway.Queue;
using ConcertSaga.Gateway.Seats;
using ConcertSaga.Orchestrator.Reservations;
using ConcertSaga.Shared.Hosting.Http;
using Microsoft.AspNetCore.OpenApi;
using Microsoft.OpenApi;

namespace ConcertSaga.AllInOne;

/// <summary>The documents that are generated from the code: <c>docs/openapi.json</c> and <c>docs/saga.mmd</c>.</summary>
public static class GeneratedDocs
{
    // Routes that must carry an Idempotency-Key.
    private static readonly string[] Idempotent = ["POST api/reservations", "POST api/points/charges"];

    private static readonly string[] Anonymous = ["GET api/concerts"];

    /// <summary>Writes both documents into <c>docs</c> beside the solution; <c>dotnet run</c> chooses the current folder itself.</summary>
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
            // Nothing is migrated for this, and what runs by itself would complain of it.
            await using var app = EmbeddedSystem.BuildServices(
                [.. args, "--Logging:Console:LogLevel:Default=None"], folder.FullName, new string('-', 16), new WaitingRoom(TimeProvider.System), new SeatChanges(), []);
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
                Description = "Reserve concert seats, pay with points, cancel. Errors are RFC 9457 problems with a stable `code`."
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
            document.DescribeEventStreams();
            return Task.CompletedTask;
        });
        options.AddOperationTransformer((operation, context, _) =>
        {
            var route = $"{context.Description.HttpMethod} {context.Description.RelativePath!.TrimEnd('/')}";
            if (!Anonymous.Contains(route))
            {
                operation.Security = [new OpenApiSecurityRequirement { [new OpenApiSecuritySchemeReference("bearer", context.Document)] = [] }];
                operation.Responses ??= [];
                operation.Responses.TryAdd("401", new OpenApiResponse { Description = "Unauthorized" });
            }
            operation.DescribeQueueToken(route);
            if (Idempotent.Contains(route))
            {
                operation.Parameters ??= [];
                operation.Parameters.Add(new OpenApiParameter
                {
                    Name = IdempotencyKey.Header,
                    In = ParameterLocation.Header,
                    Required = true,
                    Description = "A new UUID for each new request, the same one when repeating it. Kept for 24 hours.",
                    Schema = new OpenApiSchema { Type = JsonSchemaType.String, Format = "uuid" }
                });
            }
            return Task.CompletedTask;
        });
    });
}
