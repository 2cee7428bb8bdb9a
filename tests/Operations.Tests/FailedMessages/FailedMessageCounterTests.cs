using ConcertSaga.Operations.FailedMessages;
using ConcertSaga.Operations.Tests.Fixtures;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using Xunit;

namespace ConcertSaga.Operations.Tests.FailedMessages;

[Collection(nameof(AloneCollection))]
public sealed class FailedMessageCounterTests(PostgreSqlServer server)
{
    public static IEnumerable<object[]> Providers => TestDatabase.Providers;

    [Theory, MemberData(nameof(Providers))]
    public async Task Metric_OfFailedMessages_CountsTheWaitingOnesOfEachQueue(DatabaseProvider provider)
    {
        await using var operations = await OperationsUnderTest.StartAsync(provider, server);
        await operations.FailAsync(3);
        await operations.ActAsync("discard", new { ids = new[] { 1 }, reason = "Bad." });
        // A run of the background may have counted before the discard and report after it.
        await Eventually.TrueAsync(async () =>
        {
            await operations.WithAsync<FailedMessageCounter, bool>(async counter =>
            {
                await counter.RunOnceAsync(CancellationToken.None);
                return true;
            });
            var lines = (await operations.MetricsAsync()).Split('\n');
            return Reports(lines, "Error", "points-deduct", 2) && Reports(lines, "Dead", "reservations", 0);
        }, TimeSpan.FromSeconds(60), "two failed messages of points-deduct and none of reservations are reported");
    }

    private static bool Reports(string[] lines, string kind, string queue, int count) => lines.Any(line =>
        line.StartsWith("failed_messages{", StringComparison.Ordinal) && line.Contains($"kind=\"{kind}\"", StringComparison.Ordinal)
        && line.Contains($"queue=\"{queue}\"", StringComparison.Ordinal) && line.Contains($"}} {count}", StringComparison.Ordinal));
}
