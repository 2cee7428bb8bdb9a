using System.Reflection;
using System.Threading.Channels;
using ConcertSaga.Queue.Gateways;
using MassTransit;
using Microsoft.Extensions.Hosting.Internal;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace ConcertSaga.Queue.Tests.Gateways;

/// <summary>A stopped bus refuses messages. That is an outage while the process serves, and normal while it stops.</summary>
public sealed class GatewayAnnouncerTests
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    private readonly ApplicationLifetime _lifetime = new(NullLogger<ApplicationLifetime>.Instance);
    private readonly LogLines _log = new();

    [Fact]
    public async Task Announce_BusStopsBeforeTheService_IsNotLogged()
    {
        var (announcer, bus) = Create(_ => Task.FromException(new ChannelClosedException()));
        await announcer.StartAsync(CancellationToken.None);

        _lifetime.StopApplication();
        announcer.Announce("message");
        await bus.Published.WaitAsync(Limit, TestContext.Current.CancellationToken);
        await announcer.StopAsync(CancellationToken.None);

        Assert.True(announcer.ExecuteTask!.IsCompletedSuccessfully);
        Assert.Equal(0, _log.Count);
    }

    [Fact]
    public async Task Announce_BusStopsDuringAPublication_DoesNotFailTheService()
    {
        var (announcer, bus) = Create(async stopping =>
        {
            await Task.Delay(Timeout.Infinite, stopping).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            throw new ChannelClosedException();
        });
        await announcer.StartAsync(CancellationToken.None);

        announcer.Announce("message");
        await bus.Published.WaitAsync(Limit, TestContext.Current.CancellationToken);
        await announcer.StopAsync(CancellationToken.None);

        Assert.True(announcer.ExecuteTask!.IsCompletedSuccessfully, $"{announcer.ExecuteTask.Exception}");
        Assert.Equal(0, _log.Count);
    }

    [Fact]
    public async Task Announce_BusFailsWhileTheProcessServes_IsLoggedOnce()
    {
        var (announcer, bus) = Create(_ => Task.FromException(new ChannelClosedException()));
        await announcer.StartAsync(CancellationToken.None);

        for (var i = 0; i < 3; i++)
        {
            announcer.Announce("message");
            await bus.Published.WaitAsync(Limit, TestContext.Current.CancellationToken);
        }
        await announcer.StopAsync(CancellationToken.None);

        Assert.Equal(1, _log.Count);
    }

    private (GatewayAnnouncer Announcer, FailingBus Bus) Create(Func<CancellationToken, Task> publish)
    {
        var bus = DispatchProxy.Create<IBus, FailingBus>();
        ((FailingBus)bus).Publish = publish;
        return (new GatewayAnnouncer(bus, _lifetime, TimeProvider.System, _log), (FailingBus)bus);
    }

    // The proxy of a test derives from it.
#pragma warning disable CA1852
    internal class FailingBus : DispatchProxy
#pragma warning restore CA1852
    {
        public Func<CancellationToken, Task> Publish { get; set; } = _ => Task.CompletedTask;

        public SemaphoreSlim Published { get; } = new(0);

        protected override object Invoke(MethodInfo? targetMethod, object?[]? args)
        {
            Published.Release();
            return Publish(args!.OfType<CancellationToken>().Single());
        }
    }

    private sealed class LogLines : ILogger<GatewayAnnouncer>
    {
        private int _count;

        public int Count => _count;

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception,
            Func<TState, Exception?, string> formatter) => Interlocked.Increment(ref _count);
    }
}
