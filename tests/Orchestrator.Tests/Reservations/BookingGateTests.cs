using ConcertSaga.Orchestrator.Tests.Hosts;
#if !OFFICIAL_PERSISTENCE
using MassTransit.EntityFrameworkCoreIntegration;
#endif

namespace ConcertSaga.Orchestrator.Tests.Reservations;

/// <summary>While committed messages cannot leave, booking answers 503 and everything else goes on.</summary>
public sealed class BookingGateTests
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

#if !OFFICIAL_PERSISTENCE
    [Fact]
    public async Task Bookings_WhileTheOutboxIsTenSecondsOld_Are503AndReadsWork()
    {
        await using var host = new OrchestratorHost();
        await host.InitializeAsync();
        var user = host.User();
        var id = await user.HoldAsync();
        var stuck = await host.DatabaseAsync(async database =>
        {
            var state = new OutboxState
            {
                OutboxId = Guid.CreateVersion7(),
                LockId = Guid.CreateVersion7(host.Clock.GetUtcNow().AddHours(1)),
                Created = host.Clock.GetUtcNow().UtcDateTime
            };
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
        Assert.True(host.Gate.IsOpen);
        await host.AdvanceUntilAsync(() => Task.FromResult(!host.Gate.IsOpen), "the gate closes");
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
        await host.AdvanceUntilAsync(() => Task.FromResult(host.Gate.IsOpen), "the gate opens");
        (await user.PayAsync(id)).Is(200).Has("Confirmed");
    }
#endif
}
