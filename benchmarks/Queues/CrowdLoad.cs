using System.Diagnostics;
using System.Text.Json;
using ConcertSaga.Benchmarks.Measuring;

namespace ConcertSaga.Benchmarks.Queues;

/// <summary>What people do: enter, ask again when they were told to, go in, pay; or vanish when it is nearly their turn.</summary>
internal sealed class CrowdLoad(QueuePlan plan, Crowd crowd, CrowdRequests requests, Door door)
{
    private static readonly TimeSpan Idle = TimeSpan.FromMilliseconds(10);

    private readonly PriorityQueue<int, long> _inside = new();
    private readonly Lock _gate = new();
    private int _highest, _overtaken, _worse, _claimed, _tooLate, _vanished, _vanishedInside, _paid;
    private long _refused;

    // Milliseconds and polls: of the crowd, and of those near the front.
    private readonly long[] _late = new long[2], _asked = new long[2];

    /// <summary>Since the last <see cref="Restart"/>.</summary>
    public Histogram Polls { get; private set; } = new();

    public Histogram Claims { get; } = new();

    /// <summary>Places that were higher than one given before they were asked for.</summary>
    public int Overtaken => _overtaken;

    /// <summary>Polls that showed a place behind the one before.</summary>
    public int Worse => _worse;

    public int Claimed => _claimed;

    public int TooLate => _tooLate;

    public int Vanished => _vanished;

    /// <summary>They had fetched the pass before they could vanish.</summary>
    public int VanishedInside => _vanishedInside;

    public int Paid => _paid;

    /// <summary>Answers 429 and 503.</summary>
    public long Refused => _refused;

    /// <summary>How late polls were on average, in seconds.</summary>
    public double LateSeconds(bool isNear) => _late[isNear ? 1 : 0] / 1000.0 / Math.Max(1, _asked[isNear ? 1 : 0]);

    public void Restart() => Polls = new Histogram();

    /// <summary>These people enter, at the gateway or at the queue service itself, as fast as so many connections can.</summary>
    /// <returns>How many did before the time was over, and how long each took.</returns>
    public async Task<(int Count, double Seconds, Histogram Latencies)> EnterAsync(
        Uri address, bool isInner, int from, int to, int connections, TimeSpan limit, bool poll, CancellationToken cancellationToken)
    {
        var (next, latencies, started) = (from - 1, new Histogram(), Stopwatch.GetTimestamp());
        await Task.WhenAll(Enumerable.Range(0, connections).Select(_ => Task.Run(async () =>
        {
            using var connection = await CrowdConnection.OpenAsync(address, cancellationToken);
            while (Stopwatch.GetElapsedTime(started) < limit && Interlocked.Increment(ref next) is var person && person < to)
            {
                var (before, began) = (Volatile.Read(ref _highest), Stopwatch.GetTimestamp());
                var length = isInner ? requests.WriteInnerEntry(connection.Request, person) : requests.WriteEntry(connection.Request, person);
                var answer = await connection.SendAsync(length, cancellationToken);
                latencies.Add(Stopwatch.GetElapsedTime(began).TotalMilliseconds);
                if (answer.Status != 201)
                    throw new BenchmarkException($"somebody who entered was answered {answer}");
                Note(person, answer, before);
                if (poll)
                    WaitOn(person, crowd.People[person].PollAfter);
            }
        }, cancellationToken)));
        return (Math.Min(next + 1, to) - from, Stopwatch.GetElapsedTime(started).TotalSeconds, latencies);
    }

    /// <summary>So few people ask as often as they can, each time with another bearer token, as the many have.</summary>
    public async Task AskOftenAsync(Uri address, int people, int connections, TimeSpan time, CancellationToken cancellationToken)
    {
        var (age, started) = (0, Stopwatch.GetTimestamp());
        await Task.WhenAll(Enumerable.Range(0, connections).Select(one => Task.Run(async () =>
        {
            using var connection = await CrowdConnection.OpenAsync(address, cancellationToken);
            for (var person = one; Stopwatch.GetElapsedTime(started) < time; person++)
            {
                var length = requests.WritePoll(connection.Request, person % people, crowd.People[person % people], Interlocked.Increment(ref age));
                var began = Stopwatch.GetTimestamp();
                var answer = await connection.SendAsync(length, cancellationToken);
                if (answer.Status == 200)
                    Polls.Add(Stopwatch.GetElapsedTime(began).TotalMilliseconds);
                // In its first second the gateway may not know the keys.
                else if (answer.Status == 503)
                    await Task.Delay(Idle, cancellationToken);
                else
                    throw new BenchmarkException($"a poll was answered {answer}");
            }
        }, cancellationToken)));
    }

    /// <summary>Those who entered early ask for the first time within the time they were told, from now on.</summary>
    public void StartAsking(int people)
    {
        for (var person = 0; person < people; person++)
            WaitOn(person, crowd.People[person].PollAfter * Random.Shared.NextDouble());
    }

    /// <summary>Everybody asks when it is time to, and pays when it is time to, until the end.</summary>
    public Task LiveAsync(Uri address, int connections, int nearConnections, CancellationToken end) => Task.WhenAll(
        [.. Enumerable.Range(0, connections).Select(one => Task.Run(() => AskAsync(address, one < nearConnections, end), CancellationToken.None)), PayAsync(end)]);

    private async Task AskAsync(Uri address, bool isNear, CancellationToken end)
    {
        using var connection = await CrowdConnection.OpenAsync(address, CancellationToken.None);
        while (!end.IsCancellationRequested)
        {
            if (crowd.Take(isNear) is not var (person, late))
            {
                await Task.Delay(Idle, CancellationToken.None);
                continue;
            }
            var length = requests.WritePoll(connection.Request, person, crowd.People[person]);
            var began = Stopwatch.GetTimestamp();
            var answer = await connection.SendAsync(length, CancellationToken.None);
            var milliseconds = Stopwatch.GetElapsedTime(began).TotalMilliseconds;
            Interlocked.Add(ref _late[isNear ? 1 : 0], (long)(late * 1000));
            Interlocked.Increment(ref _asked[isNear ? 1 : 0]);
            if (answer.Status is 429 or 503)
            {
                Interlocked.Increment(ref _refused);
                crowd.Schedule(person, answer.RetryAfter);
                continue;
            }
            if (answer.Status == 410)
            {
                Interlocked.Increment(ref _tooLate);
                crowd.People[person].State = PersonState.TooLate;
                continue;
            }
            if (answer.Status != 200)
                throw new BenchmarkException($"a poll was answered {answer}");
            var said = Said.Read(answer.Body.Span);
            if (said.IsActive)
            {
                Claims.Add(milliseconds);
                Enter(person);
                continue;
            }
            Polls.Add(milliseconds);
            ref var place = ref crowd.People[person];
            if (said.Position > place.Position)
                Interlocked.Increment(ref _worse);
            place.Position = said.Position;
            WaitOn(person, said.PollAfter);
        }
    }

    private async Task PayAsync(CancellationToken end)
    {
        while (!end.IsCancellationRequested)
        {
            await Task.Delay(Idle, CancellationToken.None);
            while (TakePayer() is { } person)
            {
                crowd.People[person].State = PersonState.Finished;
                door.Pay(CrowdRequests.UserOf(person), crowd.People[person].TokenId);
                Interlocked.Increment(ref _paid);
            }
        }

        int? TakePayer()
        {
            lock (_gate)
                return _inside.TryPeek(out _, out var until) && until <= Stopwatch.GetTimestamp() ? _inside.Dequeue() : null;
        }
    }

    private void Enter(int person)
    {
        Interlocked.Increment(ref _claimed);
        crowd.People[person].State = PersonState.Inside;
        if (IsVanishing(person))
        {
            Interlocked.Increment(ref _vanishedInside);
            return;
        }
        var stay = plan.StaySeconds * (0.5 + Random.Shared.NextDouble());
        lock (_gate)
            _inside.Enqueue(person, Stopwatch.GetTimestamp() + (long)(stay * Stopwatch.Frequency));
    }

    // Whoever vanishes does so when it is nearly their turn, without a word.
    private void WaitOn(int person, double seconds)
    {
        ref var place = ref crowd.People[person];
        if (place.Position > plan.Near || !IsVanishing(person))
        {
            crowd.Schedule(person, seconds);
            return;
        }
        place.State = PersonState.Vanished;
        Interlocked.Increment(ref _vanished);
    }

    private bool IsVanishing(int person) => unchecked((uint)person * 2654435761u) < plan.Vanish * uint.MaxValue;

    private void Note(int person, Answer answer, int highestBefore)
    {
        var said = Said.Read(answer.Body.Span);
        ref var place = ref crowd.People[person];
        requests.Keep(said.Token, person, ref place);
        (place.State, place.Position, place.PollAfter) = (PersonState.Waiting, said.Position, (byte)said.PollAfter);
        if (place.Number <= highestBefore)
            Interlocked.Increment(ref _overtaken);
        for (var highest = _highest; highest < place.Number;)
            highest = Interlocked.CompareExchange(ref _highest, place.Number, highest) is var found && found == highest ? place.Number : found;
    }

    /// <summary>What is of interest of a token as clients see it.</summary>
    private readonly ref struct Said
    {
        public ReadOnlySpan<byte> Token { get; private init; }

        public bool IsActive { get; private init; }

        public int Position { get; private init; }

        public int PollAfter { get; private init; }

        public static Said Read(ReadOnlySpan<byte> body)
        {
            ReadOnlySpan<byte> token = default;
            var (isActive, position, pollAfter) = (false, 0, 0);
            var json = new Utf8JsonReader(body);
            while (json.Read())
            {
                if (json.TokenType != JsonTokenType.PropertyName)
                    continue;
                if (json.ValueTextEquals("token"u8) && json.Read())
                    token = json.ValueSpan;
                else if (json.ValueTextEquals("status"u8) && json.Read())
                    isActive = json.ValueTextEquals("Active"u8);
                else if (json.ValueTextEquals("position"u8) && json.Read())
                    position = json.GetInt32();
                else if (json.ValueTextEquals("pollAfterSeconds"u8) && json.Read())
                    pollAfter = json.GetInt32();
            }
            return new Said { Token = token, IsActive = isActive, Position = position, PollAfter = pollAfter };
        }
    }
}
