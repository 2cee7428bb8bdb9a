using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using ConcertSaga.Contracts.Queue;
using ConcertSaga.Contracts.Reservations;
using ConcertSaga.Contracts.Seats;
using ConcertSaga.Queue.Data;
using ConcertSaga.Queue.Domain;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Shared.Hosting.Http;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Hosting;
using Xunit;

namespace ConcertSaga.Queue.Tests;

/// <summary>
/// The queue service, in one or two replicas on one database, with concert 1 on sale: three slots, two people at a time. People are let in
/// when the test says so.
/// </summary>
internal sealed class QueueUnderTest : IAsyncDisposable
{
    public static readonly DateTimeOffset Now = new(2026, 6, 1, 12, 0, 0, TimeSpan.Zero);

    private static readonly (string Key, string Value)[] Defaults = [("Queue:Capacity", "3"), ("Queue:BatchSize", "2"), ("Queue:PassLifetime", "00:02:00")];

    private readonly RunningService[] _replicas;
    private readonly HttpClient[] _clients;
    private readonly List<RunningService> _ended = [];
    private readonly Func<Task<RunningService>> _start;

    private QueueUnderTest(RunningService[] replicas, Func<Task<RunningService>> start, StoppedClock clock)
    {
        (_replicas, _start, Clock) = (replicas, start, clock);
        _clients = [.. replicas.Select(ClientOf)];
    }

    public StoppedClock Clock { get; }

    public RunningService this[int replica] => _replicas[replica];

    public static async Task<QueueUnderTest> StartAsync(DatabaseProvider provider, PostgreSqlServer server, int replicas = 1, params (string Key, string Value)[] settings)
    {
        var queue = await StartOnAsync(await TestDatabase.CreateAsync(provider, server), new StoppedClock(Now), replicas, settings);
        await queue.AddConcertAsync(1);
        return queue;
    }

    public static async Task<QueueUnderTest> StartOnAsync(TestDatabase database, StoppedClock clock, int replicas, params (string Key, string Value)[] settings)
    {
        var running = new RunningService[replicas];
        for (var i = 0; i < replicas; i++)
            running[i] = await StartOneAsync();
        return new QueueUnderTest(running, StartOneAsync, clock);

        Task<RunningService> StartOneAsync() => RunningService.StartAsync(
            "Queue", database, clock,
            builder =>
            {
                builder.AddQueue();
                // What runs by itself would run at the same time as the steps of a test.
                foreach (var service in builder.Services.Where(service => service.ServiceType == typeof(IHostedService)
                    && service.ImplementationFactory?.GetType().GenericTypeArguments[1] is { } type && (type == typeof(Admissions) || type == typeof(Concerts))).ToList())
                    builder.Services.Remove(service);
            },
            bus => bus.AddQueueConsumers(), app => app.MapQueue(),
            [.. Defaults.Where(one => !settings.Any(other => other.Key == one.Key)), .. settings]);
    }

    /// <summary>Replaces a replica by a new one, as an update does: what the old one has begun it ends while the new one works.</summary>
    public async Task ReplaceAsync(int replica)
    {
        var next = await _start();
        RunningService old;
        lock (_ended)
        {
            (old, _replicas[replica], _clients[replica]) = (_replicas[replica], next, ClientOf(next));
            _ended.Add(old);
        }
        await old.StopAsync();
    }

    public Task AddConcertAsync(int concertId, TimeSpan? opensIn = null, TimeSpan? closesIn = null) => SaveConcertAsync(
        new ConcertPublished(concertId, Clock.GetUtcNow() + (opensIn ?? TimeSpan.FromDays(-1)), Clock.GetUtcNow() + (closesIn ?? TimeSpan.FromDays(60))));

    public Task SaveConcertAsync(ConcertPublished concert) => WithAsync<Concerts>(concerts => concerts.SaveAsync([concert], CancellationToken.None));

    public async Task<QueueTokenView> EnterAsync(string user, int concertId = 1, HttpStatusCode expected = HttpStatusCode.Created, int replica = 0)
    {
        using var answer = await TryEnterAsync(user, concertId, replica);
        Assert.Equal(expected, answer.StatusCode);
        return (await answer.Content.ReadFromJsonAsync<QueueTokenView>())!;
    }

    public Task<HttpResponseMessage> TryEnterAsync(string user, int concertId = 1, int replica = 0) =>
        SendAsync(HttpMethod.Post, "/api/queue/tokens", user, null, new { concertId }, replica: replica);

    public Task<HttpResponseMessage> PollAsync(string user, QueueTokenView token, int replica = 0) =>
        SendAsync(HttpMethod.Get, "/api/queue/tokens/current", user, token, replica: replica);

    /// <summary>Fetches the pass that was offered.</summary>
    public async Task<QueueTokenView> ClaimAsync(string user, QueueTokenView token, int replica = 0)
    {
        using var answer = await PollAsync(user, token, replica);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        return (await answer.Content.ReadFromJsonAsync<QueueTokenView>())!;
    }

    public Task<HttpResponseMessage> LeaveAsync(string user, QueueTokenView token, int replica = 0) =>
        SendAsync(HttpMethod.Delete, "/api/queue/tokens/current", user, token, replica: replica);

    public Task CompleteAsync(QueueTokenView token, int replica = 0) =>
        WithAsync<Places>(places => places.CompleteAsync(token.TokenId, token.ConcertId, CancellationToken.None), replica);

    /// <summary>An operator stops the inlet, or opens it again.</summary>
    public async Task PauseAsync(bool paused = true)
    {
        using var answer = await SendAsync(HttpMethod.Put, "/ops/api/queue/concerts/1", "olga", body: new { paused }, roles: "ops");
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
    }

    /// <summary>The orchestrator says yes, and whoever's turn it is is let in.</summary>
    public async Task TickAsync(int replica = 0)
    {
        Hear(new BookingReported(true, 0, Clock.GetUtcNow()), replica);
        await LookAsync(replica);
    }

    public Task LookAsync(int replica = 0) => WithAsync<Admissions>(admissions => admissions.TickAsync(CancellationToken.None), replica);

    public void Hear(BookingReported report, int replica = 0) => _ = _replicas[replica].WithAsync<BookingWatch, int>(watch =>
    {
        watch.Hear(report);
        return Task.FromResult(0);
    });

    public Task<QueueSnapshot> SnapshotAsync(int replica = 0) => _clients[replica].GetFromJsonAsync<QueueSnapshot>("/internal/queue/snapshot")!;

    public async Task<HttpResponseMessage> SendAsync(
        HttpMethod method, string route, string? user, QueueTokenView? token = null, object? body = null, string? roles = null, int replica = 0)
    {
        using var request = new HttpRequestMessage(method, route);
        if (user is not null)
            request.Headers.Add(Caller.UserIdHeader, user);
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

    public Task<QueueCounter> RoomAsync(int concertId = 1) => ReadAsync(database => database.Counters.AsNoTracking().SingleAsync(room => room.ConcertId == concertId));

    public Task<QueueToken> RowAsync(QueueTokenView token) => ReadAsync(database => database.Tokens.AsNoTracking().SingleAsync(row => row.TokenId == token.TokenId));

    public Task<List<QueueToken>> RowsAsync(int concertId = 1) =>
        ReadAsync(database => database.Tokens.AsNoTracking().Where(row => row.ConcertId == concertId).OrderBy(row => row.Number).ToListAsync());

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
        var client = replica.ClientOf("nobody");
        client.DefaultRequestHeaders.Remove(Caller.UserIdHeader);
        return client;
    }
}

/// <summary>
/// A time that moves only when a test moves it, while timers run in real time: a clock that ran them would beat a hundred thousand times a day.
/// </summary>
internal sealed class StoppedClock(DateTimeOffset now) : TimeProvider
{
    private long _ticks = now.UtcTicks;

    public override DateTimeOffset GetUtcNow() => new(Interlocked.Read(ref _ticks), TimeSpan.Zero);

    public void Advance(TimeSpan by) => Interlocked.Add(ref _ticks, by.Ticks);
}
