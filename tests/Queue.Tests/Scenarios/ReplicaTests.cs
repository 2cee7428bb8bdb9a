using ConcertSaga.Contracts.Reservations;
using ConcertSaga.Contracts.Seats;
using ConcertSaga.Shared.Hosting.Http;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Processes;
using ConcertSaga.Testing.Servers;
using MassTransit;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Logging;
using Npgsql;
using Xunit;

namespace ConcertSaga.Queue.Tests.Scenarios;

/// <summary>Two processes share a database and a broker and serve a crowd; one of them is killed and restarted.</summary>
public sealed class ReplicaTests(PostgreSqlServer databases, RabbitMqServer brokers) : IAsyncLifetime
{
    private const int Capacity = 12, Customers = 84;
    private const string Secret = "the secret of a test, never of a product";

    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(2);

    private readonly HttpClient _http = new() { Timeout = TimeSpan.FromSeconds(20) };
    private readonly CancellationTokenSource _ending = new();
    private WebApplication? _seats;

    public async ValueTask InitializeAsync()
    {
        _http.DefaultRequestHeaders.Add(InnerWall.SecretHeader, Secret);
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseSetting("urls", "http://127.0.0.1:0");
        builder.Logging.ClearProviders();
        _seats = builder.Build();
        var now = TimeProvider.System.GetUtcNow();
        _seats.MapGet("/internal/concerts", (int limit, int after) =>
            after >= 1 ? [] : new[] { new ConcertPublished(1, now.AddDays(-1), now.AddDays(1)) });
        _seats.MapGet("/internal/outcomes", () => new ReservationOutcomes([], null));
        await _seats.StartAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await _ending.CancelAsync();
        await _seats!.DisposeAsync();
        _http.Dispose();
        _ending.Dispose();
    }

    [Fact]
    public async Task TwoReplicas_WithACrowdAndAKill_KeepCapacityOrderAndEntries()
    {
        var address = await brokers.CreateVirtualHostAsync("queue");
        var connection = await databases.CreateDatabaseAsync("queue");
        await using var database = NpgsqlDataSource.Create(connection);
        var arguments = Arguments(address, connection);
        var (code, output) = await ServiceProcess.RunAsync("Services/Queue", ["migrate", .. arguments]);
        Assert.True(code == 0, output);
        await using var first = await ServiceProcess.StartAsync("Services/Queue", arguments);
        await using var second = await ServiceProcess.StartAsync("Services/Queue", arguments);
        var bus = Bus.Factory.CreateUsingRabbitMq(transport => transport.Host(new Uri(address)));
        await bus.StartAsync();
        var reporting = ReportAsync(bus);
        await Eventually.TrueAsync(async () => await ReadNumberAsync(database, "SELECT count(*) FROM \"QueueCounters\"") == 1, Limit,
            "the concert is known");

        var watching = WatchAsync(database);
        var customers = Enumerable.Range(0, Customers)
            .Select(number => new ReplicaCustomer(number, [first.Address, second.Address], _http, bus).RunAsync()).ToList();
        await Eventually.TrueAsync(
            async () => await ReadNumberAsync(database, "SELECT \"Serving\" FROM \"QueueCounters\"") > Customers / 3, Limit,
            "a third of the customers is admitted");
        await first.KillAsync();
        await first.StartAgainAsync();
        var entries = await Task.WhenAll(customers).WaitAsync(Limit);
        await Eventually.TrueAsync(async () => await ReadNumberAsync(database,
            "SELECT count(*) FROM \"QueueTokens\" WHERE \"Status\" IN ('Waiting', 'Offered', 'Active')") == 0, Limit,
            "all entries have ended");
        await _ending.CancelAsync();
        await Task.WhenAll(watching, reporting);
        await bus.StopAsync();

        await CheckEntriesAsync(database, entries);
        Assert.True(await watching > Capacity / 2, "fewer than half the slots were in use at once");
    }

    private string[] Arguments(string address, string connection) =>
    [
        $"--Gateway:Secret={Secret}", $"--ConnectionStrings:RabbitMq={address}", "--Database:Provider=PostgreSql",
        $"--ConnectionStrings:Queue={connection}", $"--Queue:SeatsAddress={_seats!.Urls.Single()}",
        $"--Queue:OrchestratorAddress={_seats.Urls.Single()}", $"--Queue:Capacity={Capacity}", "--Queue:BatchSize=4",
        "--Queue:Interval=00:00:00.2", "--Queue:TickInterval=00:00:00.05", "--Queue:ClaimWindow=00:00:20", "--Queue:PassLifetime=00:00:10"
    ];

    // Each number exists once, each customer has the entry of the first answer, and offers followed the numbers.
    private static async Task CheckEntriesAsync(NpgsqlDataSource database, (string UserId, Guid TokenId)[] entries)
    {
        var rows = new List<(Guid TokenId, string UserId, long Number, DateTime ClaimUntil)>();
        await using var command =
            database.CreateCommand("SELECT \"TokenId\", \"UserId\", \"Number\", \"ClaimUntil\" FROM \"QueueTokens\" ORDER BY \"Number\"");
        await using (var reader = await command.ExecuteReaderAsync())
        {
            while (await reader.ReadAsync())
                rows.Add((reader.GetGuid(0), reader.GetString(1), reader.GetInt64(2), reader.GetDateTime(3)));
        }
        Assert.Equal(Enumerable.Range(1, Customers).Select(number => (long)number), rows.Select(row => row.Number));
        Assert.Equal(entries.Order(), rows.Select(row => (row.UserId, row.TokenId)).Order());
        Assert.Equal(rows.Select(row => row.ClaimUntil).Order(), rows.Select(row => row.ClaimUntil));
    }

    private static async Task<long> ReadNumberAsync(NpgsqlDataSource database, string sql)
    {
#pragma warning disable CA2100 // Constants of this test.
        await using var command = database.CreateCommand(sql);
#pragma warning restore CA2100
        return (long)(await command.ExecuteScalarAsync())!;
    }

    /// <summary>Checks what must hold at every moment, and returns the maximum number of customers inside.</summary>
    private async Task<long> WatchAsync(NpgsqlDataSource database)
    {
        // The margin covers slots that end while the statement runs.
        await using var command = database.CreateCommand("""
            SELECT "Serving", "Sequence", (SELECT count(*) FROM "QueueTokens" WHERE "SlotUntil" > now() + interval '50 ms'),
                (SELECT count(*) FROM "QueueTokens" WHERE ("Status" = 'Active' AND "BookUntil" > now())
                    OR ("Status" = 'Offered' AND "ClaimUntil" > now()))
            FROM "QueueCounters"
            """);
        long serving = 0, sequence = 0, max = 0;
        while (!_ending.IsCancellationRequested)
        {
            await using (var row = await command.ExecuteReaderAsync())
            {
                Assert.True(await row.ReadAsync());
                Assert.True(row.GetInt64(0) >= serving && row.GetInt64(1) >= sequence, "a counter decreased");
                Assert.InRange(row.GetInt64(2), 0, Capacity);
                Assert.InRange(row.GetInt64(3), 0, Capacity);
                serving = row.GetInt64(0);
                sequence = row.GetInt64(1);
                max = Math.Max(max, row.GetInt64(3));
            }
            await Task.Delay(TimeSpan.FromMilliseconds(50));
        }
        return max;
    }

    private async Task ReportAsync(IBus bus)
    {
        while (!_ending.IsCancellationRequested)
        {
            await bus.Publish(new BookingReported(true, 0, TimeProvider.System.GetUtcNow()));
            await Task.Delay(TimeSpan.FromMilliseconds(500));
        }
    }
}
