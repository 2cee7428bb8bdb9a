namespace ConcertSaga.Gateway.Tests.Hosts;

/// <summary>One gateway and one upstream for the tests of a class, which run one after the other.</summary>
public sealed class GatewayFixture : IAsyncLifetime
{
    public Upstream Upstream { get; private set; } = null!;

    public GatewayHost Gateway { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        Upstream = await Upstream.StartAsync();
        Gateway = await GatewayHost.StartAsync(Upstream.Address);
    }

    public async ValueTask DisposeAsync()
    {
        await Gateway.DisposeAsync();
        await Upstream.DisposeAsync();
    }
}
