using ConcertSaga.Contracts.Reservations;
using ConcertSaga.DataPlatform;
using ConcertSaga.DataPlatform.Data;
using ConcertSaga.DataPlatform.Intake;
using ConcertSaga.DataPlatform.Operations;
using ConcertSaga.Queue;
using ConcertSaga.Queue.Line;
using ConcertSaga.SqlServer.Tests.Emulation;
using ConcertSaga.Testing;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Xunit;

namespace ConcertSaga.SqlServer.Tests.Scenarios;

/// <summary>Takes deliveries through every status, and calls the routes of operators.</summary>
internal sealed class RelayScenario
{
    private const string Route = "/ops/api/deliveries";

    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    private readonly ProductHost _host;
    private readonly ShiftedClock _clock;
    private readonly List<ReservationOutcome> _outcomes = [];
    private int _platformStatus = 200;

    private RelayScenario(ProductHost host, ShiftedClock clock)
    {
        _host = host;
        _clock = clock;
    }

    public static async Task RunAsync(ProductHost host, ShiftedClock clock)
    {
        var scenario = new RelayScenario(host, clock);
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseSetting("urls", "http://127.0.0.1:0");
        builder.Logging.ClearProviders();
        await using var platform = builder.Build();
        platform.MapPost("/hook", () => Results.StatusCode(scenario._platformStatus));
        platform.MapGet("/internal/outcomes", () => new ReservationOutcomes([.. scenario._outcomes], null));
        await platform.StartAsync();
        var options = host.Services.GetRequiredService<IOptions<DataPlatformOptions>>().Value;
        options.OrchestratorAddress = new Uri(platform.Urls.Single());
        options.Destination = new Uri($"{platform.Urls.Single()}/hook");
        options.AttemptsKept = 1;

        var id = await scenario.FailAsync(options);
        await scenario.RedriveAsync(id);
        await scenario.PauseAndCleanAsync(id);
    }

    private async Task<Guid> FailAsync(DataPlatformOptions options)
    {
        await _host.Services.GetRequiredService<DeliveryCounter>().CountAsync(CancellationToken.None);
        await _host.Services.GetRequiredService<InstantRepair>().RepairAsync(CancellationToken.None);
        await FindAsync("Delivered", 1, "earlier purchases and cancellations are delivered");
        await _host.CallAsync("olga", HttpMethod.Get, "/health/ready");

        var now = _clock.GetUtcNow();
        _outcomes.Add(new ReservationOutcome(Guid.CreateVersion7(now), "mina", 1, 1, [1], 1_000, null, "Cancelled", now, now, now, 2));
        _platformStatus = 500;
        await _host.Services.GetRequiredService<Reconciliation>().ReconcileAsync(CancellationToken.None);
        _host.Services.GetRequiredService<IOptions<QueueOptions>>().Value.OrchestratorAddress = options.OrchestratorAddress;
        _outcomes[0] = _outcomes[0] with { QueueTokenId = Guid.CreateVersion7(now), ConfirmedAt = now.AddMinutes(-1) };
        await _host.Services.GetRequiredService<PurchaseReconciliation>().ReconcileAsync(CancellationToken.None);
        var id = await FindAsync("Pending", 1, "the first attempt has failed");
        _clock.Advance(TimeSpan.FromMinutes(1));
        await FindAsync("Pending", 2, "the second attempt has failed and replaced the first");
        return id;
    }

    private async Task RedriveAsync(Guid id)
    {
        _platformStatus = 410;
        await RedriveManyAsync(new { status = "Pending", reservationId = _outcomes[0].ReservationId });
        await FindAsync("Pending", 3, "the destination has rejected the delivery");
        await Expect.StatusAsync(200, _host.CallAsync("olga", HttpMethod.Get, $"{Route}/destination"));
        await Expect.StatusAsync(200, _host.CallAsync("olga", HttpMethod.Post, $"{Route}/{id}/discard",
            new { reason = "It never existed." }));
        var delivered = await FindAsync("Delivered", 1, "an earlier delivery is found");
        await Expect.StatusAsync(409, _host.CallAsync("olga", HttpMethod.Post, $"{Route}/{delivered}/discard", new { reason = "Late." }));
        _platformStatus = 200;
        await Expect.StatusAsync(200, _host.CallAsync("olga", HttpMethod.Post, $"{Route}/destination/resume",
            new { reason = "It works again." }));
        await Expect.StatusAsync(200, _host.CallAsync("olga", HttpMethod.Post, $"{Route}/{id}/send-again", new { reason = "It existed." }));
        await Eventually.TrueAsync(async () => (await _host.CallAsync("olga", HttpMethod.Get, $"{Route}?status=Pending")).Body.GetProperty(
            "items").GetArrayLength() == 0, Limit, "everything is delivered");
    }

    private async Task RedriveManyAsync(object filter)
    {
        var dryRun = await _host.CallAsync("olga", HttpMethod.Post, $"{Route}/send-again", new { filter, dryRun = true });
        Assert.Equal(200, dryRun.Status);
        await FailedMessageScenario.EndedAsync(_host, await _host.CallAsync("olga", HttpMethod.Post, $"{Route}/send-again",
            new { selection = dryRun.Body.GetProperty("selection").GetGuid(), reason = "Now." }));
    }

    private async Task PauseAndCleanAsync(Guid id)
    {
        await using (var scope = _host.Services.CreateAsyncScope())
            await LeaveALeaseAsync(scope.ServiceProvider.GetRequiredService<DataPlatformDbContext>(), id);
        await RedriveManyAsync(new { status = "Pending" });
        await Expect.StatusAsync(200, _host.CallAsync("olga", HttpMethod.Post, $"{Route}/destination/pause", new { reason = "Enough." }));
        var first = await _host.CallAsync("olga", HttpMethod.Get,
            $"{Route}?limit=1&eventType=reservation.confirmed&from=2020-01-01T00:00:00Z&to=2090-01-01T00:00:00Z");
        await Expect.StatusAsync(200, _host.CallAsync("olga", HttpMethod.Get,
            $"{Route}?limit=1&cursor={first.Body.GetProperty("nextCursor").GetString()}"));
        _clock.Advance(TimeSpan.FromHours(2));
        Assert.NotEqual(0, await _host.Services.GetRequiredService<DeliveryCleaner>().CleanAsync(CancellationToken.None));
    }

    private async Task<Guid> FindAsync(string state, int attempts, string because)
    {
        var found = Guid.Empty;
        await Eventually.TrueAsync(async () =>
        {
            var list = await _host.CallAsync("olga", HttpMethod.Get, $"{Route}?status={state}&eventType=reservation.confirmed");
            foreach (var item in list.Body.GetProperty("items").EnumerateArray())
            {
                if (item.GetProperty("attempts").GetInt32() >= attempts
                    && (state == "Delivered" || item.GetProperty("reservationId").GetGuid() == _outcomes[0].ReservationId))
                    found = item.GetProperty("deliveryId").GetGuid();
            }
            return found != Guid.Empty;
        }, Limit, because);
        return found;
    }

    // A replica has leased a delivery and died. A redrive that meets leased deliveries looks up which ones it may change.
    private async Task LeaveALeaseAsync(DataPlatformDbContext database, Guid id)
    {
        var now = _clock.GetUtcNow();
        await database.Deliveries.Where(delivery => delivery.DeliveryId == id).ExecuteUpdateAsync(set => set
            .SetProperty(delivery => delivery.Status, DeliveryStatus.Pending)
            .SetProperty(delivery => delivery.LeaseId, Guid.CreateVersion7(now))
            .SetProperty(delivery => delivery.LeasedUntil, now.AddMinutes(1))
            .SetProperty(delivery => delivery.NextAttemptAt, now.AddMinutes(1)));
    }
}
