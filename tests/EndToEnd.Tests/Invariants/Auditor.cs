using ConcertSaga.EndToEnd.Tests.Systems;
using ConcertSaga.Testing;
using Xunit;

namespace ConcertSaga.EndToEnd.Tests.Invariants;

/// <summary>What must be true of the books of all owners whenever nothing is under way, whatever happened before.</summary>
internal static class Auditor
{
    private static readonly string[] Finals = ["Confirmed", "Rejected", "Expired", "Cancelled", "Failed"];

    private static readonly string[] Undoing = ["CancellingPayment", "RefundingPoints", "ReleasingSeats"];

    /// <summary>Waits until nothing is under way, and checks the books.</summary>
    /// <param name="system">The system.</param>
    /// <param name="limit">How long until every reservation has ended, or waits for its payment.</param>
    /// <param name="mayWait">
    /// Which reservations may wait for their payment, such as those that another test left on the same system; all where this is null.
    /// </param>
    public static async Task<Books> CheckAsync(ISystem system, TimeSpan limit, IReadOnlySet<Guid>? mayWait = null)
    {
        Books books = null!;
        var left = Array.Empty<string>();
        try
        {
            await Eventually.TrueAsync(async () =>
            {
                books = await Books.ReadAsync(system);
                left = [.. books.Reservations.Values.Where(row => !Finals.Contains(row.State) && !(row.State == "AwaitingPayment" && mayWait?.Contains(row.Id) != false))
                    .Select(row => $"{row.Id} {books.StoryOf(row.Id)}")];
                // The four databases are not read at one moment; a hold that ran out meanwhile would look like a contradiction.
                var after = await Books.ReadStatesAsync(system);
                return left.Length == 0 && books.Undelivered == 0 && !PassesThatBought(books).Any() && !Untold(books).Any()
                    && after.Count == books.Reservations.Count && after.All(one => books.Reservations.TryGetValue(one.Key, out var row) && row.State == one.Value)
                    && books.Reservations.Values.All(row => books.Transitions[row.Id].LastOrDefault()?.To == row.State);
            }, limit, "nothing is under way");
        }
        catch (TimeoutException exception)
        {
            throw new TimeoutException($"{exception.Message}; {books?.Undelivered} units undelivered; open: {left.Length}\n{string.Join('\n', left.Concat(books is null ? [] : PassesThatBought(books).Concat(Untold(books))).Take(10))}", exception);
        }

        var wrong = Reservations(books).Concat(Histories(books)).Concat(Seats(books)).Concat(Points(books)).Concat(Money(books)).Concat(Places(books)).Concat(Deliveries(books)).ToList();
        if (system.PlatformOutlivesKills)
            wrong.AddRange(await ToldAsync(system, books));
        // What was decided has reached the broker by now; the broker brings it to the listener in its own time.
        if (await system.AnnouncedAsync() is not null)
        {
            var expected = books.Reservations.Values.Where(row => Finals.Contains(row.State)).Select(row => (row.Id, row.State)).ToArray();
            (Guid, string)[] missing = [];
            await Eventually.TrueAsync(async () =>
            {
                var heard = (await system.AnnouncedAsync())!;
                missing = [.. expected.Where(one => !heard.Contains(one))];
                return missing.Length == 0;
            }, TimeSpan.FromSeconds(15), "every outcome was announced").ContinueWith(_ => { }, TaskScheduler.Default);
            wrong.AddRange(missing.Select(one => $"Outcome {one.Item2} of {one.Item1} was never announced: {books.StoryOf(one.Item1)}"));
        }
        Assert.True(wrong.Count == 0, $"{wrong.Count} things are wrong:\n{string.Join('\n', wrong.Take(20))}");
        return books;
    }

    private static IEnumerable<string> Reservations(Books books)
    {
        foreach (var row in books.Reservations.Values.Where(row => Finals.Contains(row.State)))
        {
            if (row.Outcome != row.State || row.UnpaidUserId is not null || row.HasDeadline)
                yield return $"{row} is final, but not in all columns.";
        }
    }

    // The waiting room hears of a purchase in its own time, and ends the pass.
    private static IEnumerable<string> PassesThatBought(Books books) =>
        from row in books.Reservations.Values
        where row is { WasPaid: true, Pass: not null }
        let pass = books.Places.GetValueOrDefault(row.Pass!.Value)
        where pass is not { Status: "Completed" or "Left" }
        select $"{row.Id} was paid, and its pass {row.Pass} is {pass?.Status ?? "not there"}.";

    // The relay tells the platform in its own time.
    private static IEnumerable<string> Untold(Books books) =>
        from row in books.Reservations.Values
        let told = books.Deliveries[row.Id].ToArray()
        where told.Length < EventsOf(row) || told.Any(delivery => delivery.Status != "Delivered")
        select $"{row.Id} ({row.State}{(row.WasPaid ? ", was paid" : "")}) has {(told.Length == 0 ? "no deliveries" : string.Join(", ", told.AsEnumerable()))}.";

    private static int EventsOf(ReservationRow row) => row switch { { WasPaid: true, State: "Cancelled" } => 2, { WasPaid: true } => 1, _ => 0 };

    // Each event of a paid reservation once, and no other.
    private static IEnumerable<string> Deliveries(Books books)
    {
        string[] types = ["reservation.confirmed", "reservation.cancelled"];
        foreach (var row in books.Reservations.Values)
        {
            var deliveries = books.Deliveries[row.Id].ToArray();
            if (!deliveries.Select(one => (one.Sequence, one.EventType)).SequenceEqual(types.Take(EventsOf(row)).Select((type, index) => (index + 1, type))))
                yield return $"{row.Id} ({row.State}{(row.WasPaid ? ", was paid" : "")}) has {(deliveries.Length == 0 ? "no deliveries" : string.Join(", ", deliveries.AsEnumerable()))}.";
        }
        foreach (var stranger in books.Deliveries.Where(group => !books.Reservations.ContainsKey(group.Key)))
            yield return $"There are deliveries of {stranger.Key}, which is no reservation.";
    }

    // What was written down as delivered came: under its own id, in order, and signed, or it would not have been taken.
    private static async Task<List<string>> ToldAsync(ISystem system, Books books)
    {
        var wrong = new List<string>();
        foreach (var deliveries in books.Deliveries)
        {
            var told = await system.ToldOfAsync(deliveries.Key);
            if (!told.Select(one => Guid.Parse(one.Id)).SequenceEqual(deliveries.Select(one => one.Id)))
                wrong.Add($"Of {deliveries.Key} the platform was told {(told.Count == 0 ? "nothing" : string.Join(", ", told))} instead of {string.Join(", ", deliveries.AsEnumerable())}.");
        }
        var report = await system.ToldAsync();
        wrong.AddRange(report.Refused.Select(refused => $"The platform refused {refused.Value} deliveries: {refused.Key}."));
        if (report.OutOfOrder > 0)
            wrong.Add($"The platform was told {report.OutOfOrder} events before the one before them.");
        return wrong;
    }

    // Numbers are given in order and none twice; a person has one place in a line; a pass buys once, and ends as bought only when it has.
    private static IEnumerable<string> Places(Books books)
    {
        foreach (var (concertId, given) in books.PlacesGiven)
        {
            var line = books.Places.Values.Where(place => place.ConcertId == concertId).ToArray();
            if (!line.Select(place => place.Number).Order().SequenceEqual(Enumerable.Range(1, (int)given).Select(number => (long)number)))
                yield return $"Concert {concertId} gave {given} places, and {line.Length} are there, up to {line.Max(place => (long?)place.Number)}.";
            foreach (var person in line.Where(place => place.Status is "Waiting" or "Offered" or "Active").GroupBy(place => place.UserId).Where(person => person.Count() > 1))
                yield return $"{person.Key} has {person.Count()} places for concert {concertId}.";
        }
        var bought = books.Reservations.Values.Where(row => row is { WasPaid: true, Pass: not null }).ToLookup(row => row.Pass!.Value);
        foreach (var pass in bought.Where(pass => pass.Count() > 1))
            yield return $"The pass {pass.Key} bought {string.Join(" and ", pass.Select(row => row.Id))}.";
        foreach (var place in books.Places.Values.Where(place => place.Status == "Completed" && !bought.Contains(place.Id)))
            yield return $"{place} has bought nothing.";
    }

    // The history chains from the first row to the present state, and what it entered and did not see refused it undid, in reverse.
    private static IEnumerable<string> Histories(Books books)
    {
        foreach (var row in books.Reservations.Values)
        {
            var story = books.Transitions[row.Id].ToArray();
            var chained = story.Length > 0 && story[0].From is null && story[^1].To == row.State
                && story.Select((step, index) => step.Sequence == index + 1 && (index == 0 || step.From == story[index - 1].To)).All(fits => fits);
            if (!chained)
                yield return $"The history of {row.Id} ({row.State}) does not chain: {books.StoryOf(row.Id)}";

            string[] undone = [.. story.Where(step => step.From != step.To && Undoing.Contains(step.To)).Select(step => step.To)];
            if (!undone.SequenceEqual(ToUndo(row, story)))
                yield return $"{row.Id} ({row.State}) undid {string.Join(", ", undone)}: {books.StoryOf(row.Id)}";
        }
    }

    private static IEnumerable<string> ToUndo(ReservationRow row, TransitionRow[] story)
    {
        if (row.State is not ("Failed" or "Cancelled" or "Expired"))
            yield break;
        bool Leaves(string from, params string[] to) => story.Any(step => step.From == from && to.Contains(step.To));
        if (Leaves("ConfirmingPayment", "ConfirmingSeats", "CancellingPayment"))
            yield return "CancellingPayment";
        if (Leaves("DeductingPoints", "ConfirmingPayment", "RefundingPoints"))
            yield return "RefundingPoints";
        yield return "ReleasingSeats";
    }

    private static IEnumerable<string> Seats(Books books)
    {
        foreach (var schedule in books.Schedules.GroupJoin(books.Seats, date => date.Id, seat => seat.ScheduleId, (date, seats) => (date, seats)))
        {
            var available = schedule.seats.Count(seat => seat.Status == "Available");
            if (schedule.date.Available != available || schedule.date.Total != schedule.seats.Count())
                yield return $"{schedule.date} has {available} available seats.";
        }
        foreach (var seat in books.Seats.Where(seat => (seat.Status == "Available") != (seat.Reservation is null)))
            yield return $"{seat} contradicts itself.";

        var byReservation = books.Seats.Where(seat => seat.Reservation is not null).ToLookup(seat => seat.Reservation!.Value);
        foreach (var row in books.Reservations.Values)
        {
            var expected = row.State switch { "Confirmed" => "Sold", "AwaitingPayment" => "Held", _ => null };
            var has = byReservation[row.Id].OrderBy(seat => seat.Number).ToArray();
            var right = expected is null ? has.Length == 0
                : has.Select(seat => seat.Number).SequenceEqual(row.Seats) && has.All(seat => seat.ScheduleId == row.ScheduleId && seat.Status == expected);
            if (!right)
                yield return $"{row.Id} ({row.State}, seats {string.Join(',', row.Seats)} of {row.ScheduleId}) has {string.Join(", ", has.AsEnumerable())}";
        }
        foreach (var stranger in byReservation.Where(group => !books.Reservations.ContainsKey(group.Key)))
            yield return $"Seats belong to {stranger.Key}, which is no reservation.";
    }

    private static IEnumerable<string> Points(Books books)
    {
        var entries = books.Entries.ToLookup(entry => entry.UserId);
        foreach (var account in books.Accounts)
        {
            var own = entries[account.UserId].ToArray();
            long sum = 0;
            var chained = own.Select((entry, index) => entry.Sequence == index + 1 && entry.BalanceAfter == (sum += entry.Amount) && sum >= 0).All(fits => fits);
            if (!chained || sum != account.Balance || own.Length != account.EntryCount)
                yield return $"{account} does not follow from its {own.Length} entries, which sum to {sum}.";
        }
    }

    // Each deduction ends in one confirmed reservation or in one refund.
    private static IEnumerable<string> Money(Books books)
    {
        var moved = books.Entries.Where(entry => entry.Reservation is not null).ToLookup(entry => entry.Reservation!.Value);
        foreach (var row in books.Reservations.Values)
        {
            long[] taken = [.. moved[row.Id].Where(entry => entry.Kind == "Deduction").Select(entry => -entry.Amount)];
            long[] returned = [.. moved[row.Id].Where(entry => entry.Kind == "Refund").Select(entry => entry.Amount)];
            var paid = books.Payments.GetValueOrDefault(row.Id) is { Status: "Confirmed" } payment ? payment.Amount : 0;
            var right = row.State == "Confirmed"
                ? taken.SequenceEqual([row.Price!.Value]) && returned.Length == 0 && paid == row.Price
                : taken.Length <= 1 && taken.SequenceEqual(returned) && paid == 0;
            if (!right)
                yield return $"{row.Id} ({row.State}, {row.Price}): taken {string.Join(',', taken)}, returned {string.Join(',', returned)}, paid {paid}: {books.StoryOf(row.Id)}";
        }
        foreach (var stranger in moved.Where(group => !books.Reservations.ContainsKey(group.Key)))
            yield return $"Points moved for {stranger.Key}, which is no reservation.";
    }
}
