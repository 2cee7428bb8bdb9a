using System.Globalization;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace ConcertSaga.Shared.Hosting.Faults;

/// <summary>
/// The file of <c>Faults:File</c>: the keys of section <c>Faults</c> as JSON. A command it names has the file's faults instead of the
/// section's; a file that is not there names none.
/// </summary>
internal sealed class FaultFile(string path, Dictionary<string, CommandFaults> beneath)
{
    private (string? Text, string? Problem)? _last;

    public string Path => path;

    /// <summary>Reads the file; null when it is as it was at the last reading, which may have refused it.</summary>
    /// <exception cref="StartupException">It cannot be read, or something in it is not allowed.</exception>
    public Dictionary<string, CommandFaults>? ReadIfChanged()
    {
        var now = Look();
        if (now == _last)
            return null;
        _last = now;
        try
        {
            if (now.Problem is not null)
                throw new StartupException(now.Problem);
            var faults = new Dictionary<string, CommandFaults>(beneath, StringComparer.Ordinal);
            using var json = new MemoryStream(Encoding.UTF8.GetBytes(now.Text ?? "{}"));
            foreach (var (command, fault) in FaultSettings.Read(new ConfigurationBuilder().AddJsonStream(json).Build()))
                faults[command] = fault;
            return faults;
        }
        catch (Exception exception) when (exception is StartupException or JsonException or FormatException)
        {
            throw new StartupException($"Faults:File {path}: {exception.Message.ReplaceLineEndings(" ")}");
        }
    }

    private (string? Text, string? Problem) Look()
    {
        try
        {
            return (File.ReadAllText(path), null);
        }
        catch (Exception exception) when (exception is FileNotFoundException or DirectoryNotFoundException)
        {
            return (null, null);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return (null, exception.Message);
        }
    }
}

/// <summary>
/// Takes over each change of the file. It looks again and again instead of waiting to be told: nobody is told when the link behind a
/// mounted ConfigMap is switched.
/// </summary>
internal sealed partial class FaultFileWatcher(FaultFile file, FaultInjection injection, TimeProvider clock, ILogger<FaultFileWatcher> logger) : BackgroundService
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(250);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            while (true)
            {
                await Task.Delay(Interval, clock, stoppingToken);
                LookAgain();
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
        }
    }

    private void LookAgain()
    {
        try
        {
            if (file.ReadIfChanged() is not { } faults)
                return;
            injection.Use(faults);
            LogChanged(file.Path, faults.Count == 0 ? "none" : string.Join("; ", faults.Select(fault => Describe(fault.Key, fault.Value))));
        }
        catch (StartupException exception)
        {
            LogRefused(exception.Message);
        }
    }

    private static string Describe(string command, CommandFaults faults) => string.Create(CultureInfo.InvariantCulture,
        $"{command} RejectRate={faults.RejectRate} DropRate={faults.DropRate} Delay={faults.Delay} DuplicateRate={faults.DuplicateRate}");

    [LoggerMessage(EventId = 1201, Level = LogLevel.Warning, Message = "Faults:File {Path} has changed; the faults are now: {Faults}")]
    private partial void LogChanged(string path, string faults);

    [LoggerMessage(EventId = 1202, Level = LogLevel.Error, Message = "{Refusal} The faults stay as they were.")]
    private partial void LogRefused(string refusal);
}
