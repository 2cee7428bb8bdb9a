using System.Net.Http.Json;
using System.Text.Json;
using ConcertSaga.DataPlatform.Data;
using ConcertSaga.DataPlatform.Tests.Fixtures;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing.Servers;
using Xunit;

namespace ConcertSaga.DataPlatform.Tests.Operations;

/// <summary>A filter accepts only the names of statuses. Anything else is refused and changes nothing.</summary>
public sealed class DeliveryFilterTests(PostgreSqlServer server)
{
    public static TheoryData<string> Statuses =>
        ["Delivered, Dead", "Delivered,Dead", "1", "99", "-1", " Dead", "Dead ", "Lost", "0x2", "+2"];

    [Theory, MemberData(nameof(Statuses))]
    public async Task Status_ThatIsNotAName_IsRefusedInQueriesAndBodies(string status)
    {
        await using var relay = await RelayUnderTest.StartAsync(DatabaseProvider.Sqlite, server);
        relay.Platform.AnswerWith(400);
        await relay.ReceiveAsync(2);
        await relay.SendDueAsync();

        using var list = await relay.CallAsync(HttpMethod.Get, $"?status={Uri.EscapeDataString(status)}");
        using var sent = await relay.AskAsync("choice", new { action = "SendAgain", limit = 5, sampleSize = 1, filter = new { status } });
        Assert.Equal((400, 400), ((int)list.StatusCode, (int)sent.StatusCode));
        Assert.All(await relay.RowsAsync(), row => Assert.Equal(DeliveryStatus.Dead, row.Status));
    }

    [Theory]
    [InlineData("""{"status":1}""", "filter.status")]
    [InlineData("""{"status":""}""", "filter.status")]
    [InlineData("""{"state":"Dead"}""", "filter.state")]
    [InlineData("""{"from":"05.12.2026"}""", "filter.from")]
    [InlineData("""{"eventType":"other"}""", "filter.eventType")]
    public async Task Filter_ThatIsInvalid_IsRefusedByItsMember(string filter, string member)
    {
        await using var relay = await RelayUnderTest.StartAsync(DatabaseProvider.Sqlite, server);

        using var answer = await relay.AskAsync("choice",
            new { action = "SendAgain", limit = 5, sampleSize = 1, filter = JsonSerializer.Deserialize<JsonElement>(filter) });

        Assert.InRange((int)answer.StatusCode, 400, 422);
        var problem = await answer.Content.ReadFromJsonAsync<JsonElement>();
        Assert.True(problem.GetProperty("errors").TryGetProperty(member, out _), $"{problem}");
    }
}
