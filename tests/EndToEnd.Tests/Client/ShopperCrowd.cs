using System.Collections.Concurrent;
using System.Diagnostics;
using ConcertSaga.EndToEnd.Tests.Invariants;
using ConcertSaga.EndToEnd.Tests.Systems;
using Xunit;

namespace ConcertSaga.EndToEnd.Tests.Client;

/// <summary>
/// Runs customers who reserve, pay and cancel without a pause, and repeat unanswered requests with the same key. It records what the system
/// promised with a 2xx, and compares that with the books at the end.
/// </summary>
internal sealed class ShopperCrowd : IDisposable
{
    // Longer than any part needs to restart.
    private static readonly TimeSpan MaxWait = TimeSpan.FromMinutes(3);

    private static readonly string[] Finals = ["Confirmed", "Rejected", "Expired", "Cancelled", "Failed"];

    private static readonly string[] Settled = [.. Finals, "AwaitingPayment"];

    private readonly CancellationTokenSource _closing = new();
    private readonly ConcurrentDictionary<Guid, string?> _reservations = new();
    private readonly ConcurrentDictionary<(string UserId, Guid Key), long> _charges = new();
    private readonly ConcurrentBag<string> _brokenPromises = [];
    private readonly SeatOwnership _ownership = new();
    private readonly ConcurrentDictionary<Guid, SeatSelection> _seats = new();
    private readonly ConcurrentDictionary<string, int> _calls = new();
    private readonly SeatSelection[] _schedules;
    private readonly Tolerance _tolerance;
    private Task _shopping = Task.CompletedTask;
    private Customer[] _crowd = [];
    private int _accepted;
    private int _reserved;
    private int _repeated;
    private int _requests;
    private long _slowestTicks;

    private ShopperCrowd(SeatSelection[] schedules, Tolerance tolerance)
    {
        _schedules = schedules;
        _tolerance = tolerance;
    }

    /// <summary>The reservations accepted so far.</summary>
    public int Accepted => _accepted;

    /// <summary>The reservations that have got their seats so far.</summary>
    public int Reserved => _reserved;

    /// <summary>The promises that are known to be broken so far.</summary>
    public IReadOnlyCollection<string> BrokenPromises => _brokenPromises;

    /// <summary>The requests sent so far.</summary>
    public int Requests => _requests;

    /// <summary>The schedules of the crowd.</summary>
    public IReadOnlyList<SeatSelection> Schedules => _schedules;

    /// <summary>The failed requests of all customers.</summary>
    public IEnumerable<string> Failures => _crowd.SelectMany(customer => customer.Failures);

    /// <summary>The longest time that a request waited for its answer or error.</summary>
    public TimeSpan Slowest => TimeSpan.FromTicks(Volatile.Read(ref _slowestTicks));

    /// <summary>Signs in the customers and lets them shop.</summary>
    /// <param name="system">The system.</param>
    /// <param name="customers">How many they are.</param>
    /// <param name="schedules">How many schedules they share.</param>
    /// <param name="seed">Chooses what they do.</param>
    /// <param name="tolerance">What the system may answer meanwhile.</param>
    public static async Task<ShopperCrowd> StartAsync(ISystem system, int customers, int schedules, int seed, Tolerance? tolerance = null)
    {
        var shoppers = new ShopperCrowd(
            [.. Enumerable.Range(0, schedules).Select(_ => system.Seats.TakeSchedule())], tolerance ?? new Tolerance());
        var crowd = shoppers._crowd = await Customer.SignInAsync(system, customers, points: 0);
        shoppers._shopping =
            Task.WhenAll(crowd.Select((customer, index) => Task.Run(() => shoppers.ShopAsync(customer, new Random(seed + index)))));
        return shoppers;
    }

    /// <summary>Ends the shopping, and returns when every customer has finished the current reservation.</summary>
    /// <returns>A summary in one line.</returns>
    public async Task<string> CloseAsync()
    {
        await _closing.CancelAsync();
        await _shopping;
        var outcomes = _reservations.Values.GroupBy(outcome => outcome ?? "unknown").Select(group => $"{group.Count()} {group.Key}");
        return $"{_reservations.Count} reservations, {_accepted} with seats ({string.Join(", ", outcomes)}), {_charges.Count} charges, "
            + $"{_requests} requests, {_repeated} of them repeated, the slowest took {Slowest.TotalSeconds:0.0} s";
    }

    /// <summary>Checks that the books contain every promise.</summary>
    public void Check(Books books)
    {
        foreach (var (id, promised) in _reservations)
        {
            if (!books.Reservations.TryGetValue(id, out var row))
                _brokenPromises.Add($"{id} was accepted and does not exist.");
            else if (promised is not null && row.State != promised
                && !(promised == "Confirmed" && row is { State: "Cancelled", FailureCode: "CANCELLED_BY_OPERATOR" }))
                _brokenPromises.Add($"{id} was answered as {promised}, and is {row.State}: {books.HistoryOf(id)}");
        }
        foreach (var ((userId, key), amount) in _charges)
        {
            if (!books.Charges.Contains((userId, key, amount)))
                _brokenPromises.Add($"The charge {key} of {userId} was accepted and does not exist.");
        }
        foreach (var user in _charges.GroupBy(charge => charge.Key.UserId))
        {
            var charged = books.Entries.Where(entry => entry.UserId == user.Key && entry.Kind == "Charge").Sum(entry => entry.Amount);
            if (charged != user.Sum(charge => charge.Value))
                _brokenPromises.Add($"{user.Key} was charged {charged} instead of {user.Sum(charge => charge.Value)}.");
        }
        // A key has at most one reservation, also if no answer named it.
        foreach (var user in books.Reservations.Values.CountBy(row => row.UserId))
        {
            if (_calls.TryGetValue(user.Key, out var calls) && user.Value > calls)
                _brokenPromises.Add($"{user.Key} has {user.Value} reservations, and has used {calls} keys.");
        }
        foreach (var row in books.Reservations.Values.Where(row => row.State == "Confirmed" && _seats.ContainsKey(row.Id)))
            _ownership.Observe(row.Id, _seats[row.Id], Stopwatch.GetTimestamp(), Stopwatch.GetTimestamp());
        foreach (var shared in _ownership.FindShared())
            _brokenPromises.Add(shared);
        Assert.True(_brokenPromises.IsEmpty,
            $"{_brokenPromises.Count} promises were broken:\n{string.Join('\n', _brokenPromises.Take(20))}");
    }

    /// <inheritdoc />
    public void Dispose()
    {
        _closing.Cancel();
        _closing.Dispose();
    }

    private async Task ShopAsync(Customer customer, Random random)
    {
        try
        {
            var purchases = new Queue<Guid>();
            while (!_closing.IsCancellationRequested)
            {
                // Without pauses, the customers take the processor time that a restart needs, and the kills are further apart.
                await Task.Delay(random.Next(400), CancellationToken.None);
                // Customers who keep more purchases would soon reach the seat limit.
                while (purchases.Count > 1)
                    await CancelAsync(customer, purchases.Dequeue());
                if (await ShopOnceAsync(customer, random) is { } bought)
                    purchases.Enqueue(bought);
            }
        }
        catch (Exception exception) when (exception is not OutOfMemoryException)
        {
            _brokenPromises.Add($"{customer.UserId}: {exception.Message}");
        }
    }

    // Returns the reservation if the customer keeps it.
    private async Task<Guid?> ShopOnceAsync(Customer customer, Random random)
    {
        if (random.Next(4) == 0 || !_charges.Keys.Any(charge => charge.UserId == customer.UserId))
        {
            var charge = Guid.CreateVersion7();
            var amount = 1000 * random.Next(1, 200);
            var charged = await UntilAnsweredAsync(() => customer.ChargeAsync(amount, charge));
            if (charged.Status == 201)
                _charges[(customer.UserId, charge)] = amount;
            else
                _brokenPromises.Add($"A charge was answered {charged}");
        }

        var schedule = _schedules[random.Next(_schedules.Length)];
        var first = random.Next(1, SeatPool.SeatsPerSchedule);
        var seats = schedule with { Numbers = random.Next(3) == 0 ? [first, first + 1] : [first] };
        var key = Guid.CreateVersion7();
        var pay = random.Next(2) == 0;
        _calls.AddOrUpdate(customer.UserId, 1, (_, calls) => calls + 1);
        var answer = await UntilAnsweredAsync(() => customer.ReserveAsync(seats, pay, key), seats);
        if (answer.Status is not (201 or 202 or 402))
        {
            // The books keep refused reservations too. A repeated request may find a later status.
            if (answer is { Status: 409 or 410, ReservationStatus: { } refused } && Array.IndexOf(Finals, refused) >= 0)
                _reservations[answer.ReservationId] = refused;
            else if (answer.Code is "RESERVATION_IN_PROGRESS")
                await SettleAsync(customer, answer.ReservationId, Finals);
            else if (answer.Code is not "SEAT_LIMIT_REACHED")
                _brokenPromises.Add($"A reservation was answered {answer}");
            return null;
        }
        var id = answer.ReservationId;
        _reservations[id] = null;
        Interlocked.Increment(ref _accepted);
        var status = await SettleAsync(customer, id, Settled);
        if (status is "AwaitingPayment" or "Confirmed")
            Interlocked.Increment(ref _reserved);
        if (status == "AwaitingPayment" && random.Next(3) > 0)
        {
            answer = await UntilAnsweredAsync(() => customer.PayAsync(id));
            if (answer.Status == 200)
                _reservations[id] = "Confirmed";
            // A payment in progress can still succeed or fail, and a late one finds that the hold has ended.
            status = await SettleAsync(customer, id, answer.Status == 402 ? Settled : Finals);
        }
        // Most customers cancel. The others keep their seats, or let the hold end if they have not paid.
        if (status is "AwaitingPayment" or "Confirmed" && random.Next(10) > 0)
        {
            await CancelAsync(customer, id);
            return null;
        }
        if (status == "AwaitingPayment")
            status = await SettleAsync(customer, id, Finals);
        _reservations[id] = status;
        return status == "Confirmed" ? id : null;
    }

    private async Task CancelAsync(Customer customer, Guid id)
    {
        _reservations[id] = null;
        // Looked at shortly before, so that it is known how long the seats belonged to it at least.
        await UntilAnsweredAsync(() => customer.GetAsync(id));
        var answer = await UntilAnsweredAsync(() => customer.CancelAsync(id));
        if (answer.Status == 200)
            _reservations[id] = "Cancelled";
        // An accepted cancellation succeeds unless the hold ends first.
        _reservations[id] = await SettleAsync(customer, id, "Cancelled", "Expired");
    }

    private async Task<string> SettleAsync(Customer customer, Guid id, params string[] statuses)
    {
        using var limit = new CancellationTokenSource(MaxWait);
        while (true)
        {
            var answer = await UntilAnsweredAsync(() => customer.GetAsync(id));
            if (answer.Status != 200)
                throw new InvalidOperationException($"{id} was accepted, and is now {answer}");
            if (Array.IndexOf(statuses, answer.ReservationStatus) >= 0)
                return answer.ReservationStatus!;
            if (limit.IsCancellationRequested)
                throw new TimeoutException($"{id} is still {answer.ReservationStatus} after {MaxWait.TotalSeconds} s.");
            await Task.Delay(250);
        }
    }

    // Repeats the same request after an error, 429 or 503, as a well-behaved client does. Notes an answer that says who has the seats.
    private async Task<Answer> UntilAnsweredAsync(Func<Task<Answer>> ask, SeatSelection? seats = null)
    {
        using var limit = new CancellationTokenSource(MaxWait);
        while (true)
        {
            string reason;
            var started = Stopwatch.GetTimestamp();
            Interlocked.Increment(ref _requests);
            try
            {
                var answer = await ask();
                Observe(answer, seats, started);
                if (!_tolerance.Excuses(answer))
                    return answer;
                reason = $"{answer.Status} {answer.Code}";
            }
            catch (Exception exception) when (Answer.IsMissing(exception))
            {
                reason = exception is HttpRequestException { StatusCode: { } status } ? $"{(int)status} {exception.Message}"
                    : exception.Message;
            }
            finally
            {
                Interlocked.Exchange(ref _slowestTicks, Math.Max(Slowest.Ticks, Stopwatch.GetElapsedTime(started).Ticks));
            }
            Interlocked.Increment(ref _repeated);
            if (limit.IsCancellationRequested)
                throw new TimeoutException($"No answer in {MaxWait.TotalSeconds} s, last: {reason}");
            await Task.Delay(250);
        }
    }

    private void Observe(Answer answer, SeatSelection? seats, long sent)
    {
        if (answer.Status is not (200 or 201 or 202) || answer.ReservationStatus is null)
            return;
        if (seats is not null)
            _seats[answer.ReservationId] = seats;
        if (answer is { Status: 200 or 201, ReservationStatus: "AwaitingPayment" or "Confirmed" }
            && _seats.TryGetValue(answer.ReservationId, out var known))
            _ownership.Observe(answer.ReservationId, known, sent, Stopwatch.GetTimestamp());
    }
}
