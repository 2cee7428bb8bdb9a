using System.Text.Json;
using ConcertSaga.EndToEnd.Tests.Client;
using ConcertSaga.EndToEnd.Tests.Systems;
using ConcertSaga.Testing;
using Xunit;

namespace ConcertSaga.EndToEnd.Tests.Invariants;

/// <summary>Lets the product check its own invariants.</summary>
internal static class InvariantChecks
{
    private const string Route = "/ops/api/invariants";

    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    /// <summary>Runs all checks, and waits for their ends.</summary>
    /// <returns>The findings, each as <c>invariant: subject: detail</c>.</returns>
    public static async Task<List<string>> RunAsync(ISystem system)
    {
        var ops = await Customer.SignInAsync(system, 0, "ops");
        var requested = new Dictionary<string, DateTimeOffset>();
        foreach (var name in (await ReadAsync(ops)).Keys)
        {
            var answer = await ops.SendAsync(HttpMethod.Post, $"{Route}/{name}/check", new { reason = "A test." });
            Assert.True(answer.Status == 202, answer.ToString());
            requested[name] = answer.Body.GetProperty("requestedAt").GetDateTimeOffset();
        }
        Assert.Equal(6, requested.Count);
        Dictionary<string, JsonElement> checks = [];
        await Eventually.TrueAsync(async () =>
        {
            checks = await ReadAsync(ops);
            return checks.All(check => !check.Value.GetProperty("isRunning").GetBoolean()
                && check.Value.GetProperty("startedAt") is { ValueKind: JsonValueKind.String } at
                && at.GetDateTimeOffset() >= requested[check.Key]);
        }, Limit, "all invariants are checked", Eventually.LongPause);
        return [.. checks.SelectMany(check => check.Value.GetProperty("findings").EnumerateArray().Select(finding =>
            $"{check.Key}: {finding.GetProperty("subject").GetString()}: {finding.GetProperty("detail").GetString()}"))];
    }

    private static async Task<Dictionary<string, JsonElement>> ReadAsync(Customer ops)
    {
        var answer = await ops.GetAsync(Route);
        Assert.True(answer.Status == 200, answer.ToString());
        return answer.Body.GetProperty("items").EnumerateArray().ToDictionary(row => row.GetProperty("name").GetString()!);
    }
}
