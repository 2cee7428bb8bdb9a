using System.Text.Json;
using ConcertSaga.Testing;

namespace ConcertSaga.AllInOne.Tests;

/// <summary>
/// The committed documents match the code. After a failure, run <c>dotnet run --project AllInOne -- docs</c>.
/// </summary>
public sealed class GeneratedDocsTests
{
    private const string Stale = "differs from what the code generates; run 'dotnet run --project AllInOne -- docs' and commit the result.";

    [Fact]
    public async Task OpenApi_Committed_MatchesTheCode() =>
        Assert.True(await File.ReadAllTextAsync(Committed("openapi.json")) == await GeneratedDocs.OpenApiAsync([]),
            $"docs/openapi.json {Stale}");

    [Fact]
    public async Task Saga_Committed_MatchesTheStateMachine() =>
        Assert.True(await File.ReadAllTextAsync(Committed("saga.mmd")) == GeneratedDocs.Saga(), $"docs/saga.mmd {Stale}");

    /// <summary>The document has each route of the gateway, and no other one but the gateway's own.</summary>
    [Fact]
    public async Task OpenApi_Routes_AreThoseOfTheGateway()
    {
        string[] answeredByTheGateway =
            ["GET /auth/session", "GET /health/live", "GET /health/ready", "POST /auth/demo", "POST /auth/sign-out"];
        using var document = JsonDocument.Parse(await GeneratedDocs.OpenApiAsync([]));
        var documented = document.RootElement.GetProperty("paths").EnumerateObject()
            .SelectMany(path => path.Value.EnumerateObject().Select(method => $"{method.Name.ToUpperInvariant()} {path.Name}"));

        Assert.True(ShippedRoutes.Names.Count() > 10);
        Assert.Equal(ShippedRoutes.Names.Concat(answeredByTheGateway).Order(StringComparer.Ordinal),
            documented.Order(StringComparer.Ordinal));
    }

    private static string Committed(string name) => Path.Combine(Repository.Root, "docs", name);
}
