using ConcertSaga.Gateway.Tests.Hosts;

namespace ConcertSaga.Gateway.Tests.Proxy;

/// <summary>A number or UUID in a path has one form; an address with another form does not exist.</summary>
public sealed class CanonicalPathTests : IClassFixture<GatewayFixture>
{
    private readonly GatewayHost _gateway;
    private readonly UpstreamStub _upstream;

    public CanonicalPathTests(GatewayFixture fixture)
    {
        _gateway = fixture.Gateway;
        _upstream = fixture.Upstream;
        _upstream.Reset();
    }

    [Theory]
    [InlineData("+1")]
    [InlineData("%2B1")]
    [InlineData("%201")]
    [InlineData("1%20")]
    [InlineData("%091")]
    [InlineData("01")]
    [InlineData("-0")]
    [InlineData("0199c2f05a3e7c419d0b3f8e6a1b2c4d")]
    [InlineData("+199c2f0-5a3e-7c41-9d0b-3f8e6a1b2c4d")]
    [InlineData("%200199c2f0-5a3e-7c41-9d0b-3f8e6a1b2c4d")]
    public async Task Path_InAnotherForm_Is404AndForwardsNothing(string value)
    {
        foreach (var (method, path) in new[]
        {
            ("GET", $"/api/concerts/{value}/schedules"), ("GET", $"/api/schedules/{value}/seats"),
            ("GET", $"/api/schedules/{value}/seats/events"), ("GET", $"/api/reservations/{value}"),
            ("DELETE", $"/api/reservations/{value}"), ("POST", $"/api/reservations/{value}/payment")
        })
        {
            using var response = await _gateway.SendAsync(method, path, Tokens.For("mina"));

            await Problem.IsAsync(response, 404, "NOT_FOUND");
            Assert.Empty(_upstream.Requests);
        }
    }
}
