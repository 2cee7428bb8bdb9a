using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using ConcertSaga.Contracts.Queue;
using ConcertSaga.Contracts.Reservations;
using ConcertSaga.Queue.Gateways;
using ConcertSaga.Queue.Rooms;
using ConcertSaga.Queue.Tests.Fixtures;
using ConcertSaga.Queue.Tokens;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing.Servers;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Xunit;
using static ConcertSaga.Queue.Tests.Fixtures.QueueUnderTest;

namespace ConcertSaga.Queue.Tests.Rooms;

/// <summary>Every protective state of the waiting rooms shows in health, metrics, the log and the operators' view.</summary>
public sealed class BookingWatchTests(PostgreSqlServer server)
{
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(15);

    public static TheoryData<string, BookingReported?, string> Reports => new()
    {
        { nameof(BookingState.NoReport), null, "The orchestrator has not reported for 5 s" },
        { nameof(BookingState.Closed), new BookingReported(false, 0, Now + Grace), "The orchestrator takes no reservations" },
        { nameof(BookingState.Backlog), new BookingReported(true, 1_001, Now + Grace),
            "1001 messages wait at the orchestrator; Queue:BacklogLimit is 1000" },
        { nameof(BookingState.ClockDiffers), new BookingReported(true, 0, Now), "The orchestrator's clock differs by 15 s" }
    };

    [Fact]
    public void Reports_OfEachState_AreListed() =>
        Assert.Equal(Enum.GetNames<BookingState>().Except([nameof(BookingState.Open)]).Order(),
            Reports.Select(row => row.Data.Item1).Order());

    [Theory, MemberData(nameof(Reports))]
    public async Task Suspension_OfEachKind_IsVisibleEverywhere(string state, BookingReported? report, string reason)
    {
        await using var queue = await StartAsync(DatabaseProvider.Sqlite, server);
        queue.Clock.Advance(Grace);
        if (report is not null)
            queue.Report(report);

        Assert.Equal(QueueAdmission.Suspended, (await queue.EnterAsync("mina")).Admission);
        var health = await HealthAsync(queue);
        Assert.Equal(HealthStatus.Degraded, health.Status);
        Assert.Contains(reason, health.Description, StringComparison.Ordinal);
        Assert.Contains(reason, await RoomReasonAsync(queue), StringComparison.Ordinal);
        Assert.Equal(1, Measure("queue.suspended", ("reason", state)));

        queue.Report(new BookingReported(true, 0, queue.Clock.GetUtcNow()));
        Assert.Equal((HealthStatus.Healthy, null), (await RecoveredAsync(queue), await RoomReasonAsync(queue)));
    }

    /// <summary>Each admission state has a reason, except <c>Open</c>.</summary>
    [Theory]
    [InlineData(QueueAdmission.Open, null)]
    [InlineData(QueueAdmission.NotOpenYet, "The sale has not begun.")]
    [InlineData(QueueAdmission.Paused, "An operator has paused the room.")]
    [InlineData(QueueAdmission.Suspended, "The orchestrator has not reported for 5 s. Check that it runs and that both reach the broker.")]
    [InlineData(QueueAdmission.Closed, "The sale is over.")]
    public async Task Admission_OfEachKind_HasItsReason(QueueAdmission admission, string? reason)
    {
        await using var queue = await StartAsync(DatabaseProvider.Sqlite, server);
        await queue.AddConcertAsync(1, admission == QueueAdmission.NotOpenYet ? TimeSpan.FromDays(1) : TimeSpan.FromDays(-2),
            admission == QueueAdmission.Closed ? TimeSpan.FromHours(-1) : TimeSpan.FromDays(2));
        if (admission != QueueAdmission.Suspended)
            queue.Report(new BookingReported(true, 0, queue.Clock.GetUtcNow()));
        if (admission == QueueAdmission.Paused)
            await queue.PauseAsync();

        Assert.Equal(5, Enum.GetValues<QueueAdmission>().Length);
        Assert.Equal((admission, reason), ((await queue.SnapshotAsync()).Concerts.Single().Admission, await RoomReasonAsync(queue)));
        await queue.WithAsync<RoomHeartbeat>(heartbeat => heartbeat.RunOnceAsync(CancellationToken.None));
        Assert.Equal(1, Measure("queue.admission", ("admission", $"{admission}"), ("concert", 1)));
    }

    /// <summary>A difference in either direction is reported, even if another replica has a correct clock.</summary>
    [Theory]
    [InlineData(12)]
    [InlineData(-12)]
    public async Task Clocks_ThatDifferTooMuch_AreReported(int seconds)
    {
        await using var queue = await StartAsync(DatabaseProvider.Sqlite, server);
        queue.Report(new BookingReported(true, 0, queue.Clock.GetUtcNow().AddSeconds(seconds)));
        queue.Report(new BookingReported(true, 0, queue.Clock.GetUtcNow()));

        var health = await HealthAsync(queue);

        Assert.Equal(HealthStatus.Degraded, health.Status);
        Assert.Contains("differs by 12 s", health.Description, StringComparison.Ordinal);
        Assert.Equal(QueueAdmission.Open, (await queue.SnapshotAsync()).Concerts.Single().Admission);
        queue.Clock.Advance(TimeSpan.FromSeconds(10));
        queue.Report(new BookingReported(true, 0, queue.Clock.GetUtcNow().AddSeconds(9)));
        Assert.Equal(HealthStatus.Healthy, (await HealthAsync(queue)).Status);
    }

    /// <summary>Setting the clock back does not make an old report recent.</summary>
    [Fact]
    public async Task Report_BeforeTheClockIsSetBack_ExpiresInTime()
    {
        await using var queue = await StartAsync(DatabaseProvider.Sqlite, server);
        queue.Clock.Shift(TimeSpan.FromHours(1));
        queue.Report(new BookingReported(true, 0, queue.Clock.GetUtcNow()));
        queue.Clock.Shift(TimeSpan.FromHours(-1));
        queue.Clock.Advance(TimeSpan.FromSeconds(6));

        Assert.Equal(QueueAdmission.Suspended, (await queue.SnapshotAsync()).Concerts.Single().Admission);
    }

    [Fact]
    public async Task Keys_ThatCannotBeRefreshed_AreReported()
    {
        await using var queue = await StartAsync(DatabaseProvider.Sqlite, server);
        queue.Report(new BookingReported(true, 0, queue.Clock.GetUtcNow()));
        await queue.ReadAsync(database => database.Database.ExecuteSqlRawAsync("ALTER TABLE \"QueueKeys\" RENAME TO \"Away\""));
        await Assert.ThrowsAnyAsync<Exception>(() => queue.WithAsync<KeyRing>(keys => keys.RefreshAsync(CancellationToken.None)));

        Assert.Contains("keys of queue tokens cannot be refreshed", (await HealthAsync(queue)).Description, StringComparison.Ordinal);
        await queue.ReadAsync(database => database.Database.ExecuteSqlRawAsync("ALTER TABLE \"Away\" RENAME TO \"QueueKeys\""));
        await queue.WithAsync<KeyRing>(keys => keys.RefreshAsync(CancellationToken.None));
        Assert.Equal(HealthStatus.Healthy, (await HealthAsync(queue)).Status);
    }

    [Fact]
    public void Log_OfASuspension_HasOneLineAtItsBeginningAndOneAtItsEnd()
    {
        var clock = new StoppedClock(Now);
        var log = new LogLines();
        var watch = new BookingWatch(Options.Create(new QueueOptions()), clock);
        using var heartbeat = new RoomHeartbeat(null!, null!, null!, watch, null!, clock, log);
        LogTimes(5);
        // During startup a missing report is normal.
        Assert.Empty(log.All);
        clock.Advance(Grace);
        LogTimes(5);
        watch.Record(new BookingReported(true, 0, clock.GetUtcNow()));
        LogTimes(5);
        for (var second = 0; second < 3; second++)
        {
            watch.Record(new BookingReported(true, 5_000, clock.GetUtcNow()));
            LogTimes(1);
        }
        watch.Record(new BookingReported(true, 0, clock.GetUtcNow()));
        LogTimes(1);

        Assert.Equal(["Warning 5007", "Information 5008", "Warning 5007", "Information 5008"],
            log.All.Select(line => line[..line.IndexOf(':', StringComparison.Ordinal)]));
        Assert.Contains("has not reported", log.All.First(), StringComparison.Ordinal);
        Assert.Contains("Queue:BacklogLimit", log.All.ElementAt(2), StringComparison.Ordinal);

        void LogTimes(int times)
        {
            for (var i = 0; i < times; i++)
                heartbeat.LogSuspension();
        }
    }

    private static async Task<HealthStatus> RecoveredAsync(QueueUnderTest queue)
    {
        // The difference expires later than the report.
        queue.Clock.Advance(TimeSpan.FromSeconds(10));
        queue.Report(new BookingReported(true, 0, queue.Clock.GetUtcNow()));
        return (await HealthAsync(queue)).Status;
    }

    private static async Task<HealthReportEntry> HealthAsync(QueueUnderTest queue)
    {
        HealthReport report = null!;
        await queue.WithAsync<HealthCheckService>(async service =>
            report = await service.CheckHealthAsync(check => check.Name == "waiting-rooms"));
        return report.Entries.Single().Value;
    }

    private static async Task<string?> RoomReasonAsync(QueueUnderTest queue)
    {
        using var answer = await queue.SendAsync(HttpMethod.Get, "/ops/api/waiting-rooms/1", "olga", roles: "ops");
        var room = await System.Net.Http.Json.HttpContentJsonExtensions.ReadFromJsonAsync<System.Text.Json.JsonElement>(answer.Content);
        return room.GetProperty("reason").GetString();
    }

    // Concurrent tests use the same meter name, so the maximum of all their values counts.
    private static double Measure(string name, params (string Key, object Value)[] tags)
    {
        var max = 0.0;
        using var listener = new MeterListener();
        listener.InstrumentPublished = (instrument, all) =>
        {
            if (instrument.Meter.Name == "ConcertSaga" && instrument.Name == name)
                all.EnableMeasurementEvents(instrument);
        };
        listener.SetMeasurementEventCallback<int>((_, value, found, _) =>
        {
            var all = found.ToArray().ToDictionary(tag => tag.Key, tag => tag.Value);
            if (tags.All(tag => Equals(all.GetValueOrDefault(tag.Key), tag.Value)))
                max = Math.Max(max, value);
        });
        listener.Start();
        listener.RecordObservableInstruments();
        return max;
    }

    private sealed class LogLines : ILogger<RoomHeartbeat>
    {
        public ConcurrentQueue<string> All { get; } = new();

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception,
            Func<TState, Exception?, string> formatter) =>
            All.Enqueue($"{logLevel} {eventId.Id}: {formatter(state, exception)}");
    }
}
