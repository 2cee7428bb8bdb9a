using System.Text.Json;
using ConcertSaga.Operations.Invariants;
using ConcertSaga.SqlServer.Tests.Emulation;
using ConcertSaga.Testing;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace ConcertSaga.SqlServer.Tests.Scenarios;

/// <summary>Checks the invariants on what the other scenarios have left, and reads the actions of all owners.</summary>
internal static class InvariantScenario
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    public static async Task RunAsync(ProductHost host)
    {
        var invariants = await ReadAsync(host);
        Assert.Equal(6, invariants.Count);
        foreach (var name in invariants.Keys)
        {
            var (status, accepted) = await host.CallAsync("olga", HttpMethod.Post, $"/ops/api/invariants/{name}/check",
                new { reason = "x" });
            Assert.Equal(202, status);
            var requestedAt = accepted.GetProperty("requestedAt").GetDateTimeOffset();
            await Eventually.TrueAsync(async () => (await ReadAsync(host))[name] is var check
                && !check.GetProperty("isRunning").GetBoolean() && check.GetProperty("startedAt") is { ValueKind: JsonValueKind.String } at
                && at.GetDateTimeOffset() >= requestedAt, Limit, $"{name} is checked");
        }
        await host.Services.GetRequiredService<InvariantMetrics>().RunOnceAsync(CancellationToken.None);
        Guid[] ids = [Guid.CreateVersion7()];
        foreach (var owner in new[] { "reservations", "seats", "points", "payments", "queue", "deliveries" })
            await Expect.StatusAsync(200, host.CallAsync("operations", HttpMethod.Post, $"/internal/facts/{owner}", new { ids }));
        await Expect.StatusAsync(200, host.CallAsync("operations", HttpMethod.Get, $"/internal/facts/unfinished?limit=1&after="
            + "NjM5MzEzMTY0MDAwMDAwMDAwOjAxYTIwOGRmLTgwMzAtNzg1ZC1hMmM0LTU0N2IwZTEzOTJmMw"));
        await Expect.StatusAsync(200, host.CallAsync("operations", HttpMethod.Get, "/internal/facts/accounts?limit=1&after=a"));

        var actions = await host.CallAsync("olga", HttpMethod.Get, "/ops/api/actions?limit=2");
        Assert.Equal((200, 0), (actions.Status, actions.Body.GetProperty("missing").GetArrayLength()));
        await Expect.StatusAsync(200, host.CallAsync("olga", HttpMethod.Get,
            $"/ops/api/actions?limit=2&cursor={actions.Body.GetProperty("nextCursor").GetString()}"));
    }

    private static async Task<Dictionary<string, JsonElement>> ReadAsync(ProductHost host) =>
        (await host.CallAsync("olga", HttpMethod.Get, "/ops/api/invariants")).Body.GetProperty("items").EnumerateArray()
            .ToDictionary(row => row.GetProperty("name").GetString()!);
}
