using System.Text.Json;
using ConcertSaga.Testing;

namespace ConcertSaga.AllInOne.Tests;

/// <summary>The committed documents say what the code says. When one of these fails: <c>dotnet run --project AllInOne -- docs</c>.</summary>
public sealed class GeneratedDocsTests
{
    private const string Stale = "is not what the code generates; run 'dotnet run --project AllInOne -- docs' and commit the result.";

    [Fact]
    public async Task OpenApi_Committed_IsWhatTheCodeGenerates() =>
        Assert.True(await File.ReadAllTextAsync(Committed("openapi.json")) == await GeneratedDocs.OpenApiAsync([]), $"docs/openapi.json {Stale}");

    [Fact]
    public async Task Saga_Committed_IsWhatTheMachineDraws() =>
        Assert.True(await File.ReadAllTextAsync(Committed("saga.mmd")) == GeneratedDocs.Saga(), $"docs/saga.mmd {Stale}");

    [Fact]
    public async Task OpenApi_Routes_AreThoseOfTheApi()
    {
        using var document = JsonDocument.Parse(await GeneratedDocs.OpenApiAsync([]));
        var routes = document.RootElement.GetProperty("paths").EnumerateObject()
            .SelectMany(path => path.Value.EnumerateObject().Select(method => $"{method.Name.ToUpperInvariant()} {path.Name}"));

        Assert.Equal(
            [
                "DELETE /api/queue/tokens/current",
                "DELETE /api/reservations/{id}",
                "GET /api/concerts",
                "GET /api/concerts/{concertId}/schedules",
                "GET /api/points",
                "GET /api/points/entries",
                "GET /api/queue/tokens/current",
                "GET /api/queue/tokens/current/events",
                "GET /api/reservations",
                "GET /api/reservations/{id}",
                "GET /api/schedules/{scheduleId}/seats",
                "GET /api/schedules/{scheduleId}/seats/events",
                "POST /api/points/charges",
                "POST /api/queue/tokens",
                "POST /api/reservations",
                "POST /api/reservations/{id}/payment"
            ],
            routes.Order(StringComparer.Ordinal));
    }

    private static string Committed(string name) => Path.Combine(Repository.Root, "docs", name);
}
