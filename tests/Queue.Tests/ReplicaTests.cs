using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using ConcertSaga.Contracts.Queue;
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

namespace ConcertSaga.Queue.Tests;

/// <summary>Two processes on one database and one broker, and a crowd that enters, comes in, buys, leaves or vanishes; one of the two is killed.</summary>
[Trait("Category", "RunOnce")]
public sealed class ReplicaTests(PostgreSqlServer databases, RabbitMqServer brokers) : IAsyncLifetime
{
    private const int Capacity = 12, People = 84;
    private const string Secret = "the secret of a test, never of a product";

    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(2), Pause = TimeSpan.FromMilliseconds(100);

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
        _seats.MapGet("/internal/concerts", (int limit, int after) => after >= 1 ? [] : new[] { new ConcertPublished(1, now.AddDays(-1), now.AddDays(1)) });
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
    public async Task TwoReplicas_WithACrowdAndAKill_KeepCapacityOrderAndPlaces()
    {
        var address = await brokers.CreateVirtualHostAsync("queue");
        var connection = await databases.CreateDatabaseAsync("queue");
        await using var database = NpgsqlDataSource.Create(connection);
        string[] arguments =
        [
            $"--Gateway:Secret={Secret}", $"--ConnectionStrings:RabbitMq={address}", "--Database:Provider=PostgreSql", $"--ConnectionStrings:Queue={connection}",
            $"--Queue:SeatsAddress={_seats!.Urls.Single()}", $"--Queue:Capacity={Capacity}", "--Queue:BatchSize=4", "--Queue:Interval=00:00:00.2", "--Queue:TickInterval=00:00:00.05",
            "--Queue:ClaimWindow=00:00:10", "--Queue:PassLifetime=00:00:10"
        ];
        var (code, said) = await ServiceProcess.RunAsync("Services/Queue", ["migrate", .. arguments]);
        Assert.True(code == 0, said);
        await using var first = await ServiceProcess.StartAsync("Services/Queue", arguments);
        await using var second = await ServiceProcess.StartAsync("Services/Queue", arguments);
        var bus = Bus.Factory.CreateUsingRabbitMq(transport => transport.Host(new Uri(address)));
        await bus.StartAsync();
        var reporting = ReportAsync(bus);
        await Eventually.TrueAsync(async () => await NumberAsync("SELECT count(*) FROM \"QueueCounters\"") == 1, Limit, "the concert is known");

        var watching = WatchAsync(database);
        var people = Enumerable.Range(0, People).Select(number => LiveAsync(number, [first.Address, second.Address], bus)).ToList();
        await Eventually.TrueAsync(async () => await NumberAsync("SELECT \"Serving\" FROM \"QueueCounters\"") > People / 3, Limit, "a third has been let in");
        await first.KillAsync();
        await first.StartAgainAsync();
        var places = await Task.WhenAll(people).WaitAsync(Limit);
        await Eventually.TrueAsync(async () => await NumberAsync("SELECT count(*) FROM \"QueueTokens\" WHERE \"Status\" IN ('Waiting', 'Offered', 'Active')") == 0, Limit, "everybody's turn has come and gone");
        await _ending.CancelAsync();
        await Task.WhenAll(watching, reporting);
        await bus.StopAsync();

        var rows = new List<(Guid TokenId, string UserId, long Number, DateTime Offered)>();
        await using var command = database.CreateCommand("SELECT \"TokenId\", \"UserId\", \"Number\", \"ClaimUntil\" FROM \"QueueTokens\" ORDER BY \"Number\"");
        await using (var reader = await command.ExecuteReaderAsync())
        {
            while (await reader.ReadAsync())
                rows.Add((reader.GetGuid(0), reader.GetString(1), reader.GetInt64(2), reader.GetDateTime(3)));
        }
        // Each place once, and the one its person was told of; offered in the order of numbers.
        Assert.Equal(Enumerable.Range(1, People).Select(number => (long)number), rows.Select(row => row.Number));
        Assert.Equal(places.Order(), rows.Select(row => (row.UserId, row.TokenId)).Order());
        Assert.Equal(rows.Select(row => row.Offered).Order(), rows.Select(row => row.Offered));
        Assert.True((await watching).Most > Capacity / 2, "hardly anybody was inside");

        async Task<long> NumberAsync(string sql)
        {
#pragma warning disable CA2100 // Constants of this test.
            await using var one = database.CreateCommand(sql);
#pragma warning restore CA2100
            return (long)(await one.ExecuteScalarAsync())!;
        }
    }

    private async Task<(string UserId, Guid TokenId)> LiveAsync(int number, Uri[] replicas, IBus bus)
    {
        var (user, random) = ($"user-{number}", new Random(number));
        QueueTokenView? place = null;
        place = await EnterAsync();
        var vanishes = number % 14 == 0;
        for (var position = place.Position; !vanishes && place.Status == "Waiting"; await Task.Delay(Pause))
        {
            // Once in a while from another device.
            var (status, again) = random.Next(8) == 0 ? (HttpStatusCode.OK, await EnterAsync()) : await PollAsync();
            Assert.True(again is not null, $"{user} at {position} was answered {status}");
            Assert.Equal(place.TokenId, again.TokenId);
            Assert.True(again.Position <= position, $"{user} was at {position} and is at {again.Position}");
            (place, position) = (again, again.Position);
        }
        if (vanishes)
            return (user, place.TokenId);
        if (number % 10 < 7)
        {
            var bought = new ReservationConfirmed(Guid.CreateVersion7(), user, 1, 1, [1], 1_000, place.TokenId, TimeProvider.System.GetUtcNow(), 1);
            // As a broker may deliver it.
            await Task.WhenAll(bus.Publish(bought), bus.Publish(bought));
        }
        else if (number % 10 < 9)
        {
            await SendAsync(HttpMethod.Delete, "/api/queue/tokens/current", null);
        }
        // Bought, left or expired.
        await Eventually.TrueAsync(async () => (await PollAsync()).Status == HttpStatusCode.Gone, Limit, $"the pass of {user} has ended");
        return (user, place.TokenId);

        async Task<QueueTokenView> EnterAsync()
        {
            var (status, body) = await SendAsync(HttpMethod.Post, "/api/queue/tokens", new { concertId = 1 });
            Assert.True(status is HttpStatusCode.Created or HttpStatusCode.OK, $"{user} was answered {status}: {body}");
            return body.Deserialize<QueueTokenView>(JsonSerializerOptions.Web)!;
        }

        async Task<(HttpStatusCode Status, QueueTokenView? View)> PollAsync()
        {
            var (status, body) = await SendAsync(HttpMethod.Get, "/api/queue/tokens/current", null);
            return (status, status == HttpStatusCode.OK ? body.Deserialize<QueueTokenView>(JsonSerializerOptions.Web) : null);
        }

        // Of a replica that is killed the client hears nothing, and asks the next.
        async Task<(HttpStatusCode Status, JsonElement Body)> SendAsync(HttpMethod method, string path, object? body)
        {
            for (var left = 200; ; left--)
            {
                try
                {
                    using var request = new HttpRequestMessage(method, new Uri(replicas[random.Next(replicas.Length)], path)) { Content = body is null ? null : JsonContent.Create(body) };
                    request.Headers.Add(Caller.UserIdHeader, user);
                    if (body is null)
                    {
                        request.Headers.Add(Caller.QueueTokenIdHeader, place!.TokenId.ToString());
                        request.Headers.Add(Caller.QueueConcertIdHeader, "1");
                    }
                    using var answer = await _http.SendAsync(request);
                    if (answer.StatusCode != HttpStatusCode.ServiceUnavailable || left == 0)
                        return (answer.StatusCode, answer.StatusCode == HttpStatusCode.NoContent ? default : await answer.Content.ReadFromJsonAsync<JsonElement>());
                }
                catch (Exception exception) when (exception is HttpRequestException or IOException && left > 0)
                {
                }
                await Task.Delay(Pause);
            }
        }
    }

    // What holds at every moment.
    private async Task<(long Most, int Looks)> WatchAsync(NpgsqlDataSource database)
    {
        // A slot that ends between the clock and the look of one statement is none.
        await using var look = database.CreateCommand($"""
            SELECT "Serving", "Sequence", (SELECT count(*) FROM "QueueTokens" WHERE "SlotUntil" > now() + interval '50 ms'),
                (SELECT count(*) FROM "QueueTokens" WHERE ("Status" = 'Active' AND "BookUntil" > now()) OR ("Status" = 'Offered' AND "ClaimUntil" > now()))
            FROM "QueueCounters"
            """);
        var (serving, sequence, most, looks) = (0L, 0L, 0L, 0);
        while (!_ending.IsCancellationRequested)
        {
            await using (var row = await look.ExecuteReaderAsync())
            {
                Assert.True(await row.ReadAsync());
                Assert.True(row.GetInt64(0) >= serving && row.GetInt64(1) >= sequence, "the line went back");
                Assert.InRange(row.GetInt64(2), 0, Capacity);
                Assert.InRange(row.GetInt64(3), 0, Capacity);
                (serving, sequence, most, looks) = (row.GetInt64(0), row.GetInt64(1), Math.Max(most, row.GetInt64(3)), looks + 1);
            }
            await Task.Delay(TimeSpan.FromMilliseconds(10));
        }
        return (most, looks);
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
