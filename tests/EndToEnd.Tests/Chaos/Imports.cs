using ConcertSaga.EndToEnd.Tests.Systems;
using Npgsql;

namespace ConcertSaga.EndToEnd.Tests.Chaos;

/// <summary>
/// Imports schedules, one after the other, while the system is being broken. Each import has all its seats in the end, or none.
/// </summary>
internal sealed class Imports(ClusterSystem system, int firstId) : IAsyncDisposable
{
    private const int Seats = 200;

    // Without a pause, imports would take all of a processor.
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(8);

    private readonly CancellationTokenSource _closing = new();
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("concertsaga-e2e-import-");
    private readonly List<(int Id, bool Succeeded)> _imports = [];
    private Task _importing = Task.CompletedTask;

    public void Start() => _importing = Task.Run(async () =>
    {
        for (var id = firstId; !_closing.IsCancellationRequested; id++)
        {
            await ImportAsync(id);
            await Task.WhenAny(Task.Delay(Pause, _closing.Token));
        }
    });

    /// <summary>Ends the imports, and compares the rows with what they promised.</summary>
    public async Task<(List<string> Wrong, string Summary)> CloseAsync()
    {
        await _closing.CancelAsync();
        await _importing;
        var wrong = new List<string>();
        await using var database = (NpgsqlConnection)await system.OpenAsync("Seats");
        foreach (var (id, succeeded) in _imports)
        {
            await using var command = new NpgsqlCommand(
                """
                SELECT (SELECT count(*) FROM "Schedules" WHERE "ScheduleId" = $1), count(*) FROM "Seats" WHERE "ScheduleId" = $1
                """, database);
            command.Parameters.AddWithValue(id);
            await using var row = await command.ExecuteReaderAsync();
            await row.ReadAsync();
            var found = (Schedules: row.GetInt64(0), Seats: row.GetInt64(1));
            if (found != (1, Seats) && (succeeded || found != (0, 0)))
                wrong.Add($"Import {id} {(succeeded ? "succeeded" : "failed")}, and left {found.Schedules} schedules with {found.Seats} "
                    + "seats.");
        }
        return (wrong, $"{_imports.Count} imports, {_imports.Count(import => !import.Succeeded)} of them failed");
    }

    /// <inheritdoc />
    public async ValueTask DisposeAsync()
    {
        await _closing.CancelAsync();
        await _importing;
        _closing.Dispose();
        _folder.Delete(recursive: true);
    }

    private async Task ImportAsync(int id)
    {
        string[] files = [.. new[] { "schedules", "seats" }.Select(kind => Path.Combine(_folder.FullName, $"{kind}.csv"))];
        await File.WriteAllTextAsync(files[0],
            $"scheduleId,concertId,startsAt\n{id},{SeatSelection.LastConcert},2040-01-02T00:00:00Z\n");
        await File.WriteAllTextAsync(files[1],
            "scheduleId,number,price\n" + string.Concat(Enumerable.Range(1, Seats).Select(number => $"{id},{number},1000\n")));
        try
        {
            var (code, _) = await system.RunAsync("Services/Seats", ["import", .. files]);
            _imports.Add((id, code == 0));
        }
        catch (TimeoutException)
        {
            _imports.Add((id, false));
        }
    }
}
