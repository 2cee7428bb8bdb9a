using System.Collections.Concurrent;
using ConcertSaga.EndToEnd.Tests.Client;
using ConcertSaga.EndToEnd.Tests.Systems;
using Npgsql;
using Xunit;

namespace ConcertSaga.EndToEnd.Tests.Chaos;

/// <summary>
/// Customers who enter a small waiting room, wait, look at seats with their pass, and leave, while others try to get in without a pass of
/// their own. The room's rows are read in one statement after the other: there are never more customers inside than slots, and no customer
/// waits with a smaller number than one inside.
/// </summary>
internal sealed class RoomVisitors : IAsyncDisposable
{
    /// <summary>The concert whose waiting room is small.</summary>
    public const int Concert = SeatSelection.LastConcert;

    private const int Capacity = 4;

    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(200);

    private readonly CancellationTokenSource _closing = new();
    private readonly ConcurrentQueue<string> _wrong = new();
    private readonly ConcurrentDictionary<string, string> _passes = new();
    private readonly ClusterSystem _system;
    private readonly Tolerance _tolerance;
    private Task _visits = Task.CompletedTask;
    private int _inside;
    private int _admitted;
    private int _refused;
    private int _looks;

    private RoomVisitors(ClusterSystem system, Tolerance tolerance) => (_system, _tolerance) = (system, tolerance);

    /// <summary>How often a visitor has opened a route with a pass.</summary>
    public int Inside => _inside;

    /// <summary>Makes the waiting room small.</summary>
    public static async Task PrepareAsync(ClusterSystem system)
    {
        var ops = await Customer.SignInAsync(system, 0, "ops");
        var answer = await ops.SendAsync(HttpMethod.Patch, $"/ops/api/waiting-rooms/{Concert}", new
        {
            capacity = Capacity,
            batchSize = 2,
            interval = "00:00:00.2",
            claimWindow = "00:00:03",
            passLifetime = "00:00:10",
            reason = "A test."
        });
        Assert.True(answer.Status == 200, answer.ToString());
    }

    public static async Task<RoomVisitors> StartAsync(ClusterSystem system, int count, int seed, Tolerance tolerance)
    {
        var visitors = new RoomVisitors(system, tolerance);
        var crowd = await Customer.SignInAsync(system, count, points: 0);
        visitors._visits = Task.WhenAll(crowd
            .Select((customer, index) => Task.Run(() => visitors.VisitAsync(customer, new Random(seed + index))))
            .Append(Task.Run(visitors.WatchAsync)));
        return visitors;
    }

    /// <summary>Ends the visits.</summary>
    /// <returns>What was wrong.</returns>
    public async Task<(IReadOnlyCollection<string> Wrong, string Summary)> CloseAsync()
    {
        await _closing.CancelAsync();
        await _visits;
        return (_wrong, $"{_admitted} visitors admitted, {_refused} stolen or forged passes refused, {_looks} looks at the room");
    }

    /// <inheritdoc />
    public async ValueTask DisposeAsync()
    {
        await _closing.CancelAsync();
        await _visits;
        _closing.Dispose();
    }

    private async Task VisitAsync(Customer customer, Random random)
    {
        while (!_closing.IsCancellationRequested)
        {
            try
            {
                await VisitOnceAsync(customer, random);
            }
            catch (Exception exception) when (Answer.IsMissing(exception))
            {
                // The system is broken at the moment.
            }
            await PauseAsync(random.Next(300));
        }
    }

    private async Task VisitOnceAsync(Customer customer, Random random)
    {
        var answer = await customer.EnterAsync(Concert);
        while (answer.Status is 200 or 201 && answer.Text("status") != "Active" && !_closing.IsCancellationRequested)
        {
            await PauseAsync(random.Next(100, 400));
            answer = await customer.PollAsync(answer.Text("token")!);
        }
        if (answer.Status is not (200 or 201) || answer.Text("token") is not { } pass || answer.Text("status") != "Active")
        {
            CheckFailure(answer);
            return;
        }
        Interlocked.Increment(ref _admitted);
        _passes[customer.UserId] = pass;
        // The first schedule of the concert, since each has thirty.
        const string path = "/api/schedules/61/seats";
        var seen = await customer.SendWithAsync(pass, HttpMethod.Get, path);
        CheckFailure(seen);
        if (seen.Status == 200)
            Interlocked.Increment(ref _inside);
        await PauseAsync(random.Next(500));
        // A pass of another customer, one whose signature is wrong, and none.
        string?[] others = [.. _passes.Where(known => known.Key != customer.UserId).Select(known => known.Value).Append(null)];
        foreach (var wrong in new[] { others[random.Next(others.Length)], pass[..^2] + (pass[^2] == 'A' ? 'B' : 'A') + pass[^1], null })
        {
            if (wrong is null && random.Next(4) > 0)
                continue;
            var refused = await customer.SendWithAsync(wrong, HttpMethod.Get, path);
            if (refused.Status < 300)
                _wrong.Enqueue($"{customer.UserId} passed the gateway with {wrong ?? "no pass"}.");
            if (refused.Status < 500)
                Interlocked.Increment(ref _refused);
        }
        _passes.TryRemove(customer.UserId, out _);
        CheckFailure(await customer.LeaveAsync(pass));
    }

    private void CheckFailure(Answer answer)
    {
        if (answer.Status >= 500 && !_tolerance.Excuses(answer))
            _wrong.Enqueue($"A visitor was answered {answer}");
    }

    private async Task WatchAsync()
    {
        while (!_closing.IsCancellationRequested)
        {
            try
            {
                await using var queue = (NpgsqlConnection)await _system.OpenAsync("Queue");
                while (!_closing.IsCancellationRequested)
                {
                    await LookAsync(queue);
                    await PauseAsync((int)Pause.TotalMilliseconds);
                }
            }
            catch (Exception exception) when (exception is NpgsqlException or IOException or TimeoutException)
            {
                await PauseAsync((int)Pause.TotalMilliseconds);
            }
        }
    }

    private async Task LookAsync(NpgsqlConnection queue)
    {
        await using var command = new NpgsqlCommand(
            """
            SELECT count(*) FILTER (WHERE "Status" IN ('Offered', 'Active')),
                   max("Number") FILTER (WHERE "Status" IN ('Offered', 'Active')),
                   min("Number") FILTER (WHERE "Status" = 'Waiting')
            FROM "QueueTokens" WHERE "ConcertId" = $1
            """, queue);
        command.Parameters.AddWithValue(Concert);
        await using var row = await command.ExecuteReaderAsync();
        await row.ReadAsync();
        Interlocked.Increment(ref _looks);
        if (row.GetInt64(0) > Capacity)
            _wrong.Enqueue($"{row.GetInt64(0)} customers were inside a room with {Capacity} slots.");
        if (!row.IsDBNull(1) && !row.IsDBNull(2) && row.GetInt64(2) < row.GetInt64(1))
            _wrong.Enqueue($"Number {row.GetInt64(1)} was admitted before {row.GetInt64(2)}.");
    }

    private async Task PauseAsync(int milliseconds) => await Task.WhenAny(Task.Delay(milliseconds, _closing.Token));
}
