using ConcertSaga.DataPlatform.Dispatch;
using ConcertSaga.DataPlatform.Tests.Fixtures;
using ConcertSaga.Shared.Hosting;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing.Servers;
using Xunit;

namespace ConcertSaga.DataPlatform.Tests.Dispatch;

public sealed class SignerTests(PostgreSqlServer server)
{
    private const string Old = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", New = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

    [Fact]
    public async Task Signature_WithTwoSecrets_IsValidForBoth()
    {
        await using var relay = await RelayUnderTest.StartAsync(DatabaseProvider.Sqlite, server,
            settings: ("DataPlatform:Secrets", $"{New}, {Old}"));
        await relay.ReceiveAsync();
        await relay.SendDueAsync();

        var arrival = Assert.Single(relay.Platform.Arrivals);
        Assert.Matches("^v1,[A-Za-z0-9+/]{43}= v1,[A-Za-z0-9+/]{43}=$", arrival.Signature);
        Platform.AssertSigned(arrival, Old, relay.Clock.GetUtcNow());
        Platform.AssertSigned(arrival, New, relay.Clock.GetUtcNow());
        Assert.ThrowsAny<Xunit.Sdk.XunitException>(() => Platform.AssertSigned(arrival, RelayUnderTest.Secret, relay.Clock.GetUtcNow()));
        Assert.ThrowsAny<Xunit.Sdk.XunitException>(() =>
            Platform.AssertSigned(arrival with { Body = arrival.Body + " " }, Old, relay.Clock.GetUtcNow()));
    }

    [Theory]
    [InlineData("")]
    [InlineData("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")]
    [InlineData("whsec_")]
    [InlineData("whsec_c2hvcnQ=")]
    [InlineData("whsec_not base64 at all, not even nearly")]
    public void Secret_ThatIsInvalid_StopsTheStartAndIsNotRepeated(string secret)
    {
        var error = Assert.Throws<StartupException>(() => new Signer([New, secret]));
        Assert.StartsWith("DataPlatform:Secrets contains an invalid secret; allowed: whsec_", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("nearly", error.Message, StringComparison.Ordinal);
    }
}
