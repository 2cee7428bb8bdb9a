using ConcertSaga.Contracts.Reservations;
using ConcertSaga.DataPlatform.Intake;
using ConcertSaga.DataPlatform.Tests.Fixtures;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using Xunit;

namespace ConcertSaga.DataPlatform.Tests.Intake;

public sealed class PlatformEventTests(PostgreSqlServer server)
{
    public static IEnumerable<object[]> Providers => TestDatabase.Providers;

    [Theory, MemberData(nameof(Providers))]
    public async Task Body_OfEachEvent_DescribesTheReservation(DatabaseProvider provider)
    {
        await using var relay = await RelayUnderTest.StartAsync(provider, server);
        var confirmed = (await relay.ReceiveAsync())[0];
        relay.Clock.Advance(TimeSpan.FromMinutes(5));
        await relay.ReceiveAsync(RelayUnderTest.Cancelled(confirmed));
        await relay.SendDueAsync();

        var data = $$"""
            "reservationId":"{{confirmed.ReservationId}}","userId":"mina","concertId":1,"scheduleId":2,"seatNumbers":[7,8],
            "amount":200000,"confirmedAt":"2026-06-01T12:00:00+00:00"
            """.ReplaceLineEndings("");
        Assert.Equal(
            [
                """{"type":"reservation.confirmed","timestamp":"2026-06-01T12:00:00+00:00","data":{"schemaVersion":1,"sequence":1,"""
                    + data + "}}",
                """{"type":"reservation.cancelled","timestamp":"2026-06-01T12:05:00+00:00","data":{"schemaVersion":1,"sequence":2,"""
                    + data + ""","cancelledAt":"2026-06-01T12:05:00+00:00"}}"""
            ],
            relay.Platform.Arrivals.Select(arrival => arrival.Body));
        Assert.All(relay.Platform.Arrivals, arrival => Platform.AssertSigned(arrival, RelayUnderTest.Secret, relay.Clock.GetUtcNow()));
    }

    [Fact]
    public void Id_OfAnEvent_DerivesFromReservationAndType()
    {
        var reservationId = Guid.Parse("019c2f05-5a3e-7c41-9d0b-3f8e6a1b2c4d");
        var confirmed = new ReservationConfirmed(reservationId, "mina", 1, 2, [3], 4, null,
            RelayUnderTest.Now, 1);
        var both = PlatformEvent.Cancelled(RelayUnderTest.Cancelled(confirmed), 1, confirmed.ConfirmedAt, RelayUnderTest.Now);

        // The platform deduplicates by id, so later versions must produce the same ids.
        Assert.Equal(["019c2f05-5a3e", "019c2f05-5a3e"], both.Select(platformEvent => platformEvent.DeliveryId.ToString()[..13]));
        Assert.Equal(PlatformEvent.Confirmed(confirmed).DeliveryId, both[0].DeliveryId);
        Assert.NotEqual(both[0].DeliveryId, both[1].DeliveryId);
        Assert.Equal(PlatformEvent.Confirmed(confirmed).Body, both[0].Body);
        Assert.All(both, platformEvent => Assert.Equal(8, platformEvent.DeliveryId.Version));
    }
}
