using System.Diagnostics;
using Npgsql;

namespace ConcertSaga.Benchmarks.Queues;

/// <summary>
/// Reads the queue's database periodically: taken slots, customers inside, and the maximum of both. Only time with waiting customers
/// counts.
/// </summary>
internal sealed class SlotWatch : IAsyncDisposable
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(200);

    // The 50 ms exclude slots that expire while the statement runs.
    private const string Query = """
        SELECT "Serving", "NextNumber" - 1,
            (SELECT count(*) FROM "QueueTokens" WHERE "ConcertId" = $1 AND "SlotUntil" > now() + interval '50 ms'),
            (SELECT count(*) FROM "QueueTokens"
                WHERE "ConcertId" = $1 AND "SlotUntil" > now() AND "Status" = 'Active' AND "BookUntil" > now())
        FROM "QueueCounters" WHERE "ConcertId" = $1
        """;

    private readonly NpgsqlDataSource _database;
    private readonly int _capacity;
    private readonly CancellationTokenSource _ending = new();
    private readonly Task _watching;

    public SlotWatch(NpgsqlDataSource database, int capacity)
    {
        _database = database;
        _capacity = capacity;
        _watching = WatchAsync();
    }

    public int Reads { get; private set; }

    public long MaxTaken { get; private set; }

    public long MaxInside { get; private set; }

    /// <summary>Use since the opening.</summary>
    public SlotUse Whole { get; private set; }

    /// <summary>Use since all slots were taken for the first time.</summary>
    public SlotUse Full { get; private set; }

    /// <summary>Stops reading, and rethrows an error that stopped it earlier.</summary>
    public async Task EndAsync()
    {
        await _ending.CancelAsync();
        await _watching;
    }

    public async ValueTask DisposeAsync()
    {
        await _ending.CancelAsync();
        await _watching.ContinueWith(_ => { }, TaskScheduler.Default);
        _ending.Dispose();
    }

    private async Task WatchAsync()
    {
        await using var connection = await _database.OpenConnectionAsync(_ending.Token);
        await using var command = new NpgsqlCommand(Query, connection) { Parameters = { new() { Value = QueuePlan.ConcertId } } };
        using var timer = new PeriodicTimer(Interval);
        var at = Stopwatch.GetTimestamp();
        try
        {
            while (await timer.WaitForNextTickAsync(_ending.Token))
            {
                await using var row = await command.ExecuteReaderAsync(_ending.Token);
                await row.ReadAsync(_ending.Token);
                var hasWaiting = row.GetInt64(0) < row.GetInt64(1);
                var taken = row.GetInt64(2);
                var inside = row.GetInt64(3);
                var seconds = Stopwatch.GetElapsedTime(at).TotalSeconds;
                at = Stopwatch.GetTimestamp();
                MaxTaken = Math.Max(MaxTaken, taken);
                MaxInside = Math.Max(MaxInside, inside);
                Reads++;
                if (!hasWaiting)
                    continue;
                Whole = Whole.With(seconds, taken, inside);
                if (MaxTaken >= _capacity)
                    Full = Full.With(seconds, taken, inside);
            }
        }
        catch (OperationCanceledException) when (_ending.IsCancellationRequested)
        {
        }
    }
}

/// <summary>Slot-seconds in total: taken, and with a pass fetched.</summary>
internal readonly record struct SlotUse(double Seconds, double Taken, double Inside)
{
    public SlotUse With(double seconds, long taken, long inside) =>
        new(Seconds + seconds, Taken + (seconds * taken), Inside + (seconds * inside));

    public double TakenOf(int capacity) => Taken / Seconds / capacity;

    public double InsideOf(int capacity) => Inside / Seconds / capacity;
}
