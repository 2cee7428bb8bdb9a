using System.Collections.Concurrent;
using ConcertSaga.Contracts.Points;
using ConcertSaga.Contracts.Seats;
using ConcertSaga.Shared.Hosting.Faults;
using ConcertSaga.Shared.Hosting.Messaging;
using ConcertSaga.Testing;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;

namespace ConcertSaga.Shared.Hosting.Tests.Faults;

/// <summary>The file of <c>Faults:File</c> is read at start and after each change, and checked like section <c>Faults</c>.</summary>
public sealed class FaultFileTests : IDisposable
{
    private const string RefusesHolds = """{ "HoldSeats": { "RejectRate": 1 } }""";

    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("concertsaga-fault-file-");
    private readonly FakeTimeProvider _clock = new();
    private readonly FaultLog _log = new();

    private string Path => System.IO.Path.Combine(_folder.FullName, "faults.json");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void Start_WithAFile_PrefersItsFaultsToTheSection()
    {
        File.WriteAllText(Path, RefusesHolds);

        using var host = Build(("Faults:HoldSeats:RejectRate", "0"), ("Faults:ConfirmSeats:RejectRate", "1"));

        var faults = Faults(host);
        Assert.Equal((true, true, false), (faults.Rejects<HoldSeats>(), faults.Rejects<ConfirmSeats>(), faults.Rejects<DeductPoints>()));
    }

    [Theory]
    [InlineData("""{ "HoldSeat": { "RejectRate": 1 } }""", "HoldSeat is not a setting; allowed: HoldSeats, ConfirmSeats, ")]
    [InlineData("""{ "Enabled": true }""", "Enabled is not a setting; allowed: HoldSeats, ")]
    [InlineData("""{ "HoldSeats": { "RefuseRate": 1 } }""", "HoldSeats:RefuseRate is not a setting; allowed: HoldSeats:RejectRate, ")]
    [InlineData("""{ "HoldSeats": { "RejectRate": 1.5 } }""", "HoldSeats:RejectRate is '1.5'; allowed: 0 to 1.")]
    [InlineData("""{ "HoldSeats": { "Delay": "soon" } }""", "HoldSeats:Delay is 'soon'; allowed: a time span such as 00:00:10.")]
    [InlineData("""{ "HoldSeats": 1 }""", "HoldSeats is '1'; allowed: settings below it, such as HoldSeats:DropRate=0.5.")]
    [InlineData("""{ "HoldSeats": { "RejectRate": 1 }""", "")]
    [InlineData("[]", "")]
    [InlineData("", "")]
    public void Start_WithABadFile_GivesTheReasonInOneLine(string text, string reason)
    {
        File.WriteAllText(Path, text);

        var refusal = Assert.Throws<StartupException>(() => Build());

        Assert.StartsWith($"Faults:File {Path}: {reason}", refusal.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', refusal.Message);
    }

    [Fact]
    public void Start_WithAFolderAsFile_GivesTheReasonInOneLine()
    {
        Directory.CreateDirectory(Path);

        Assert.StartsWith($"Faults:File {Path}: ", Assert.Throws<StartupException>(() => Build()).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Faults:Files", "1", "Faults:Files is not a setting; allowed: Faults:Enabled, Faults:File, Faults:HoldSeats, ")]
    [InlineData("Faults:HoldSeats", "1", "Faults:HoldSeats is '1'; allowed: settings below it")]
    public void Start_WithABadSection_GivesTheReasonInOneLine(string key, string value, string reason) =>
        Assert.StartsWith(reason, Assert.Throws<StartupException>(() => Build((key, value))).Message, StringComparison.Ordinal);

    [Fact]
    public async Task Start_NotEnabled_DoesNotReadTheFile()
    {
        File.WriteAllText(Path, "no JSON");

        using var host = Build(("Faults:Enabled", "false"));
        await host.StartAsync(TestContext.Current.CancellationToken);
        File.WriteAllText(Path, RefusesHolds);
        _clock.Advance(TimeSpan.FromMinutes(1));
        await host.StopAsync(TestContext.Current.CancellationToken);

        Assert.False(Faults(host).Rejects<HoldSeats>());
        Assert.Empty(_log.Lines);
    }

    [Fact]
    public async Task File_Changing_IsAppliedWithOneLineEachTime()
    {
        using var host = Build();
        await host.StartAsync(TestContext.Current.CancellationToken);
        Assert.False(Faults(host).Rejects<HoldSeats>());

        File.WriteAllText(Path, RefusesHolds);
        Assert.EndsWith("HoldSeats RejectRate=1 DropRate=0 Delay=00:00:00 DuplicateRate=0", await NextLineAsync(LogLevel.Warning),
            StringComparison.Ordinal);
        Assert.True(Faults(host).Rejects<HoldSeats>());

        // An invalid file changes nothing, and is reported once.
        File.WriteAllText(Path, """{ "HoldSeats": { "RejectRate": 2 } }""");
        Assert.Equal($"Faults:File {Path}: HoldSeats:RejectRate is '2'; allowed: 0 to 1. The faults are unchanged.",
            await NextLineAsync(LogLevel.Error));
        Assert.True(Faults(host).Rejects<HoldSeats>());

        // Kubernetes changes a ConfigMap in this way: the link leads to another folder.
        var other = _folder.CreateSubdirectory("other");
        File.WriteAllText(System.IO.Path.Combine(other.FullName, "faults.json"), """{ "DeductPoints": { "RejectRate": 1 } }""");
        File.Delete(Path);
        File.CreateSymbolicLink(Path, System.IO.Path.Combine(other.FullName, "faults.json"));
        await Eventually.TrueAsync(() => TrueOrAdvance(Faults(host).Rejects<DeductPoints>()), Limit, "the other file is read");
        Assert.False(Faults(host).Rejects<HoldSeats>());

        File.Delete(Path);
        await Eventually.TrueAsync(
            () => TrueOrAdvance(_log.Lines.Last().Text.EndsWith("the faults are now: none", StringComparison.Ordinal)),
            Limit, "no file is seen");
        Assert.False(Faults(host).Rejects<DeductPoints>());
        Assert.All(_log.Lines, line => Assert.DoesNotContain('\n', line.Text));
        await host.StopAsync(TestContext.Current.CancellationToken);
    }

    private async Task<string> NextLineAsync(LogLevel level)
    {
        var before = _log.Lines.Count;
        await Eventually.TrueAsync(() => TrueOrAdvance(_log.Lines.Count > before), Limit, "a line is written");
        // Ten more rounds write no further line.
        for (var round = 0; round < 10; round++)
            _clock.Advance(TimeSpan.FromSeconds(1));
        var line = Assert.Single(_log.Lines.Skip(before));
        Assert.Equal(level, line.Level);
        return line.Text;
    }

    private bool TrueOrAdvance(bool result)
    {
        if (!result)
            _clock.Advance(TimeSpan.FromSeconds(1));
        return result;
    }

    private static FaultInjection Faults(IHost host) => host.Services.GetRequiredService<FaultInjection>();

    private IHost Build(params (string Key, string Value)[] settings)
    {
        var builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["Messaging:Transport"] = "InMemory",
            ["Faults:Enabled"] = "true",
            ["Faults:File"] = Path
        });
        builder.Configuration.AddInMemoryCollection(settings.Select(setting => KeyValuePair.Create(setting.Key, (string?)setting.Value)));
        builder.Services.AddSingleton<TimeProvider>(_clock);
        builder.Logging.AddProvider(_log);
        builder.AddMessaging(_ => { });
        return builder.Build();
    }

    private sealed class FaultLog : ILoggerProvider, ILogger
    {
        public ConcurrentQueue<(LogLevel Level, string Text)> Lines { get; } = new();

        public ILogger CreateLogger(string categoryName) =>
            categoryName.StartsWith("ConcertSaga.Shared.Hosting.Faults", StringComparison.Ordinal) ? this
                : Microsoft.Extensions.Logging.Abstractions.NullLogger.Instance;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception,
            Func<TState, Exception?, string> formatter) =>
            Lines.Enqueue((logLevel, formatter(state, exception)));

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public void Dispose()
        {
        }
    }
}
