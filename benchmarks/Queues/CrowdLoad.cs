using System.Diagnostics;
using ConcertSaga.Benchmarks.Measuring;

namespace ConcertSaga.Benchmarks.Queues;

/// <summary>
/// Simulates the customers: they enter, poll when the gateway asks them to, fetch a pass, and pay; some vanish near the front.
/// </summary>
internal sealed class CrowdLoad(QueuePlan plan, Crowd crowd, CrowdRequestWriter requests, BookingStub booking)
{
    private static readonly TimeSpan Idle = TimeSpan.FromMilliseconds(10);

    private readonly PriorityQueue<int, long> _inside = new();
    private readonly Lock _gate = new();
    private int _highest, _overtaken, _worse, _claimed, _tooLate, _vanished, _vanishedInside, _paid;
    private long _refused;

    // Index 0: the crowd. Index 1: customers near the front.
    private readonly long[] _delayMilliseconds = new long[2], _polls = new long[2];

    /// <summary>Polls since the last <see cref="Restart"/>.</summary>
    public Histogram Polls { get; private set; } = new();

    public Histogram Claims { get; } = new();

    /// <summary>Entries whose number is not above a number that was issued before their request.</summary>
    public int Overtaken => _overtaken;

    /// <summary>Polls that showed a worse position than the poll before.</summary>
    public int Worse => _worse;

    public int Claimed => _claimed;

    public int TooLate => _tooLate;

    public int Vanished => _vanished;

    /// <summary>Customers who fetched a pass before they vanished.</summary>
    public int VanishedInside => _vanishedInside;

    public int Paid => _paid;

    /// <summary>Number of answers 429 and 503.</summary>
    public long Refused => _refused;

    /// <summary>The average delay of polls, in seconds.</summary>
    public double DelaySeconds(bool isNear) => _delayMilliseconds[isNear ? 1 : 0] / 1000.0 / Math.Max(1, _polls[isNear ? 1 : 0]);

    public void Restart() => Polls = new Histogram();

    /// <summary>Lets a range of customers enter as fast as the connections can, at the gateway or directly at the queue service.</summary>
    /// <returns>The entries within the time limit, the elapsed seconds, and the latencies.</returns>
    public async Task<(int Count, double Seconds, Histogram Latencies)> EnterAsync(
        Uri address, bool isInner, int from, int to, int connections, TimeSpan limit, bool poll, CancellationToken cancellationToken)
    {
        var next = from - 1;
        var latencies = new Histogram();
        var started = Stopwatch.GetTimestamp();
        await Task.WhenAll(Enumerable.Range(0, connections).Select(_ => Task.Run(async () =>
        {
            using var connection = await CrowdConnection.OpenAsync(address, cancellationToken);
            while (Stopwatch.GetElapsedTime(started) < limit && Interlocked.Increment(ref next) is var customer && customer < to)
            {
                var highestBefore = Volatile.Read(ref _highest);
                var began = Stopwatch.GetTimestamp();
                var length = isInner ? requests.WriteInnerEntry(connection.Request, customer)
                    : requests.WriteEntry(connection.Request, customer);
                var answer = await connection.SendAsync(length, cancellationToken);
                latencies.Add(Stopwatch.GetElapsedTime(began).TotalMilliseconds);
                if (answer.Status != 201)
                    throw new BenchmarkException($"an entry was answered with {answer}");
                RecordEntry(customer, answer, highestBefore);
                if (poll)
                    ScheduleOrVanish(customer, crowd.Customers[customer].PollAfter);
            }
        }, cancellationToken)));
        return (Math.Min(next + 1, to) - from, Stopwatch.GetElapsedTime(started).TotalSeconds, latencies);
    }

    /// <summary>A few customers poll without a pause. Each poll has a new bearer token, because the polls of a crowd differ, too.</summary>
    public async Task PollOftenAsync(Uri address, int customers, int connections, TimeSpan time, CancellationToken cancellationToken)
    {
        var age = 0;
        var started = Stopwatch.GetTimestamp();
        await Task.WhenAll(Enumerable.Range(0, connections).Select(first => Task.Run(async () =>
        {
            using var connection = await CrowdConnection.OpenAsync(address, cancellationToken);
            for (var number = first; Stopwatch.GetElapsedTime(started) < time; number++)
            {
                var customer = number % customers;
                var length = requests.WritePoll(connection.Request, customer, crowd.Customers[customer], Interlocked.Increment(ref age));
                var began = Stopwatch.GetTimestamp();
                var answer = await connection.SendAsync(length, cancellationToken);
                if (answer.Status == 200)
                    Polls.Add(Stopwatch.GetElapsedTime(began).TotalMilliseconds);
                // In its first second the gateway may not know the keys.
                else if (answer.Status == 503)
                    await Task.Delay(Idle, cancellationToken);
                else
                    throw new BenchmarkException($"a poll was answered with {answer}");
            }
        }, cancellationToken)));
    }

    /// <summary>Spreads the first polls of the customers who entered early over the pause that each was given.</summary>
    public void StartPolling(int customers)
    {
        for (var customer = 0; customer < customers; customer++)
            ScheduleOrVanish(customer, crowd.Customers[customer].PollAfter * Random.Shared.NextDouble());
    }

    /// <summary>Polls and pays for all customers when they are due, until the end.</summary>
    public Task RunAsync(Uri address, int connections, int nearConnections, CancellationToken end) => Task.WhenAll(
        [.. Enumerable.Range(0, connections)
            .Select(number => Task.Run(() => PollAsync(address, number < nearConnections, end), CancellationToken.None)),
            PayAsync(end)]);

    private async Task PollAsync(Uri address, bool isNear, CancellationToken end)
    {
        using var connection = await CrowdConnection.OpenAsync(address, CancellationToken.None);
        while (!end.IsCancellationRequested)
        {
            if (crowd.Take(isNear) is not var (customer, delay))
            {
                await Task.Delay(Idle, CancellationToken.None);
                continue;
            }
            var length = requests.WritePoll(connection.Request, customer, crowd.Customers[customer]);
            var began = Stopwatch.GetTimestamp();
            var answer = await connection.SendAsync(length, CancellationToken.None);
            var milliseconds = Stopwatch.GetElapsedTime(began).TotalMilliseconds;
            Interlocked.Add(ref _delayMilliseconds[isNear ? 1 : 0], (long)(delay * 1000));
            Interlocked.Increment(ref _polls[isNear ? 1 : 0]);
            RecordPoll(customer, answer, milliseconds);
        }
    }

    private void RecordPoll(int customer, Answer answer, double milliseconds)
    {
        ref var waiting = ref crowd.Customers[customer];
        if (answer.Status is 429 or 503)
        {
            Interlocked.Increment(ref _refused);
            crowd.Schedule(customer, answer.RetryAfter);
            return;
        }
        if (answer.Status == 410)
        {
            Interlocked.Increment(ref _tooLate);
            waiting.State = CustomerState.TooLate;
            return;
        }
        if (answer.Status != 200)
            throw new BenchmarkException($"a poll was answered with {answer}");
        var place = QueuePlace.Read(answer.Body.Span);
        if (place.IsActive)
        {
            Claims.Add(milliseconds);
            GoInside(customer);
            return;
        }
        Polls.Add(milliseconds);
        if (place.Position > waiting.Position)
            Interlocked.Increment(ref _worse);
        waiting.Position = place.Position;
        ScheduleOrVanish(customer, place.PollAfter);
    }

    private async Task PayAsync(CancellationToken end)
    {
        while (!end.IsCancellationRequested)
        {
            await Task.Delay(Idle, CancellationToken.None);
            while (TakePayer() is { } customer)
            {
                crowd.Customers[customer].State = CustomerState.Finished;
                booking.Pay(CrowdRequestWriter.UserOf(customer), crowd.Customers[customer].TokenId);
                Interlocked.Increment(ref _paid);
            }
        }

        int? TakePayer()
        {
            lock (_gate)
                return _inside.TryPeek(out _, out var until) && until <= Stopwatch.GetTimestamp() ? _inside.Dequeue() : null;
        }
    }

    private void GoInside(int customer)
    {
        Interlocked.Increment(ref _claimed);
        crowd.Customers[customer].State = CustomerState.Inside;
        if (IsVanishing(customer))
        {
            Interlocked.Increment(ref _vanishedInside);
            return;
        }
        var stay = plan.StaySeconds * (0.5 + Random.Shared.NextDouble());
        lock (_gate)
            _inside.Enqueue(customer, Stopwatch.GetTimestamp() + (long)(stay * Stopwatch.Frequency));
    }

    private void ScheduleOrVanish(int customer, double seconds)
    {
        ref var waiting = ref crowd.Customers[customer];
        if (waiting.Position > plan.Near || !IsVanishing(customer))
        {
            crowd.Schedule(customer, seconds);
            return;
        }
        waiting.State = CustomerState.Vanished;
        Interlocked.Increment(ref _vanished);
    }

    private bool IsVanishing(int customer) => unchecked((uint)customer * 2654435761u) < plan.Vanish * uint.MaxValue;

    private void RecordEntry(int customer, Answer answer, int highestBefore)
    {
        var place = QueuePlace.Read(answer.Body.Span);
        ref var waiting = ref crowd.Customers[customer];
        requests.Keep(place.Token, customer, ref waiting);
        waiting.State = CustomerState.Waiting;
        waiting.Position = place.Position;
        waiting.PollAfter = (byte)place.PollAfter;
        if (waiting.Number <= highestBefore)
            Interlocked.Increment(ref _overtaken);
        for (var highest = _highest; highest < waiting.Number;)
        {
            var found = Interlocked.CompareExchange(ref _highest, waiting.Number, highest);
            highest = found == highest ? waiting.Number : found;
        }
    }
}
