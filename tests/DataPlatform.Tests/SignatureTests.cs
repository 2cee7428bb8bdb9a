using ConcertSaga.DataPlatform.Domain;
using ConcertSaga.Shared.Hosting;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing.Servers;
using Xunit;

namespace ConcertSaga.DataPlatform.Tests;

public sealed class SignatureTests(PostgreSqlServer server)
{
    private const string Old = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", New = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

    [Fact]
    public async Task Signature_WithTwoSecrets_IsGoodForBoth()
    {
        await using var relay = await RelayUnderTest.StartAsync(DatabaseProvider.Sqlite, server, settings: ("DataPlatform:Secrets", $"{New}, {Old}"));
        await relay.HearAsync();
        await relay.PumpAsync();

        var arrival = Assert.Single(relay.Platform.Arrivals);
        Assert.Matches("^v1,[A-Za-z0-9+/]{43}= v1,[A-Za-z0-9+/]{43}=$", arrival.Signature);
        Platform.IsSigned(arrival, Old, relay.Clock.GetUtcNow());
        Platform.IsSigned(arrival, New, relay.Clock.GetUtcNow());
        Assert.ThrowsAny<Xunit.Sdk.XunitException>(() => Platform.IsSigned(arrival, RelayUnderTest.Secret, relay.Clock.GetUtcNow()));
        Assert.ThrowsAny<Xunit.Sdk.XunitException>(() => Platform.IsSigned(arrival with { Body = arrival.Body + " " }, Old, relay.Clock.GetUtcNow()));
    }

    [Theory]
    [InlineData("")]
    [InlineData("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")]
    [InlineData("whsec_")]
    [InlineData("whsec_c2hvcnQ=")]
    [InlineData("whsec_not base64 at all, not even nearly")]
    public void Secret_OfAnotherForm_StopsTheStartAndIsNotRepeated(string secret)
    {
        var error = Assert.Throws<StartupException>(() => new Signer([New, secret]));
        Assert.StartsWith("DataPlatform:Secrets is not fit; allowed: whsec_", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("nearly", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Network_OfAnotherForm_StopsTheStart() =>
        Assert.Contains("DataPlatform:AllowedNetworks is '10.0.0.1/40'", Assert.Throws<StartupException>(() => new AddressPolicy(["10.0.0.1/40"])).Message, StringComparison.Ordinal);

    [Fact]
    public void Id_OfAnEvent_FollowsFromTheReservationAndTheEvent()
    {
        var reservationId = Guid.Parse("019c2f05-5a3e-7c41-9d0b-3f8e6a1b2c4d");
        var confirmed = new ConcertSaga.Contracts.Reservations.ReservationConfirmed(reservationId, "mina", 1, 2, [3], 4, null, RelayUnderTest.Now, 1);
        var both = PlatformEvent.Cancelled(RelayUnderTest.Cancelled(confirmed), 1, confirmed.ConfirmedAt, RelayUnderTest.Now);

        // What was given out once must be given out again by every later version: the platform knows it.
        Assert.Equal(["019c2f05-5a3e", "019c2f05-5a3e"], both.Select(one => one.DeliveryId.ToString()[..13]));
        Assert.Equal(PlatformEvent.Confirmed(confirmed).DeliveryId, both[0].DeliveryId);
        Assert.NotEqual(both[0].DeliveryId, both[1].DeliveryId);
        Assert.Equal(PlatformEvent.Confirmed(confirmed).Body, both[0].Body);
        Assert.All(both, one => Assert.Equal(8, one.DeliveryId.Version));
    }
}
