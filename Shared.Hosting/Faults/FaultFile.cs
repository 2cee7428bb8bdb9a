using System.Globalization;
using System.Text;
using System.Text.Json;
using ConcertSaga.Shared.Hosting.Background;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging;

namespace ConcertSaga.Shared.Hosting.Faults;

/// <summary>
/// Reads the file of <c>Faults:File</c>, which has the keys of section <c>Faults</c> as JSON. For the commands it names, the file replaces
/// the section. A missing file names none.
/// </summary>
internal sealed class FaultFile(string path, Dictionary<string, CommandFaults> section)
{
    private (string? Text, string? Problem)? _last;

    public string Path => path;

    /// <summary>Reads the file; returns null if it has not changed since the last call, even if that call refused it.</summary>
    /// <exception cref="StartupException">The file cannot be read, or contains something that is not allowed.</exception>
    public Dictionary<string, CommandFaults>? ReadIfChanged()
    {
        var current = ReadText();
        if (current == _last)
            return null;
        _last = current;
        try
        {
            if (current.Problem is not null)
                throw new StartupException(current.Problem);
            var faults = new Dictionary<string, CommandFaults>(section, StringComparer.Ordinal);
            using var json = new MemoryStream(Encoding.UTF8.GetBytes(current.Text ?? "{}"));
            foreach (var (command, fault) in FaultSettings.Read(new ConfigurationBuilder().AddJsonStream(json).Build()))
                faults[command] = fault;
            return faults;
        }
        catch (Exception exception) when (exception is StartupException or JsonException or FormatException)
        {
            throw new StartupException($"Faults:File {path}: {exception.Message.ReplaceLineEndings(" ")}");
        }
    }

    private (string? Text, string? Problem) ReadText()
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
/// Applies each change of the file. It polls, because no notification comes when Kubernetes switches the link behind a mounted ConfigMap.
/// </summary>
internal sealed partial class FaultFileWatcher(FaultFile file, FaultInjection injection, TimeProvider clock,
    ILogger<FaultFileWatcher> logger)
    : PeriodicTask("Reading the file of faults", TimeSpan.FromMilliseconds(250), clock, logger)
{
    private readonly ILogger _logger = logger;

    public override Task RunOnceAsync(CancellationToken cancellationToken)
    {
        try
        {
            if (file.ReadIfChanged() is not { } faults)
                return Task.CompletedTask;
            injection.Use(faults);
            LogChanged(file.Path, faults.Count == 0 ? "none" : string.Join("; ", faults.Select(fault => Describe(fault.Key, fault.Value))));
        }
        catch (StartupException exception)
        {
            LogRefused(exception.Message);
        }
        return Task.CompletedTask;
    }

    private static string Describe(string command, CommandFaults faults) => string.Create(CultureInfo.InvariantCulture,
        $"{command} RejectRate={faults.RejectRate} DropRate={faults.DropRate} Delay={faults.Delay} DuplicateRate={faults.DuplicateRate}");

    [LoggerMessage(EventId = 1201, Level = LogLevel.Warning, Message = "Faults:File {Path} has changed; the faults are now: {Faults}")]
    private partial void LogChanged(string path, string faults);

    [LoggerMessage(EventId = 1202, Level = LogLevel.Error, Message = "{Refusal} The faults are unchanged.")]
    private partial void LogRefused(string refusal);
}
