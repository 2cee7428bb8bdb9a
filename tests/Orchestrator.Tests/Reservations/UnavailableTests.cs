using ConcertSaga.Orchestrator.Tests.Hosts;
using MassTransit.EntityFrameworkCoreIntegration;

namespace ConcertSaga.Orchestrator.Tests.Reservations;

/// <summary>While what is decided cannot leave, bookings are refused with 503 and everything else goes on.</summary>
public sealed class UnavailableTests
{
    [Fact]
    public async Task Bookings_WhileTheBusIsAway_Are503AndReadsWork()
    {
        await using var host = new OrchestratorHost();
        await host.InitializeAsync();
        var user = host.User();
        var key = Guid.CreateVersion7();
        var id = (await user.ReserveAsync(key: key)).Is(201).ReservationId;
        await host.Bus.StopAsync();

        (await host.User().ReserveAsync()).Is(503, "UNAVAILABLE");
        (await user.PayAsync(id)).Is(503, "UNAVAILABLE");
        (await user.CancelAsync(id)).Is(503, "UNAVAILABLE");
        Assert.True((await user.ReserveAsync(key: key)).Is(201).IsReplay);
        (await user.GetAsync(id)).Is(200).Has("AwaitingPayment");
        (await user.GetAsync("/api/reservations")).Is(200);

        await host.Bus.StartAsync();
        (await user.PayAsync(id)).Is(200).Has("Confirmed");
    }

    [Fact]
    public async Task Bookings_WhileTheOutboxIsTenSecondsOld_Are503AndReadsWork()
    {
        await using var host = new OrchestratorHost();
        await host.InitializeAsync();
        var user = host.User();
        var id = await user.ReservedAsync();
        var stuck = await host.DatabaseAsync(async database =>
        {
            var state = new OutboxState { OutboxId = Guid.CreateVersion7(), LockId = Guid.CreateVersion7(host.Clock.GetUtcNow().AddHours(1)), Created = host.Clock.GetUtcNow().UtcDateTime };
            var message = new OutboxMessage
            {
                OutboxId = state.OutboxId,
                MessageId = Guid.CreateVersion7(),
                SentTime = state.Created,
                ContentType = "application/json",
                MessageType = "",
                Body = ""
            };
            database.AddRange(state, message);
            await database.SaveChangesAsync();
            return message;
        });
        Assert.True(host.Watch.IsOpen);
        await host.PassAsync(() => Task.FromResult(!host.Watch.IsOpen), "the watch closes");
        Assert.True(host.Clock.GetUtcNow() - stuck.SentTime >= TimeSpan.FromSeconds(10));

        (await host.User().ReserveAsync()).Is(503, "UNAVAILABLE");
        (await user.PayAsync(id)).Is(503, "UNAVAILABLE");
        (await user.CancelAsync(id)).Is(503, "UNAVAILABLE");
        (await user.GetAsync(id)).Is(200).Has("AwaitingPayment");

        await host.DatabaseAsync(async database =>
        {
            database.Remove(stuck);
            database.Remove(await database.Set<OutboxState>().FindAsync(stuck.OutboxId) ?? throw new InvalidOperationException());
            return await database.SaveChangesAsync();
        });
        await host.PassAsync(() => Task.FromResult(host.Watch.IsOpen), "the watch opens");
        (await user.PayAsync(id)).Is(200).Has("Confirmed");
    }
}
