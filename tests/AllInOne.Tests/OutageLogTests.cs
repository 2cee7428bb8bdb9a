using System.Collections.Concurrent;
using System.Text.RegularExpressions;
using ConcertSaga.DevReceiver;
using ConcertSaga.Gateway.Queue;
using ConcertSaga.Gateway.Seats;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Servers;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Logging;

namespace ConcertSaga.AllInOne.Tests;

/// <summary>Stops the database of all services. Each background task logs the outage once and its end once.</summary>
public sealed partial class OutageLogTests
{
    private static readonly string[] Owners = ["Orchestrator", "Queue", "Seats", "Points", "Payments", "DataPlatform", "Operations"];

    [Fact]
    public async Task Tasks_DuringAnOutageOfTheirDatabase_LogItsStartAndEndOnce()
    {
        await using var server = new PostgreSqlServer();
        var connections = new List<string>();
        foreach (var owner in Owners)
            connections.Add($"--ConnectionStrings:{owner}={await server.CreateDatabaseAsync(owner)};Maximum Pool Size=20");
        await using var receiver = await Receiver.StartAsync(new ReceiverOptions { Secrets = [WebhookSecret.Create()] });
        var log = new CapturedLog();
        var builder = EmbeddedSystem.CreateServicesBuilder(
            [
                "--Database:Provider=PostgreSql", .. connections, "--Points:CleaningInterval=00:00:01", "--Queue:CleaningInterval=00:00:01",
                    "--Queue:ConcertsInterval=00:00:01",
                "--DataPlatform:CleaningInterval=00:00:01", "--DataPlatform:ReconciliationInterval=00:00:01",
                    "--Operations:CleaningInterval=00:00:01",
                    "--Queue:SeatsAddress=http://127.0.0.1:1",
                "--DataPlatform:OrchestratorAddress=http://127.0.0.1:1"
            ],
            Path.GetTempPath(), new string('-', 32), new RoomDirectory(TimeProvider.System), new SeatChangeFeed(),
                DefaultDestination.SettingsOf(receiver));
        builder.Logging.ClearProviders().AddProvider(log);
        await using var app = builder.Build();
        await app.Services.MigrateAsync(TestContext.Current.CancellationToken);
        await app.StartAsync(TestContext.Current.CancellationToken);
        var health = app.Services.GetRequiredService<HealthCheckService>();
        await Eventually.TrueAsync(async () => (await health.CheckHealthAsync()).Status == HealthStatus.Healthy, TimeSpan.FromSeconds(60),
            "the services are healthy");

        log.Lines.Clear();
        await server.StopAsync();
        await Task.Delay(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken);
        await server.StartAsync();
        await Eventually.TrueAsync(async () => (await health.CheckHealthAsync()).Status == HealthStatus.Healthy, TimeSpan.FromSeconds(60),
            "the services are healthy again");
        var lines = log.Lines.ToArray();
        await app.StopAsync(TestContext.Current.CancellationToken);

        // Failures of the two unreachable addresses are not part of the outage.
        var ours = lines.Where(line => line.Level >= LogLevel.Information && !line.Text.Contains("127.0.0.1:1)", StringComparison.Ordinal))
            .ToArray();
        Assert.NotEmpty(ours);
        var repeated = ours.GroupBy(line => $"{line.Category}: {Reason().Replace(line.Text, "")}").Where(group => group.Count() > 1)
            .Select(group => $"{group.Count()} × {group.Key}");
        var withStack = ours.Where(line => line.HasStack).Select(line => $"stack: {line.Category}: {line.Text}");
        var wrong = repeated.Concat(withStack.Distinct()).ToArray();
        Assert.True(wrong.Length == 0, string.Join('\n', wrong));
    }

    [GeneratedRegex(@"(?<=: ).*$|\d+")]
    private static partial Regex Reason();

    private sealed class CapturedLog : ILoggerProvider
    {
        public ConcurrentQueue<(string Category, LogLevel Level, string Text, bool HasStack)> Lines { get; } = new();

        public ILogger CreateLogger(string categoryName) => new Logger(this, categoryName);

        public void Dispose()
        {
        }

        private sealed class Logger(CapturedLog log, string category) : ILogger
        {
            public IDisposable? BeginScope<TState>(TState state)
                where TState : notnull => null;

            public bool IsEnabled(LogLevel logLevel) => true;

            public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception,
                Func<TState, Exception?, string> formatter) =>
                log.Lines.Enqueue((category, logLevel, formatter(state, exception).ReplaceLineEndings(" "), exception is not null));
        }
    }
}
