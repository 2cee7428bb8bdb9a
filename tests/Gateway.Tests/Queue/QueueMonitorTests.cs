using System.Diagnostics.Metrics;
using ConcertSaga.Contracts.Queue;
using ConcertSaga.Gateway.Queue;
using ConcertSaga.Gateway.Tests.Hosts;
using ConcertSaga.Shared.Hosting.Messaging;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.Time.Testing;

namespace ConcertSaga.Gateway.Tests.Queue;

/// <summary>Checks that health, metrics and the log report when the gateway refuses customers.</summary>
public sealed class QueueMonitorTests : IDisposable
{
    private readonly FakeTimeProvider _time = new(TimeProvider.System.GetUtcNow());
    private readonly LogRecorder _log = new();
    private readonly RoomDirectory _rooms;
    private readonly QueueMonitor _monitor;

    public QueueMonitorTests()
    {
        _rooms = new RoomDirectory(_time);
        _monitor = new QueueMonitor(_rooms, _time, new LoggerFactory([_log]).CreateLogger<QueueMonitor>());
    }

    [Fact]
    public async Task State_TooOld_IsLoggedAtItsBeginningAndItsEnd()
    {
        Read();
        await SecondsAsync(4);
        Assert.Equal((HealthStatus.Healthy, 0), (await HealthAsync(), Gauge("concertsaga.gateway.passes_unjudged")));

        await SecondsAsync(20);
        Assert.Equal((HealthStatus.Degraded, 1), (await HealthAsync(), Gauge("concertsaga.gateway.passes_unjudged")));
        Assert.Contains("the last news from Queue is older than 5 s", await ReasonAsync(), StringComparison.Ordinal);

        Read();
        await SecondsAsync(3);
        Assert.Equal((HealthStatus.Healthy, 0), (await HealthAsync(), Gauge("concertsaga.gateway.passes_unjudged")));
        Assert.Equal([LogLevel.Warning, LogLevel.Information], _log.All.Select(line => line.Level));
    }

    [Fact]
    public async Task Message_Missing_NamesTheConcert()
    {
        Read();
        await SecondsAsync(1);
        for (var second = 0; second < 8; second++)
        {
            _rooms.Apply(QueueTokens.Room(sequence: 2, at: _time.GetUtcNow()));
            _rooms.Apply(QueueTokens.Room(7, 5, at: _time.GetUtcNow()));
            await SecondsAsync(1);
        }

        Assert.Contains("cannot check passes of concert 7", await ReasonAsync(), StringComparison.Ordinal);
        Assert.Single(_log.All);
    }

    [Fact]
    public async Task Start_WithoutASnapshot_IsLoggedAfterFiveSeconds()
    {
        await SecondsAsync(4);
        Assert.Empty(_log.All);
        Assert.Equal(HealthStatus.Degraded, await HealthAsync());

        await SecondsAsync(4);
        Assert.Contains("not read a snapshot", Assert.Single(_log.Warnings).Text, StringComparison.Ordinal);
    }

    /// <summary>Otherwise a rollout would replace a gateway that can check passes by one that cannot yet.</summary>
    [Fact]
    public async Task Gateway_BeforeItsFirstSnapshot_IsNotReadyForAWhile()
    {
        QueueHealthCheck check = CheckOf(TimeSpan.FromSeconds(30)), late = CheckOf(TimeSpan.FromSeconds(30));
        await SecondsAsync(29);
        Assert.Equal(HealthStatus.Unhealthy, (await check.CheckHealthAsync(new HealthCheckContext())).Status);

        Read();
        Assert.Equal(HealthStatus.Healthy, (await check.CheckHealthAsync(new HealthCheckContext())).Status);
        await SecondsAsync(20);
        Assert.Equal(HealthStatus.Degraded, (await check.CheckHealthAsync(new HealthCheckContext())).Status);
        Assert.Equal(HealthStatus.Degraded, (await late.CheckHealthAsync(new HealthCheckContext())).Status);
    }

    [Fact]
    public async Task Room_Suspended_IsDegradedWithTheReason()
    {
        Read();
        _rooms.Apply(QueueTokens.Room(sequence: 3, at: _time.GetUtcNow()) with { Admission = QueueAdmission.Suspended });

        Assert.Equal((HealthStatus.Degraded, 1), (await HealthAsync(), Gauge("concertsaga.gateway.rooms_suspended")));
        Assert.Contains("Queue has suspended admission to concert 1", await ReasonAsync(), StringComparison.Ordinal);

        _rooms.Apply(QueueTokens.Room(sequence: 4, at: _time.GetUtcNow()));
        Assert.Equal((HealthStatus.Healthy, 0), (await HealthAsync(), Gauge("concertsaga.gateway.rooms_suspended")));
    }

    public void Dispose()
    {
        _monitor.Dispose();
        _log.Dispose();
    }

    private void Read() => _rooms.Apply(QueueTokens.Snapshot(_time.GetUtcNow()), _time.GetTimestamp());

    private async Task SecondsAsync(int seconds)
    {
        for (var second = 0; second < seconds; second++)
        {
            _time.Advance(TimeSpan.FromSeconds(1));
            await _monitor.RunOnceAsync(CancellationToken.None);
        }
    }

    private async Task<HealthStatus> HealthAsync() =>
        (await CheckOf(TimeSpan.Zero).CheckHealthAsync(new HealthCheckContext())).Status;

    private async Task<string> ReasonAsync() =>
        (await CheckOf(TimeSpan.Zero).CheckHealthAsync(new HealthCheckContext())).Description ?? "";

    private QueueHealthCheck CheckOf(TimeSpan connectTimeout) =>
        new(_monitor, Options.Create(new MessagingOptions { ConnectTimeout = connectTimeout }), _time);

    // The gateways of other tests have gauges of the same name.
    private int Gauge(string name)
    {
        var value = -1;
        using var listener = new MeterListener
        {
            InstrumentPublished = (instrument, self) =>
            {
                if (instrument.Name == name && _monitor.Owns(instrument.Meter))
                    self.EnableMeasurementEvents(instrument);
            }
        };
        listener.SetMeasurementEventCallback<int>((_, measured, _, _) => value = measured);
        listener.Start();
        listener.RecordObservableInstruments();
        return value;
    }
}
