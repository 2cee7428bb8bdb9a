using System.Diagnostics;
using Npgsql;

namespace ConcertSaga.Benchmarks.Queues;

/// <summary>
/// Looks into the queue's database all the time: how many slots are taken, how many people are inside, and whether it was ever too many.
/// Time counts only while people wait.
/// </summary>
internal sealed class RoomWatch : IAsyncDisposable
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(200);

    // A slot that ends between the clock and the look of one statement is none.
    private const string Look = """
        SELECT "Serving", "NextNumber" - 1,
            (SELECT count(*) FROM "QueueTokens" WHERE "ConcertId" = $1 AND "SlotUntil" > now() + interval '50 ms'),
            (SELECT count(*) FROM "QueueTokens" WHERE "ConcertId" = $1 AND "SlotUntil" > now() AND "Status" = 'Active' AND "BookUntil" > now())
        FROM "QueueCounters" WHERE "ConcertId" = $1
        """;

    private readonly NpgsqlDataSource _database;
    private readonly int _capacity;
    private readonly CancellationTokenSource _ending = new();
    private readonly Task _watching;

    public RoomWatch(NpgsqlDataSource database, int capacity)
    {
        (_database, _capacity) = (database, capacity);
        _watching = WatchAsync();
    }

    public int Looks { get; private set; }

    public long MostTaken { get; private set; }

    public long MostInside { get; private set; }

    /// <summary>From the opening.</summary>
    public SlotUse Whole { get; private set; }

    /// <summary>From the moment all slots were taken for the first time.</summary>
    public SlotUse Full { get; private set; }

    /// <summary>Ends the watch, and throws what ended it before.</summary>
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
        await using var command = new NpgsqlCommand(Look, connection) { Parameters = { new() { Value = QueuePlan.ConcertId } } };
        using var timer = new PeriodicTimer(Interval);
        var at = Stopwatch.GetTimestamp();
        try
        {
            while (await timer.WaitForNextTickAsync(_ending.Token))
            {
                await using var row = await command.ExecuteReaderAsync(_ending.Token);
                await row.ReadAsync(_ending.Token);
                var (waiting, taken, inside) = (row.GetInt64(0) < row.GetInt64(1), row.GetInt64(2), row.GetInt64(3));
                var seconds = Stopwatch.GetElapsedTime(at).TotalSeconds;
                at = Stopwatch.GetTimestamp();
                (MostTaken, MostInside, Looks) = (Math.Max(MostTaken, taken), Math.Max(MostInside, inside), Looks + 1);
                if (!waiting)
                    continue;
                Whole = Whole.With(seconds, taken, inside);
                if (MostTaken >= _capacity)
                    Full = Full.With(seconds, taken, inside);
            }
        }
        catch (OperationCanceledException) when (_ending.IsCancellationRequested)
        {
        }
    }
}

/// <summary>Slot-seconds: how many were taken at all, and in how many somebody was inside.</summary>
internal readonly record struct SlotUse(double Seconds, double Taken, double Inside)
{
    public SlotUse With(double seconds, long taken, long inside) => new(Seconds + seconds, Taken + (seconds * taken), Inside + (seconds * inside));

    public double TakenOf(int capacity) => Taken / Seconds / capacity;

    public double InsideOf(int capacity) => Inside / Seconds / capacity;
}
