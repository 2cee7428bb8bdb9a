namespace ConcertSaga.Gateway.Tests.Hosts;

/// <summary>Shares a gateway and an upstream among the tests of a class, which run in sequence.</summary>
public sealed class GatewayFixture : IAsyncLifetime
{
    public UpstreamStub Upstream { get; private set; } = null!;

    public GatewayHost Gateway { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        Upstream = await UpstreamStub.StartAsync();
        Gateway = await GatewayHost.StartAsync(Upstream.Address);
    }

    public async ValueTask DisposeAsync()
    {
        await Gateway.DisposeAsync();
        await Upstream.DisposeAsync();
    }
}
