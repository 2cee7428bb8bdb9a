using System.Collections.Concurrent;
using System.Data.Common;
using ConcertSaga.Shared.Persistence.Tests.Hosts;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Servers;
using MassTransit;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Xunit;

namespace ConcertSaga.Shared.Persistence.Tests.Sending;

/// <summary>Each loop of the outbox logs an outage in two lines.</summary>
public sealed class OutageReportTests(PostgreSqlServer server)
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    [Theory]
    [InlineData(Store.Sqlite)]
    [InlineData(Store.PostgreSql)]
    [InlineData(Store.PostgreSqlRetrying)]
    public async Task Database_Unavailable_IsLoggedAtBeginAndEnd(Store store)
    {
        await using var database = await TestDatabase.CreateAsync(store, server);
        var (log, outage) = (new LogRecorder(), new Outage());
        await using var host = await OutboxHost.StartAsync(database, log: log,
            configure: outbox => outbox.QueryDelay = TimeSpan.FromMilliseconds(5), intercept: outage);
        outage.IsOn = true;
        // A strategy that retries reports nothing before it gives up.
        await Eventually.TrueAsync(() => outage.Failures >= 12 && log.Outbox.Any(), Limit, "the loops retry");
        outage.IsOn = false;
        await Eventually.TrueAsync(() => log.Outbox.Any(line => line.Text.Contains("succeeds again", StringComparison.Ordinal)), Limit,
            "they succeed");
        Assert.Collection(log.Outbox,
            line => Assert.Equal((LogLevel.Warning, "Sweeping the outbox of TestDbContext fails and is retried until it succeeds: away"),
                (line.Level, line.Text)),
            line => Assert.Equal(LogLevel.Information, line.Level));
        Assert.All(log.Outbox, line => Assert.Null(line.Exception));
    }

    [Theory]
    [MemberData(nameof(Stores.Plain), MemberType = typeof(Stores))]
    public async Task Destination_ThatRejects_IsLoggedAtBeginAndEnd(Store store)
    {
        await using var database = await TestDatabase.CreateAsync(store, server);
        var (log, clock, refused, isRefusing) = (new LogRecorder(), new ShiftedClock(), 0, true);
        var script = new Script
        {
            BeforeSend = context =>
            {
                if (!Volatile.Read(ref isRefusing) || !NoteWritten.IsIn(context))
                    return Task.CompletedTask;
                Interlocked.Increment(ref refused);
                throw new TimeoutException("refused");
            }
        };
        await using var host = await OutboxHost.StartAsync(database, clock, script: script, log: log);
        Guid[] units = [.. Enumerable.Range(0, 5).Select(_ => Guid.CreateVersion7())];
        foreach (var id in units)
        {
            await using var scope = host.Services.CreateAsyncScope();
            await scope.ServiceProvider.GetRequiredService<IPublishEndpoint>()
                .Publish(new NoteWritten(id, 1), TestContext.Current.CancellationToken);
            await scope.ServiceProvider.GetRequiredService<TestDbContext>().SaveChangesAsync(TestContext.Current.CancellationToken);
        }
        for (var lease = 1; lease <= 3; lease++)
        {
            var expected = lease * units.Length;
            await Eventually.TrueAsync(() => Volatile.Read(ref refused) >= expected, Limit, "each is attempted");
            clock.Advance(TimeSpan.FromMinutes(1));
        }
        Volatile.Write(ref isRefusing, false);
        clock.Advance(TimeSpan.FromMinutes(1));
        await Eventually.TrueAsync(() => units.All(id => script.ArrivedFor(id).Count == 1), Limit, "all leave");
        await Eventually.TrueAsync(() => log.Outbox.Count(line => line.Text.StartsWith("Delivering", StringComparison.Ordinal)) == 2, Limit,
            "two lines are logged");
        Assert.Contains("succeeds again", log.Outbox.Last(line => line.Text.StartsWith("Delivering", StringComparison.Ordinal)).Text,
            StringComparison.Ordinal);
    }

    /// <summary>Makes every query fail while it is on.</summary>
    private sealed class Outage : DbCommandInterceptor
    {
        private volatile bool _isOn;
        private int _failures;

        public bool IsOn { get => _isOn; set => _isOn = value; }

        public int Failures => Volatile.Read(ref _failures);

        public override ValueTask<InterceptionResult<DbDataReader>> ReaderExecutingAsync(
            DbCommand command, CommandEventData eventData, InterceptionResult<DbDataReader> result,
                CancellationToken cancellationToken = default)
        {
            if (!IsOn)
                return ValueTask.FromResult(result);
            Interlocked.Increment(ref _failures);
            throw new TimeoutException("away");
        }
    }

    private sealed class LogRecorder : ILoggerProvider
    {
        private readonly ConcurrentQueue<(string Category, LogLevel Level, string Text, Exception? Exception)> _all = new();

        public IEnumerable<(string Category, LogLevel Level, string Text, Exception? Exception)> Outbox =>
            _all.Where(line => line.Category.StartsWith("MassTransit.EntityFrameworkCoreIntegration", StringComparison.Ordinal));

        public ILogger CreateLogger(string categoryName) => new Logger(this, categoryName);

        public void Dispose()
        {
        }

        private sealed class Logger(LogRecorder lines, string category) : ILogger
        {
            public IDisposable? BeginScope<TState>(TState state)
                where TState : notnull =>
                null;

            public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Information;

            public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception,
                Func<TState, Exception?, string> formatter) =>
                lines._all.Enqueue((category, logLevel, formatter(state, exception), exception));
        }
    }
}
