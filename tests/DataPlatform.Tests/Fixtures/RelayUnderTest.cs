using System.Collections.Concurrent;
using System.Net.Http.Json;
using ConcertSaga.Contracts.Reservations;
using ConcertSaga.DataPlatform.Data;
using ConcertSaga.DataPlatform.Dispatch;
using ConcertSaga.DataPlatform.Intake;
using ConcertSaga.DataPlatform.Operations;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Shared.Hosting.Http;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using MassTransit;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Xunit;

namespace ConcertSaga.DataPlatform.Tests.Fixtures;

/// <summary>
/// Runs one or more replicas of the relay on one database, with a platform to send to. Unless it is live, it sends only on demand.
/// </summary>
internal sealed class RelayUnderTest : IAsyncDisposable
{
    public const string Secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=";

    public static readonly DateTimeOffset Now = new(2026, 6, 1, 12, 0, 0, TimeSpan.Zero);

    public static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(1);

    private static readonly Type[] BackgroundTasks =
        [typeof(Dispatcher), typeof(Reconciliation), typeof(DeliveryCounter), typeof(DeliveryCleaner), typeof(InstantRepair)];

    private readonly RunningService[] _replicas;

    private RelayUnderTest(RunningService[] replicas, Platform platform, TimeProvider clock, CollectedLog log)
    {
        _replicas = replicas;
        Platform = platform;
        Time = clock;
        Log = log.Lines;
    }

    /// <summary>The log lines of the relay's own classes.</summary>
    public ConcurrentQueue<string> Log { get; }

    public Platform Platform { get; }

    public TimeProvider Time { get; }

    public StoppedClock Clock => (StoppedClock)Time;

    public static async Task<RelayUnderTest> StartAsync(
        DatabaseProvider provider, PostgreSqlServer server, int replicas = 1, bool isLive = false, TimeProvider? clock = null,
        Platform? platform = null, IInterceptor? interceptor = null, params (string Key, string Value)[] settings)
    {
        clock ??= isLive ? TimeProvider.System : new StoppedClock(Now);
        platform ??= await Platform.StartAsync();
        var database = await TestDatabase.CreateAsync(provider, server, "DataPlatform");
        var running = new RunningService[replicas];
        var log = new CollectedLog();
        (string Key, string Value)[] defaults =
        [
            ("DataPlatform:Destination", platform.Address.ToString()), ("DataPlatform:Secrets", Secret),
            ("DataPlatform:AllowedNetworks", "127.0.0.1/32"), ("DataPlatform:BreakerMinimum", "10000")
        ];
        for (var i = 0; i < replicas; i++)
        {
            running[i] = await RunningService.StartAsync(
                "DataPlatform", database, clock,
                builder =>
                {
                    builder.Logging.AddProvider(log);
                    builder.AddDataPlatform();
                    if (interceptor is not null)
                        builder.Services.ConfigureDbContext<SqliteDataPlatformDbContext>(options => options.AddInterceptors(interceptor))
                            .ConfigureDbContext<PostgreSqlDataPlatformDbContext>(options => options.AddInterceptors(interceptor));
                    // Background tasks would run concurrently with the steps of a test.
                    foreach (var service in builder.Services.Where(service => service.ServiceType == typeof(IHostedService)
                        && service.ImplementationFactory?.GetType().GenericTypeArguments[1] is { } type && BackgroundTasks.Contains(type)
                        && !(isLive && type == typeof(Dispatcher))).ToList())
                        builder.Services.Remove(service);
                },
                bus => bus.AddDataPlatformConsumers(), app => app.MapDataPlatform(),
                [.. defaults.Where(setting => !settings.Any(other => other.Key == setting.Key)), .. settings]);
        }
        return new RelayUnderTest(running, platform, clock, log);
    }

    /// <summary>Creates the message of a reservation that was confirmed just now.</summary>
    public ReservationConfirmed Confirmed(Guid? reservationId = null) => new(
        reservationId ?? Guid.CreateVersion7(Time.GetUtcNow()), "mina", 1, 2, [7, 8], 200_000, Guid.CreateVersion7(), Time.GetUtcNow(), 1);

    public static ReservationCancelled Cancelled(ReservationConfirmed confirmed) => new(
        confirmed.ReservationId, confirmed.UserId, confirmed.ConcertId, confirmed.ScheduleId, confirmed.SeatNumbers, confirmed.Amount,
        confirmed.QueueTokenId, confirmed.ConfirmedAt, 2);

    /// <summary>Passes confirmed reservations to the intake of a replica.</summary>
    public async Task<List<ReservationConfirmed>> ReceiveAsync(int count = 1, int replica = 0)
    {
        var confirmed = Enumerable.Range(0, count).Select(_ => Confirmed()).ToList();
        await WithAsync<EventIntake, int>(intake => intake.AddAsync(confirmed.ConvertAll(PlatformEvent.Confirmed), CancellationToken.None),
            replica);
        return confirmed;
    }

    public Task ReceiveAsync(ReservationCancelled cancelled) => WithAsync<EventIntake, int>(
        intake => intake.AddAsync(PlatformEvent.Cancelled(cancelled, cancelled.ConcertId!.Value, cancelled.ConfirmedAt!.Value,
            Time.GetUtcNow()), CancellationToken.None));

    public Task PublishAsync(object message) => WithAsync<IBus, int>(async bus =>
    {
        await bus.Publish(message, message.GetType());
        return 0;
    });

    /// <summary>Sends due deliveries until none is left.</summary>
    /// <returns>The number of due rows seen.</returns>
    public Task<int> SendDueAsync(int replica = 0) => WithAsync<Dispatcher, int>(
        async dispatcher =>
        {
            for (var total = 0; ;)
            {
                var (seen, _) = await dispatcher.DispatchDueAsync(CancellationToken.None);
                // Some tests come here hundreds of times, so this polls faster than Eventually.
                for (var left = Limit; dispatcher.Outstanding > 0; left -= Pause)
                {
                    Assert.True(left > TimeSpan.Zero, "leased deliveries were not sent and written");
                    await Task.Delay(Pause);
                }
                if (seen == 0)
                    return total;
                // An endless loop fails the test instead of hanging it.
                Assert.InRange(total += seen, 0, 50_000);
            }
        },
        replica);

    public Task<List<Delivery>> RowsAsync() => WithAsync<DataPlatformDbContext, List<Delivery>>(
        database => database.Deliveries.AsNoTracking().OrderBy(row => row.CreatedAt).ThenBy(row => row.ReservationId)
            .ThenBy(row => row.Sequence).ToListAsync());

    public async Task<Delivery> RowAsync() => Assert.Single(await RowsAsync());

    public async Task<Delivery> RowAsync(Guid reservationId, int sequence = 1) =>
        Assert.Single(await RowsAsync(), row => row.ReservationId == reservationId && row.Sequence == sequence);

    public Task<List<DeliveryAttempt>> AttemptsAsync() => WithAsync<DataPlatformDbContext, List<DeliveryAttempt>>(
        database => database.Attempts.AsNoTracking().OrderBy(row => row.DeliveryId).ThenBy(row => row.Number).ToListAsync());

    public Task<Destination> DestinationAsync() =>
        WithAsync<DataPlatformDbContext, Destination>(database => database.Destinations.AsNoTracking().SingleAsync());

    public Task<TResult> WithAsync<T, TResult>(Func<T, Task<TResult>> work, int replica = 0)
        where T : notnull => _replicas[replica].WithAsync(work);

    /// <summary>Creates a client with the gateway's secret.</summary>
    public HttpClient Gateway() => _replicas[0].ClientOf("gateway");

    /// <summary>Calls a route as the gateway does for an operator.</summary>
    public async Task<HttpResponseMessage> CallAsync(HttpMethod method, string route, object? body = null, string? roles = "ops",
        string user = "olga")
    {
        using var client = _replicas[0].ClientOf(user);
        using var request = new HttpRequestMessage(method, "/ops/api/deliveries" + route);
        if (roles is not null)
            request.Headers.Add(Caller.UserRolesHeader, roles);
        if (body is not null)
            request.Content = JsonContent.Create(body);
        return await client.SendAsync(request);
    }

    /// <summary>Calls an internal route as Operations does.</summary>
    public async Task<HttpResponseMessage> AskAsync(string route, object body)
    {
        using var client = Gateway();
        return await client.PostAsJsonAsync($"/internal/deliveries/{route}", body);
    }

    public async ValueTask DisposeAsync()
    {
        // The replicas share a database, and the first one disposed deletes it.
        foreach (var replica in _replicas)
            await replica.StopAsync();
        foreach (var replica in _replicas)
            await replica.DisposeAsync();
        await Platform.DisposeAsync();
    }
}

/// <summary>A clock that only the test moves, while timers run in real time.</summary>
internal sealed class StoppedClock(DateTimeOffset now) : TimeProvider
{
    private long _ticks = now.UtcTicks;

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override DateTimeOffset GetUtcNow() => new(Interlocked.Read(ref _ticks), TimeSpan.Zero);

    public override long GetTimestamp() => Interlocked.Read(ref _ticks);

    public void Advance(TimeSpan by) => Interlocked.Add(ref _ticks, by.Ticks);
}

/// <summary>Collects the log lines of the relay's own classes.</summary>
internal sealed class CollectedLog : ILoggerProvider
{
    public ConcurrentQueue<string> Lines { get; } = new();

    public ILogger CreateLogger(string categoryName) =>
        new Collector(categoryName.StartsWith("ConcertSaga.DataPlatform", StringComparison.Ordinal) ? Lines : null);

    public void Dispose()
    {
        // There is nothing to dispose.
    }

    private sealed class Collector(ConcurrentQueue<string>? lines) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => lines is not null;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception,
            Func<TState, Exception?, string> formatter) =>
            lines?.Enqueue(formatter(state, exception));
    }
}
