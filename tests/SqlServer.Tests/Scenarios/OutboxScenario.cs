#if !OFFICIAL_PERSISTENCE
using ConcertSaga.Contracts;
using ConcertSaga.Contracts.Reservations;
using ConcertSaga.Orchestrator.Reservations;
using ConcertSaga.SqlServer.Tests.Emulation;
using ConcertSaga.Testing;
using MassTransit;
using MassTransit.EntityFrameworkCoreIntegration;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace ConcertSaga.SqlServer.Tests.Scenarios;

/// <summary>Leaves outbox messages behind, as a dead process does, and waits until the product has delivered and deleted them.</summary>
internal sealed class OutboxScenario(ProductHost host, ShiftedClock clock)
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    // Dead processes left undelivered messages with stale leases, and a reservation that has to expire.
    public async Task RecoverAsync()
    {
        var (status, body) = await host.CallAsync("quinn", HttpMethod.Post, "/api/reservations",
            new { scheduleId = 4, seatNumbers = new[] { 1 } }, Guid.CreateVersion7());
        Assert.Equal(201, status);
        var id = body.GetProperty("reservationId").GetGuid();
        await using var scope = host.Services.CreateAsyncScope();
        var database = scope.ServiceProvider.GetRequiredService<OrchestratorDbContext>();
        // The times come from a clock that was ahead.
        var ahead = clock.GetUtcNow().UtcDateTime + TimeSpan.FromDays(1);
        var (outbox, message) = await AddMessagesAsync(database, 3, ahead);
        await Eventually.TrueAsync(async () => !await database.Set<OutboxState>().AnyAsync(row => row.Delivered == null)
            && !await database.Set<InboxState>().AnyAsync(row => row.Delivered == null), Limit, "every message is delivered");

        await database.Set<OutboxState>().ExecuteUpdateAsync(set => set.SetProperty(row => row.Delivered, ahead));
        await database.Set<InboxState>().ExecuteUpdateAsync(set => set.SetProperty(row => row.Received, ahead)
            .SetProperty(row => row.Delivered, ahead));
        var soon = ahead - TimeSpan.FromHours(12);
        await Eventually.TrueAsync(async () => !await database.Set<OutboxState>().AnyAsync(row => row.Delivered > soon)
            && !await database.Set<InboxState>().AnyAsync(row => row.Received > soon || row.Delivered > soon), Limit,
                "the repair has reset the times");

        // An hour later the hold has ended, and the cleaner has deleted the delivered rows.
        clock.Advance(TimeSpan.FromHours(1));
        await Eventually.TrueAsync(async () =>
            (await host.CallAsync("quinn", HttpMethod.Get, $"/api/reservations/{id}")).Body.GetProperty("status").GetString() == "Expired",
            Limit, "the hold ends");
        await Eventually.TrueAsync(async () => !await database.Set<InboxState>().AnyAsync(row => row.MessageId == message)
            && !await database.Set<OutboxState>().AnyAsync(row => row.OutboxId == outbox), Limit, "the rows are deleted");

        // A duplicate arrives while the outbox messages of its original are still being delivered.
        var messageId = Guid.CreateVersion7(clock.GetUtcNow());
        var saga = await host.Services.GetRequiredService<IBus>().GetSendEndpoint(CommandQueues.AddressOf(CommandQueues.Reservations));
        await saga.Send(new ReservationDeadlineReached(id), context => context.MessageId = messageId);
        var row = database.Set<InboxState>().Where(row => row.MessageId == messageId);
        await Eventually.TrueAsync(() => row.AnyAsync(), Limit, "the message is consumed");
        var now = clock.GetUtcNow();
        await row.ExecuteUpdateAsync(set => set.SetProperty(state => state.Delivered, (DateTime?)null)
            .SetProperty(state => state.LockId, Guid.CreateVersion7(now)));
        await saga.Send(new ReservationDeadlineReached(id), context => context.MessageId = messageId);
        await Eventually.TrueAsync(() => row.AnyAsync(state => state.ReceiveCount > 1), Limit, "the duplicate is counted");
    }

    // There are more messages than a statement has parameters, and more outboxes than one cleaning round deletes.
    public async Task RecoverManyAsync(int outboxes, int messages)
    {
        await using var scope = host.Services.CreateAsyncScope();
        var database = scope.ServiceProvider.GetRequiredService<OrchestratorDbContext>();
        for (var i = 0; i < outboxes; i++)
            await AddMessagesAsync(database, messages);
        await Eventually.TrueAsync(async () => !await database.Set<OutboxState>().AnyAsync(row => row.Delivered == null)
            && !await database.Set<InboxState>().AnyAsync(row => row.Delivered == null), Limit, "every message is delivered");
        clock.Advance(TimeSpan.FromHours(1));
        await Eventually.TrueAsync(async () => !await database.Set<OutboxMessage>().AnyAsync(), Limit, "the rows are deleted");
    }

    private async Task<(Guid Outbox, Guid Message)> AddMessagesAsync(OrchestratorDbContext database, int messages, DateTime? sent = null)
    {
        var old = clock.GetUtcNow() - TimeSpan.FromMinutes(1);
        var (outbox, message) = (Guid.CreateVersion7(old), Guid.CreateVersion7(old));
        database.Add(new OutboxState { OutboxId = outbox, LockId = outbox, Created = old.UtcDateTime });
        database.Add(new InboxState
        {
            MessageId = message,
            ConsumerId = message,
            LockId = message,
            Received = old.UtcDateTime,
            Consumed = old.UtcDateTime
        });
        database.AddRange(Enumerable.Range(0, 2 * messages).Select(number => new OutboxMessage
        {
            MessageId = Guid.CreateVersion7(old),
            OutboxId = number < messages ? outbox : null,
            InboxMessageId = number < messages ? null : message,
            InboxConsumerId = number < messages ? null : message,
            SentTime = sent ?? old.UtcDateTime,
            ContentType = "application/vnd.masstransit+json",
            MessageType = "urn:message:ConcertSaga.Contracts.Reservations:ReservationsChanged",
            Body = "{}",
            DestinationAddress = new Uri("loopback://localhost/no-consumer")
        }));
        await database.SaveChangesAsync();
        database.ChangeTracker.Clear();
        return (outbox, message);
    }
}
#endif
