using System.Collections.Concurrent;
using ConcertSaga.EndToEnd.Tests.Invariants;
using ConcertSaga.EndToEnd.Tests.Systems;
using Xunit;

namespace ConcertSaga.EndToEnd.Tests.Client;

/// <summary>
/// A bounded number of people who reserve, pay and cancel without a pause, and repeat what was not answered, with the same key. What the
/// system promised them with a 2xx is remembered, and compared with its books at the end.
/// </summary>
internal sealed class Shoppers : IDisposable
{
    // Longer than any part needs to come back.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(100);

    private static readonly string[] Finals = ["Confirmed", "Rejected", "Expired", "Cancelled", "Failed"];

    private static readonly string[] Settled = [.. Finals, "AwaitingPayment"];

    private readonly CancellationTokenSource _closing = new();
    private readonly ConcurrentDictionary<Guid, string?> _reservations = new();
    private readonly ConcurrentDictionary<(string UserId, Guid Key), long> _charges = new();
    private readonly ConcurrentBag<string> _broken = [];
    private readonly SeatsOfDate[] _dates;
    private Task _shopping = Task.CompletedTask;
    private int _accepted;
    private int _repeats;

    private Shoppers(SeatsOfDate[] dates) => _dates = dates;

    /// <summary>How many reservations got their seats so far, or may yet.</summary>
    public int Accepted => _accepted;

    /// <summary>Opens the doors.</summary>
    public static async Task<Shoppers> StartAsync(ISystem system, int people, int dates, int seed)
    {
        var shoppers = new Shoppers([.. Enumerable.Range(0, dates).Select(_ => system.Seats.TakeDate())]);
        var crowd = await Customer.SignInAsync(system, people, points: 0);
        shoppers._shopping = Task.WhenAll(crowd.Select((customer, index) => Task.Run(() => shoppers.ShopAsync(customer, new Random(seed + index)))));
        return shoppers;
    }

    /// <summary>Nobody begins anything new; returns when everybody has ended what they were at.</summary>
    /// <returns>What happened, in a line.</returns>
    public async Task<string> CloseAsync()
    {
        await _closing.CancelAsync();
        await _shopping;
        var outcomes = _reservations.Values.GroupBy(outcome => outcome ?? "unknown").Select(group => $"{group.Count()} {group.Key}");
        return $"{_reservations.Count} reservations, {_accepted} with seats ({string.Join(", ", outcomes)}), {_charges.Count} charges, {_repeats} requests repeated";
    }

    /// <summary>Every promise is in the books.</summary>
    public void Check(Books books)
    {
        foreach (var (id, promised) in _reservations)
        {
            if (!books.Reservations.TryGetValue(id, out var row))
                _broken.Add($"{id} was accepted and is not there.");
            else if (promised is not null && row.State != promised)
                _broken.Add($"{id} was answered as {promised}, and is {row.State}: {books.StoryOf(id)}");
        }
        foreach (var ((userId, key), amount) in _charges)
        {
            if (!books.Charges.Contains((userId, key, amount)))
                _broken.Add($"The charge {key} of {userId} was accepted and is not there.");
        }
        foreach (var user in _charges.GroupBy(charge => charge.Key.UserId))
        {
            var charged = books.Entries.Where(entry => entry.UserId == user.Key && entry.Kind == "Charge").Sum(entry => entry.Amount);
            if (charged != user.Sum(charge => charge.Value))
                _broken.Add($"{user.Key} was charged {charged} instead of {user.Sum(charge => charge.Value)}.");
        }
        Assert.True(_broken.IsEmpty, $"{_broken.Count} promises were broken:\n{string.Join('\n', _broken.Take(20))}");
    }

    /// <inheritdoc />
    public void Dispose() => _closing.Dispose();

    private async Task ShopAsync(Customer customer, Random random)
    {
        try
        {
            var kept = new Queue<Guid>();
            while (!_closing.IsCancellationRequested)
            {
                // Who keeps more soon has as many seats as one person may have, and is only refused from then on.
                while (kept.Count > 1)
                    await GiveBackAsync(customer, kept.Dequeue());
                if (await ShopOnceAsync(customer, random) is { } bought)
                    kept.Enqueue(bought);
            }
        }
        catch (Exception exception) when (exception is not OutOfMemoryException)
        {
            _broken.Add($"{customer.UserId}: {exception.Message}");
        }
    }

    // Returns the reservation that is kept, if one is.
    private async Task<Guid?> ShopOnceAsync(Customer customer, Random random)
    {
        if (random.Next(4) == 0 || !_charges.Keys.Any(charge => charge.UserId == customer.UserId))
        {
            var (charge, amount) = (Guid.CreateVersion7(), 1000 * random.Next(1, 200));
            var charged = await UntilAnsweredAsync(() => customer.ChargeAsync(amount, charge));
            if (charged.Status == 201)
                _charges[(customer.UserId, charge)] = amount;
            else
                _broken.Add($"A charge was answered {charged}");
        }

        var date = _dates[random.Next(_dates.Length)];
        var first = random.Next(1, SeatPool.SeatsPerDate);
        var seats = date with { Numbers = random.Next(3) == 0 ? [first, first + 1] : [first] };
        var (key, pay) = (Guid.CreateVersion7(), random.Next(2) == 0);
        var answer = await UntilAnsweredAsync(() => customer.ReserveAsync(seats, pay, key));
        if (answer.Status is not (201 or 202 or 402))
        {
            // A refused one is in the books as well, and stays what it was; a repeat finds what became of it meanwhile.
            if (answer is { Status: 409 or 410, ReservationStatus: { } refused } && Array.IndexOf(Finals, refused) >= 0)
                _reservations[answer.ReservationId] = refused;
            else if (answer.Code is "RESERVATION_IN_PROGRESS")
                await SettleAsync(customer, answer.ReservationId, Finals);
            else if (answer.Code is not "SEAT_LIMIT_REACHED")
                _broken.Add($"A reservation was answered {answer}");
            return null;
        }
        var id = answer.ReservationId;
        _reservations[id] = null;
        Interlocked.Increment(ref _accepted);
        var status = await SettleAsync(customer, id, Settled);
        if (status == "AwaitingPayment" && random.Next(3) > 0)
        {
            answer = await UntilAnsweredAsync(() => customer.PayAsync(id));
            if (answer.Status == 200)
                _reservations[id] = "Confirmed";
            // A payment that is only accepted yet can still end both ways, and one that comes late finds the hold over.
            status = await SettleAsync(customer, id, answer.Status == 402 ? Settled : Finals);
        }
        // Most change their minds; of the others, those who have not paid let their hold end.
        if (status is "AwaitingPayment" or "Confirmed" && random.Next(10) > 0)
        {
            await GiveBackAsync(customer, id);
            return null;
        }
        if (status == "AwaitingPayment")
            status = await SettleAsync(customer, id, Finals);
        _reservations[id] = status;
        return status == "Confirmed" ? id : null;
    }

    private async Task GiveBackAsync(Customer customer, Guid id)
    {
        _reservations[id] = null;
        var answer = await UntilAnsweredAsync(() => customer.CancelAsync(id));
        if (answer.Status == 200)
            _reservations[id] = "Cancelled";
        // Accepted, it happens, unless the hold ended first; nothing else is under way that could come before.
        _reservations[id] = await SettleAsync(customer, id, "Cancelled", "Expired");
    }

    private async Task<string> SettleAsync(Customer customer, Guid id, params string[] statuses)
    {
        using var limit = new CancellationTokenSource(Patience);
        while (true)
        {
            var answer = await UntilAnsweredAsync(() => customer.GetAsync(id));
            if (answer.Status != 200)
                throw new InvalidOperationException($"{id} was accepted, and is now {answer}");
            if (Array.IndexOf(statuses, answer.ReservationStatus) >= 0)
                return answer.ReservationStatus!;
            if (limit.IsCancellationRequested)
                throw new TimeoutException($"{id} is still {answer.ReservationStatus} after {Patience.TotalSeconds} s.");
            await Task.Delay(50);
        }
    }

    // What a good client does: nothing answered, or told to come again, means the same request once more.
    private async Task<Answer> UntilAnsweredAsync(Func<Task<Answer>> ask)
    {
        using var limit = new CancellationTokenSource(Patience);
        while (true)
        {
            string reason;
            try
            {
                var answer = await ask();
                if (answer.Status is not (429 or 503))
                    return answer;
                reason = answer.ToString();
            }
            catch (Exception exception) when (exception is HttpRequestException or TaskCanceledException or IOException)
            {
                reason = exception.Message;
            }
            Interlocked.Increment(ref _repeats);
            if (limit.IsCancellationRequested)
                throw new TimeoutException($"No answer in {Patience.TotalSeconds} s, last: {reason}");
            await Task.Delay(100);
        }
    }
}
