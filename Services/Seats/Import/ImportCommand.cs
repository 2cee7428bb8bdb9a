using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using ConcertSaga.Seats.Data;
using ConcertSaga.Shared.Hosting;

namespace ConcertSaga.Seats.Import;

/// <summary>
/// Runs <c>Seats import FILE… [--dry-run]</c>. The exit code is 0 after an import, 2 if lines are wrong, and 1 if it could not run.
/// </summary>
internal static class ImportCommand
{
    private const string DryRun = "--dry-run";

    private static readonly TimeSpan ProgressInterval = TimeSpan.FromSeconds(1);

    public static readonly ServiceCommand Command = new("import", "import FILE… [--dry-run]", [DryRun], RunAsync);

    private static async Task<int> RunAsync(IServiceProvider services, IReadOnlyList<string> arguments, CancellationToken cancellationToken)
    {
        string[] files = [.. arguments.Where(argument => argument != DryRun)];
        if (files.Length == 0)
            throw new StartupException("import needs a file; allowed: import FILE… [--dry-run], before any --Key=value.");

        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
        var dryRun = arguments.Contains(DryRun);
        var startedAt = Stopwatch.GetTimestamp();
        var reportedAt = startedAt;
        await using var scope = services.CreateAsyncScope();
        ImportResult result;
        try
        {
            result = await SeatImport.RunAsync(
                scope.ServiceProvider.GetRequiredService<SeatsDbContext>(), files, dryRun, Report, stop.Token);
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            throw new StartupException("stopped; nothing was imported.");
        }

        foreach (var error in result.FirstErrors)
            await Console.Error.WriteLineAsync(error.ToString());
        if (result.ErrorCount > 0)
        {
            var shown = result.FirstErrors.Count < result.ErrorCount ? $"; the first {result.FirstErrors.Count} are shown" : "";
            await Console.Error.WriteLineAsync($"concertsaga: {Lines(result.ErrorCount)} wrong{shown}; nothing was imported.");
            return 2;
        }
        await Console.Out.WriteLineAsync(string.Create(CultureInfo.InvariantCulture,
            $"{(dryRun ? "Would import" : "Imported")} {result.Concerts} concerts, {result.Schedules} schedules and {result.Seats} seats "
                + $"({Stopwatch.GetElapsedTime(startedAt).TotalSeconds:0.0} s){(dryRun ? "; nothing was changed." : ".")}"));
        return 0;

        void Report(string file, long rows)
        {
            if (Stopwatch.GetElapsedTime(reportedAt) < ProgressInterval)
                return;
            reportedAt = Stopwatch.GetTimestamp();
            Console.Error.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{Printable.Of(file)}: {rows:#,0} rows read"));
        }

        void Stop(PosixSignalContext context)
        {
            context.Cancel = true;
            stop.Cancel();
        }
    }

    private static string Lines(long count) => count == 1 ? "1 line is" : string.Create(CultureInfo.InvariantCulture, $"{count} lines are");
}
