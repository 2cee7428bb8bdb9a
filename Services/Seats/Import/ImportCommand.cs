using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using ConcertSaga.Seats.Data;
using ConcertSaga.Shared.Hosting;

namespace ConcertSaga.Seats.Import;

/// <summary><c>Seats import FILE… [--dry-run]</c>. Ends with 0 when it is done, 2 when lines are wrong, 1 when it could not be tried.</summary>
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
        var (dryRun, started, told) = (arguments.Contains(DryRun), Stopwatch.GetTimestamp(), Stopwatch.GetTimestamp());
        await using var scope = services.CreateAsyncScope();
        ImportResult result;
        try
        {
            result = await SeatImport.RunAsync(scope.ServiceProvider.GetRequiredService<SeatsDbContext>(), files, dryRun, Tell, stop.Token);
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            throw new StartupException("stopped; nothing was imported.");
        }

        foreach (var error in result.FirstErrors)
            await Console.Error.WriteLineAsync(error.ToString());
        if (result.ErrorCount > 0)
        {
            var left = result.ErrorCount - result.FirstErrors.Count;
            await Console.Error.WriteLineAsync(
                $"concertsaga: {Lines(result.ErrorCount)} wrong{(left > 0 ? $", of which the first {result.FirstErrors.Count} are named" : "")}; nothing was imported.");
            return 2;
        }
        await Console.Out.WriteLineAsync(string.Create(CultureInfo.InvariantCulture,
            $"{(dryRun ? "Would import" : "Imported")} {result.Concerts} concerts, {result.Schedules} schedules and {result.Seats} seats ({Stopwatch.GetElapsedTime(started).TotalSeconds:0.0} s){(dryRun ? "; nothing was changed." : ".")}"));
        return 0;

        void Tell(string file, long rows)
        {
            if (Stopwatch.GetElapsedTime(told) < ProgressInterval)
                return;
            told = Stopwatch.GetTimestamp();
            Console.Error.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{file}: {rows:#,0} rows read"));
        }

        void Stop(PosixSignalContext context)
        {
            context.Cancel = true;
            stop.Cancel();
        }
    }

    private static string Lines(long count) => count == 1 ? "1 line is" : string.Create(CultureInfo.InvariantCulture, $"{count} lines are");
}
