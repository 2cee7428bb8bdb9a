using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;
using System.Text.RegularExpressions;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Processes;
using ConcertSaga.Testing.Servers;

namespace ConcertSaga.AllInOne.Tests;

/// <summary>
/// Every queue on a real broker is listed in <c>docs/operations.md</c>, and drills leave no messages behind.
/// </summary>
public sealed partial class QueueNamesTests(RabbitMqServer broker)
{
    [Fact]
    public async Task Broker_AfterADrill_HasOnlyDocumentedQueuesWithoutMessages()
    {
        var address = await broker.CreateVirtualHostAsync("queues");
        var folder = Directory.CreateTempSubdirectory("concertsaga-test-").FullName;
        await using var system = await ServiceProcess.StartAsync("AllInOne",
        [
            $"--DataDirectory={folder}", "--Messaging:Transport=RabbitMq", $"--ConnectionStrings:RabbitMq={address}",
                "--Faults:Enabled=true",
            .. new[] { "HoldSeats", "DeductPoints", "ConfirmPayment", "ConfirmSeats", "RefundPoints", "ReleaseSeats", "CancelPayment" }
                .SelectMany(command => new[] { $"--Faults:{command}:DropRate=0.5", $"--Faults:{command}:DuplicateRate=0.5" }),
            "--Reservation:StepTimeout=00:00:00.500"
        ]);
        using var client = new HttpClient { BaseAddress = system.Address };
        var signedIn =
            await (await client.PostAsJsonAsync("/auth/demo",
            new { userId = "mina", roles = Array.Empty<string>() })).Content.ReadFromJsonAsync<JsonElement>();
        client.DefaultRequestHeaders.Authorization =
            new AuthenticationHeaderValue("Bearer", signedIn.GetProperty("accessToken").GetString());
        client.DefaultRequestHeaders.Add("Idempotency-Key", Guid.CreateVersion7().ToString());
        Assert.Equal(HttpStatusCode.Created, (await client.PostAsJsonAsync("/api/points/charges", new { amount = 1_000_000 })).StatusCode);
        await PassAsync(client, concertId: 1);
        var reserved =
            await (await client.PostAsJsonAsync("/api/reservations",
            new { scheduleId = 1, seatNumbers = new[] { 1 }, pay = true })).Content.ReadFromJsonAsync<JsonElement>();
        var reservation = reserved.GetProperty("reservationId").GetString();
        await Eventually.TrueAsync(async () => (await client.GetFromJsonAsync<JsonElement>($"/api/reservations/{reservation}"))
            .GetProperty("status").GetString()
            is "Confirmed" or "Failed" or "Rejected" or "Expired", TimeSpan.FromSeconds(90), "the reservation has ended");

        var documented = Documented();
        IReadOnlyDictionary<string, int> queues = new Dictionary<string, int>();
        await Eventually.TrueAsync(async () => (queues = await broker.ListQueuesAsync(address)).Values.Sum() == 0, TimeSpan.FromSeconds(60),
            $"no queue holds a message: {string.Join(", ", queues.Where(queue => queue.Value > 0))}");
        Assert.DoesNotContain(queues.Keys, queue => !documented.Any(pattern => pattern.IsMatch(queue)));
        Assert.Contains("seats-hold", queues.Keys);
        // Operations receives the failures of each queue, and misses none.
        var permanent = queues.Keys.Where(queue => !queue.EndsWith("_error", StringComparison.Ordinal)
            && !queue.EndsWith("_dead", StringComparison.Ordinal) && !queue.EndsWith("_skipped", StringComparison.Ordinal)
            && !Temporary().IsMatch(queue)).Order(StringComparer.Ordinal).ToList();
        Assert.Equal(permanent, Operations.OperationsService.Queues.Order(StringComparer.Ordinal));
        Assert.All(permanent, queue => Assert.True(queues.ContainsKey($"{queue}_error") && queues.ContainsKey($"{queue}_dead"), queue));
        await system.StopAsync();
        Directory.Delete(folder, recursive: true);
    }

    private static async Task PassAsync(HttpClient client, int concertId)
    {
        var entry = await (await client.PostAsJsonAsync("/api/queue/tokens", new { concertId })).Content.ReadFromJsonAsync<JsonElement>();
        await Eventually.TrueAsync(async () =>
        {
            client.DefaultRequestHeaders.Remove("X-Queue-Token");
            client.DefaultRequestHeaders.Add("X-Queue-Token", entry.GetProperty("token").GetString());
            if (entry.GetProperty("status").GetString() == "Active")
                return true;
            entry = await client.GetFromJsonAsync<JsonElement>("/api/queue/tokens/current");
            return false;
        }, TimeSpan.FromSeconds(60), "the customer is admitted");
    }

    // Reads the first column of the table "Queues". <queue> stands for any other name, and … for a suffix.
    private static Regex[] Documented() =>
    [
        .. File.ReadAllText(Path.Combine(Repository.Root, "docs", "operations.md")).Split("## Queues")[1].Split("\n## ")[0].Split('\n')
            .Where(line => line.StartsWith("| `", StringComparison.Ordinal))
                .SelectMany(line => Names().Matches(line.Split('|')[1]).Select(match => match.Groups[1].Value))
            .Select(name => Regex.Escape(name).Replace("<queue>", "[a-z-]+", StringComparison.Ordinal)
                .Replace("…", ".+", StringComparison.Ordinal))
            .Select(pattern => new Regex($"^{pattern}$"))
    ];

    // The name of a temporary queue ends with a random id.
    [GeneratedRegex("[-_][0-9a-z]{20,}$")]
    private static partial Regex Temporary();

    [GeneratedRegex("`([^`]+)`")]
    private static partial Regex Names();
}
