using ConcertSaga.DataPlatform.Operations;
using ConcertSaga.DataPlatform.Tests.Fixtures;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using Xunit;

namespace ConcertSaga.DataPlatform.Tests.Operations;

public sealed class DeliveryCleanerTests(PostgreSqlServer server)
{
    public static IEnumerable<object[]> Providers => TestDatabase.Providers;

    [Theory, MemberData(nameof(Providers))]
    public async Task Clean_AfterTheRetention_DeletesOnlyCompletedDeliveries(DatabaseProvider provider)
    {
        await using var relay = await RelayUnderTest.StartAsync(provider, server,
            settings: [("DataPlatform:Retention", "1.00:00:00"), ("DataPlatform:CleaningBatch", "2")]);
        var confirmed = await relay.ReceiveAsync(7);
        var dead = confirmed[0].ReservationId;
        var pending = confirmed[1].ReservationId;
        relay.Platform.Answer = (arrival, context) =>
        {
            context.Response.StatusCode = arrival.ReservationId == dead ? 400 : arrival is { Type: "reservation.cancelled" }
                && arrival.ReservationId == pending ? 500 : 200;
            return Task.CompletedTask;
        };
        await relay.SendDueAsync();
        await relay.ReceiveAsync(RelayUnderTest.Cancelled(confirmed[1]));
        await relay.SendDueAsync();

        relay.Clock.Advance(TimeSpan.FromDays(1));
        Assert.Equal(0, await CleanAsync());
        relay.Clock.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(5, await CleanAsync());

        // These remain: the dead delivery, the pair with a pending event, and no attempts without their delivery.
        var rows = await relay.RowsAsync();
        Assert.Equal(new[] { (dead, 1), (pending, 1), (pending, 2) }.Order(),
            rows.Select(row => (row.ReservationId, row.Sequence)).Order());
        Assert.Equal(rows.Select(row => row.DeliveryId).Order(),
            (await relay.AttemptsAsync()).Select(attempt => attempt.DeliveryId).Distinct().Order());

        Task<int> CleanAsync() => relay.WithAsync<DeliveryCleaner, int>(cleaner => cleaner.CleanAsync(CancellationToken.None));
    }
}
