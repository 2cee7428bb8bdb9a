using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using ConcertSaga.Contracts.Queue;
using ConcertSaga.Contracts.Reservations;
using ConcertSaga.Contracts.Seats;
using ConcertSaga.Queue.Admission;
using ConcertSaga.Queue.Catalogue;
using ConcertSaga.Queue.Data;
using ConcertSaga.Queue.Line;
using ConcertSaga.Queue.Rooms;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Shared.Hosting.Http;
using ConcertSaga.Shared.Hosting.Messaging;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Hosting;
using Xunit;

namespace ConcertSaga.Queue.Tests.Fixtures;

/// <summary>
/// Runs one or two replicas of the queue service on one database. Concert 1 is on sale, with three slots and batches of two. Customers are
/// admitted only when the test ticks.
/// </summary>
internal sealed class QueueUnderTest : IAsyncDisposable
{
    public static readonly DateTimeOffset Now = new(2026, 6, 1, 12, 0, 0, TimeSpan.Zero);

    private static readonly Type[] BackgroundTasks =
        [typeof(AdmissionLoop), typeof(RoomSampler), typeof(ConcertCatalogue), typeof(ClockRepair), typeof(PurchaseReconciliation)];

    private static readonly (string Key, string Value)[] Defaults =
        [("Queue:Capacity", "3"), ("Queue:BatchSize", "2"), ("Queue:PassLifetime", "00:02:00")];

    private readonly RunningService[] _replicas;
    private readonly HttpClient[] _clients;
    private readonly List<RunningService> _ended = [];
    private readonly Func<Task<RunningService>> _start;

    private QueueUnderTest(RunningService[] replicas, Func<Task<RunningService>> start, StoppedClock clock)
    {
        _replicas = replicas;
        _start = start;
        Clock = clock;
        _clients = [.. replicas.Select(ClientOf)];
    }

    public StoppedClock Clock { get; }

    public RunningService this[int replica] => _replicas[replica];

    public static async Task<QueueUnderTest> StartAsync(DatabaseProvider provider, PostgreSqlServer server, int replicas = 1,
        params (string Key, string Value)[] settings)
    {
        var database = await TestDatabase.CreateAsync(provider, server, "Queue");
        var queue = await StartOnAsync(database, new StoppedClock(Now), replicas, settings);
        await queue.AddConcertAsync(1);
        return queue;
    }

    public static async Task<QueueUnderTest> StartOnAsync(TestDatabase database, StoppedClock clock, int replicas,
        params (string Key, string Value)[] settings)
    {
        var running = new RunningService[replicas];
        for (var i = 0; i < replicas; i++)
            running[i] = await StartOneAsync();
        return new QueueUnderTest(running, StartOneAsync, clock);

        async Task<RunningService> StartOneAsync()
        {
            var replica = await RunningService.StartAsync("Queue", database, clock,
                builder =>
                {
                    builder.AddQueue();
                    // Background work would interfere with the steps of a test.
                    foreach (var service in builder.Services.Where(service => service.ServiceType == typeof(IHostedService)
                        && service.ImplementationFactory?.GetType().GenericTypeArguments[1] is { } type && BackgroundTasks.Contains(type))
                            .ToList())
                        builder.Services.Remove(service);
                },
                bus => bus.AddQueueConsumers(), app => app.MapQueue(),
                [.. Defaults.Where(setting => !settings.Any(own => own.Key == setting.Key)), .. settings]);
            // The first message compiles the pipeline. On a busy machine that may take the three seconds after which a message is dropped.
            await replica.PublishAsync(new SeatsChanged(0, 0, []));
            return replica;
        }
    }

    /// <summary>Replaces a replica, as an update does: the old one finishes its work while the new one runs.</summary>
    public async Task ReplaceAsync(int replica)
    {
        var next = await _start();
        RunningService old;
        lock (_ended)
        {
            old = _replicas[replica];
            _replicas[replica] = next;
            _clients[replica] = ClientOf(next);
            _ended.Add(old);
        }
        await old.StopAsync();
    }

    public Task AddConcertAsync(int concertId, TimeSpan? opensIn = null, TimeSpan? closesIn = null) => SaveConcertAsync(
        new ConcertPublished(concertId, Clock.GetUtcNow() + (opensIn ?? TimeSpan.FromDays(-1)),
            Clock.GetUtcNow() + (closesIn ?? TimeSpan.FromDays(60))));

    public Task SaveConcertAsync(ConcertPublished concert) =>
        WithAsync<ConcertCatalogue>(concerts => concerts.SaveAsync([concert], CancellationToken.None));

    public async Task<QueueTokenView> EnterAsync(string user, int concertId = 1, HttpStatusCode expected = HttpStatusCode.Created,
        int replica = 0)
    {
        using var answer = await TryEnterAsync(user, concertId, replica);
        Assert.Equal(expected, answer.StatusCode);
        return (await answer.Content.ReadFromJsonAsync<QueueTokenView>())!;
    }

    /// <summary>Enters the customers user-1, user-2 and so on, in this order.</summary>
    public async Task<QueueTokenView[]> EnterManyAsync(int customers)
    {
        var tokens = new QueueTokenView[customers];
        for (var i = 0; i < customers; i++)
            tokens[i] = await EnterAsync($"user-{i + 1}");
        return tokens;
    }

    public Task<HttpResponseMessage> TryEnterAsync(string user, int concertId = 1, int replica = 0) =>
        SendAsync(HttpMethod.Post, "/api/queue/tokens", user, null, new { concertId }, replica: replica);

    public Task<HttpResponseMessage> PollAsync(string user, QueueTokenView token, int replica = 0) =>
        SendAsync(HttpMethod.Get, "/api/queue/tokens/current", user, token, replica: replica);

    /// <summary>Claims the offer, or repeats that.</summary>
    public async Task<QueueTokenView> ClaimAsync(string user, QueueTokenView token, int replica = 0)
    {
        using var answer = await PollAsync(user, token, replica);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        return (await answer.Content.ReadFromJsonAsync<QueueTokenView>())!;
    }

    public Task<HttpResponseMessage> LeaveAsync(string user, QueueTokenView token, int replica = 0) =>
        SendAsync(HttpMethod.Delete, "/api/queue/tokens/current", user, token, replica: replica);

    public Task CompleteAsync(QueueTokenView token, int replica = 0) =>
        WithAsync<CommandGroups<PurchasedPasses>>(passes => passes.HandleAsync(new PurchasedPass(token.TokenId)), replica);

    /// <summary>Pauses or resumes admission as an operator.</summary>
    public async Task PauseAsync(bool paused = true)
    {
        using var answer = await SendAsync(HttpMethod.Patch, "/ops/api/waiting-rooms/1", "olga",
            body: new { paused, reason = "A test." }, roles: "ops");
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
    }

    /// <summary>Reports that reservations are open, and runs one round of admission.</summary>
    public async Task TickAsync(int replica = 0)
    {
        Report(new BookingReported(true, 0, Clock.GetUtcNow()), replica);
        await TickWithoutReportAsync(replica);
    }

    public Task TickWithoutReportAsync(int replica = 0) =>
        WithAsync<AdmissionLoop>(loop => loop.RunOnceAsync(CancellationToken.None), replica);

    public void Report(BookingReported report, int replica = 0) => _ = _replicas[replica].WithAsync<BookingWatch, int>(watch =>
    {
        watch.Record(report);
        return Task.FromResult(0);
    });

    public Task<QueueSnapshot> SnapshotAsync(int replica = 0) =>
        _clients[replica].GetFromJsonAsync<QueueSnapshot>("/internal/queue/snapshot")!;

    public async Task<HttpResponseMessage> SendAsync(
        HttpMethod method, string route, string? user, QueueTokenView? token = null, object? body = null, string? roles = null,
        int replica = 0, string? refusal = null)
    {
        using var request = new HttpRequestMessage(method, route);
        if (user is not null)
            request.Headers.Add(Caller.UserIdHeader, user);
        if (refusal is not null)
            request.Headers.Add(Caller.QueueRefusalHeader, refusal);
        if (roles is not null)
            request.Headers.Add(Caller.UserRolesHeader, roles);
        if (token is not null)
        {
            request.Headers.Add(Caller.QueueTokenIdHeader, token.TokenId.ToString());
            request.Headers.Add(Caller.QueueConcertIdHeader, $"{token.ConcertId}");
        }
        if (body is not null)
            request.Content = JsonContent.Create(body);
        return await _clients[replica].SendAsync(request);
    }

    public Task<WaitingRoom> RoomAsync(int concertId = 1) =>
        ReadAsync(database => database.Rooms.AsNoTracking().SingleAsync(room => room.ConcertId == concertId));

    public Task<QueueEntry> RowAsync(QueueTokenView token) =>
        ReadAsync(database => database.Entries.AsNoTracking().SingleAsync(row => row.TokenId == token.TokenId));

    public Task<List<QueueEntry>> RowsAsync(int concertId = 1) =>
        ReadAsync(database => database.Entries.AsNoTracking().Where(row => row.ConcertId == concertId).OrderBy(row => row.Number)
            .ToListAsync());

    public Task<T> ReadAsync<T>(Func<QueueDbContext, Task<T>> read) => _replicas[0].WithAsync(read);

    public Task WithAsync<T>(Func<T, Task> work, int replica = 0)
        where T : notnull => _replicas[replica].WithAsync<T, int>(async service =>
    {
        await work(service);
        return 0;
    });

    public static async Task RefusedAsync(HttpResponseMessage answer, int status, string code)
    {
        var problem = await answer.Content.ReadFromJsonAsync<JsonElement>();
        Assert.Equal((status, code), ((int)answer.StatusCode, problem.GetProperty("code").GetString()));
        Assert.Equal("application/problem+json", answer.Content.Headers.ContentType!.MediaType);
        answer.Dispose();
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var client in _clients)
            client.Dispose();
        foreach (var replica in _ended.Concat(_replicas))
            await replica.DisposeAsync();
    }

    private static HttpClient ClientOf(RunningService replica)
    {
        var client = replica.ClientOf("unused");
        client.DefaultRequestHeaders.Remove(Caller.UserIdHeader);
        return client;
    }
}
