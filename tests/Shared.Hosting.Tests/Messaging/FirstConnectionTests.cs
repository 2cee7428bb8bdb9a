using ConcertSaga.Shared.Hosting.Messaging;
using MassTransit;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.Time.Testing;

namespace ConcertSaga.Shared.Hosting.Tests.Messaging;

public sealed class FirstConnectionTests : IAsyncDisposable
{
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(30);

    private readonly FakeTimeProvider _clock = new();
    private readonly ServiceProvider _services;
    private readonly IBusControl _bus;
    private readonly FirstConnection _check;

    public FirstConnectionTests()
    {
        _services = new ServiceCollection().AddLogging().AddMassTransit(bus => bus.UsingInMemory()).BuildServiceProvider();
        _bus = _services.GetRequiredService<IBusControl>();
        _check = new FirstConnection(_bus, Options.Create(new MessagingOptions { ConnectTimeout = Timeout }), _clock);
    }

    [Fact]
    public async Task Process_OnceConnected_StaysReadyWithoutTheBroker()
    {
        Assert.Equal(HealthStatus.Unhealthy, await StatusAsync());

        await _bus.StartAsync(TestContext.Current.CancellationToken);
        Assert.Equal(HealthStatus.Healthy, await StatusAsync());

        await _bus.StopAsync(TestContext.Current.CancellationToken);
        Assert.Equal(HealthStatus.Healthy, await StatusAsync());
    }

    [Fact]
    public async Task Process_WithoutABroker_IsReadyAfterTheTimeout()
    {
        _clock.Advance(Timeout - TimeSpan.FromTicks(1));
        Assert.Equal(HealthStatus.Unhealthy, await StatusAsync());

        _clock.Advance(TimeSpan.FromTicks(1));
        Assert.Equal(HealthStatus.Healthy, await StatusAsync());
    }

    public ValueTask DisposeAsync() => _services.DisposeAsync();

    private async Task<HealthStatus> StatusAsync() => (await _check.CheckHealthAsync(new HealthCheckContext())).Status;
}
