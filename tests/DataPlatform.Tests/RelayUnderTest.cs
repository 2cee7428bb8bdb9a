using System.Net.Http.Json;
using ConcertSaga.Contracts.Reservations;
using ConcertSaga.DataPlatform.Data;
using ConcertSaga.DataPlatform.Domain;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Shared.Hosting.Http;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using MassTransit;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Hosting;
using Xunit;

namespace ConcertSaga.DataPlatform.Tests;

/// <summary>The relay, in one or more replicas on one database, and the platform it sends to. It sends when the test says so, unless it is live.</summary>
internal sealed class RelayUnderTest : IAsyncDisposable
{
    public const string Secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=";

    public static readonly DateTimeOffset Now = new(2026, 6, 1, 12, 0, 0, TimeSpan.Zero);

    public static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(1);

    private static readonly Type[] ByThemselves = [typeof(Dispatcher), typeof(Reconciliation), typeof(DeliveryCounts), typeof(DeliveryCleaner)];

    private readonly RunningService[] _replicas;

    private RelayUnderTest(RunningService[] replicas, Platform platform, TimeProvider clock) => (_replicas, Platform, Time) = (replicas, platform, clock);

    public Platform Platform { get; }

    public TimeProvider Time { get; }

    public StoppedClock Clock => (StoppedClock)Time;

    public static async Task<RelayUnderTest> StartAsync(
        DatabaseProvider provider, PostgreSqlServer server, int replicas = 1, bool isLive = false, TimeProvider? clock = null, Platform? platform = null,
        params (string Key, string Value)[] settings)
    {
        clock ??= isLive ? TimeProvider.System : new StoppedClock(Now);
        platform ??= await Platform.StartAsync();
        var database = await TestDatabase.CreateAsync(provider, server);
        var running = new RunningService[replicas];
        (string Key, string Value)[] defaults =
        [
            ("DataPlatform:Destination", platform.Address.ToString()), ("DataPlatform:Secrets", Secret), ("DataPlatform:AllowedNetworks", "127.0.0.1/32"),
            ("DataPlatform:BreakerMinimum", "10000")
        ];
        for (var i = 0; i < replicas; i++)
        {
            running[i] = await RunningService.StartAsync(
                "DataPlatform", database, clock,
                builder =>
                {
                    builder.AddDataPlatform();
                    // What runs by itself would run at the same time as the steps of a test.
                    foreach (var service in builder.Services.Where(service => service.ServiceType == typeof(IHostedService)
                        && service.ImplementationFactory?.GetType().GenericTypeArguments[1] is { } type && ByThemselves.Contains(type)
                        && !(isLive && type == typeof(Dispatcher))).ToList())
                        builder.Services.Remove(service);
                },
                bus => bus.AddDataPlatformConsumers(), app => app.MapDataPlatform(),
                [.. defaults.Where(one => !settings.Any(other => other.Key == one.Key)), .. settings]);
        }
        return new RelayUnderTest(running, platform, clock);
    }

    /// <summary>A reservation was confirmed, a moment ago.</summary>
    public ReservationConfirmed Confirmed(Guid? reservationId = null) => new(
        reservationId ?? Guid.CreateVersion7(Time.GetUtcNow()), "mina", 1, 2, [7, 8], 200_000, Guid.CreateVersion7(), Time.GetUtcNow(), 1);

    public static ReservationCancelled Cancelled(ReservationConfirmed confirmed) => new(
        confirmed.ReservationId, confirmed.UserId, confirmed.ConcertId, confirmed.ScheduleId, confirmed.SeatNumbers, confirmed.Amount, confirmed.QueueTokenId,
        confirmed.ConfirmedAt, 2);

    /// <summary>Hears of reservations that were confirmed.</summary>
    public async Task<List<ReservationConfirmed>> HearAsync(int count = 1, int replica = 0)
    {
        var confirmed = Enumerable.Range(0, count).Select(_ => Confirmed()).ToList();
        await WithAsync<Intake, int>(intake => intake.AddAsync(confirmed.ConvertAll(PlatformEvent.Confirmed), CancellationToken.None), replica);
        return confirmed;
    }

    public Task HearAsync(ReservationCancelled cancelled) => WithAsync<Intake, int>(
        intake => intake.AddAsync(PlatformEvent.Cancelled(cancelled, cancelled.ConcertId!.Value, cancelled.ConfirmedAt!.Value, Time.GetUtcNow()), CancellationToken.None));

    public Task PublishAsync(object message) => WithAsync<IBus, int>(async bus =>
    {
        await bus.Publish(message, message.GetType());
        return 0;
    });

    /// <summary>Sends everything that is due, until nothing is.</summary>
    /// <returns>How many deliveries were taken from the table.</returns>
    public Task<int> PumpAsync(int replica = 0) => WithAsync<Dispatcher, int>(
        async dispatcher =>
        {
            for (var total = 0; ;)
            {
                var (seen, _) = await dispatcher.FeedAsync(CancellationToken.None);
                // Hundreds of times in some tests: looked at more often than elsewhere.
                for (var left = Limit; dispatcher.Outstanding > 0; left -= Pause)
                {
                    Assert.True(left > TimeSpan.Zero, "what was taken was not sent and written");
                    await Task.Delay(Pause);
                }
                if (seen == 0)
                    return total;
                // Whatever goes round in a circle is not to hang the test.
                Assert.InRange(total += seen, 0, 50_000);
            }
        },
        replica);

    public Task<List<Delivery>> RowsAsync() => WithAsync<DataPlatformDbContext, List<Delivery>>(
        database => database.Deliveries.AsNoTracking().OrderBy(row => row.CreatedAt).ThenBy(row => row.ReservationId).ThenBy(row => row.Sequence).ToListAsync());

    public async Task<Delivery> RowAsync() => Assert.Single(await RowsAsync());

    public async Task<Delivery> RowAsync(Guid reservationId, int sequence = 1) => Assert.Single(await RowsAsync(), row => row.ReservationId == reservationId && row.Sequence == sequence);

    public Task<List<DeliveryAttempt>> AttemptsAsync() => WithAsync<DataPlatformDbContext, List<DeliveryAttempt>>(
        database => database.Attempts.AsNoTracking().OrderBy(row => row.DeliveryId).ThenBy(row => row.Number).ToListAsync());

    public Task<Destination> DestinationAsync() => WithAsync<DataPlatformDbContext, Destination>(database => database.Destinations.AsNoTracking().SingleAsync());

    public Task<TResult> WithAsync<T, TResult>(Func<T, Task<TResult>> work, int replica = 0)
        where T : notnull => _replicas[replica].WithAsync(work);

    /// <summary>A client of the gateway's rank.</summary>
    public HttpClient Gateway() => _replicas[0].ClientOf("gateway");

    /// <summary>As the gateway would call it for an operator.</summary>
    public async Task<HttpResponseMessage> CallAsync(HttpMethod method, string route, object? body = null, string? roles = "ops", string user = "olga")
    {
        using var client = _replicas[0].ClientOf(user);
        using var request = new HttpRequestMessage(method, "/ops/api/deliveries" + route);
        if (roles is not null)
            request.Headers.Add(Caller.UserRolesHeader, roles);
        if (body is not null)
            request.Content = JsonContent.Create(body);
        return await client.SendAsync(request);
    }

    public async ValueTask DisposeAsync()
    {
        // They share a database, and the first to be disposed of takes it along.
        foreach (var replica in _replicas)
            await replica.StopAsync();
        foreach (var replica in _replicas)
            await replica.DisposeAsync();
        await Platform.DisposeAsync();
    }
}

/// <summary>A time that moves only when a test moves it, while timers run in real time.</summary>
internal sealed class StoppedClock(DateTimeOffset now) : TimeProvider
{
    private long _ticks = now.UtcTicks;

    public override DateTimeOffset GetUtcNow() => new(Interlocked.Read(ref _ticks), TimeSpan.Zero);

    public void Advance(TimeSpan by) => Interlocked.Add(ref _ticks, by.Ticks);
}
