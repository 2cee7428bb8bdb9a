using ConcertSaga.EndToEnd.Tests.Systems;
using ConcertSaga.Testing;
using Xunit;

namespace ConcertSaga.EndToEnd.Tests.Invariants;

/// <summary>Checks invariants across the books of all owners once no work is pending.</summary>
internal static class Auditor
{
    private static readonly string[] Finals = ["Confirmed", "Rejected", "Expired", "Cancelled", "Failed"];

    private static readonly string[] Compensations = ["CancellingPayment", "RefundingPoints", "ReleasingSeats"];

    /// <summary>Waits until no work is pending, and checks the books.</summary>
    /// <param name="system">The system.</param>
    /// <param name="limit">How long to wait until every reservation has ended or awaits payment.</param>
    /// <param name="mayWait">
    /// The reservations that may await payment, such as those of another test on the same system; all if null.
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
                left = [.. books.Reservations.Values.Where(row => !Finals.Contains(row.State)
                    && !(row.State == "AwaitingPayment" && mayWait?.Contains(row.Id) != false))
                    .Select(row => $"{row.Id} {books.HistoryOf(row.Id)}")];
                // The databases are read one after the other, so a hold that ends meanwhile would look like a contradiction.
                var after = await Books.ReadStatesAsync(system);
                return left.Length == 0 && books.Undelivered == 0 && !PassesThatBought(books).Any() && !MissingDeliveries(books).Any()
                    && after.Count == books.Reservations.Count
                        && after.All(state => books.Reservations.TryGetValue(state.Key, out var row) && row.State == state.Value)
                    && books.Reservations.Values.All(row => books.Transitions[row.Id].LastOrDefault()?.To == row.State);
            }, limit, "no work is pending", Eventually.LongPause);
        }
        catch (TimeoutException exception)
        {
            var open = left.Concat(books is null ? [] : PassesThatBought(books).Concat(MissingDeliveries(books))).Take(10);
            throw new TimeoutException($"{exception.Message}; {books?.Undelivered} units undelivered; open: {left.Length}\n"
                + string.Join('\n', open), exception);
        }

        var wrong = CheckReservations(books).Concat(CheckHistories(books)).Concat(CheckActions(books)).Concat(CheckSeats(books))
            .Concat(CheckPoints(books))
            .Concat(CheckMoney(books)).Concat(CheckQueueEntries(books)).Concat(CheckDeliveries(books)).ToList();
        if (system.PlatformOutlivesKills)
            wrong.AddRange(await CheckReceivedAsync(system, books));
        // The broker has every outcome by now, but may deliver it to the listener later.
        if (await system.ReadAnnouncedAsync() is not null)
        {
            // Decision 18: a request refused for an unpaid reservation announces no outcome.
            var expected = books.Reservations.Values
                .Where(row => Finals.Contains(row.State) && row.FailureCode != "RESERVATION_IN_PROGRESS")
                .Select(row => (row.Id, row.State)).ToArray();
            (Guid, string)[] missing = [];
            await Eventually.TrueAsync(async () =>
            {
                var announced = (await system.ReadAnnouncedAsync())!;
                missing = [.. expected.Where(outcome => !announced.Contains(outcome))];
                return missing.Length == 0;
            }, TimeSpan.FromSeconds(60), "every outcome was announced", Eventually.LongPause).ContinueWith(_ => { }, TaskScheduler.Default);
            // A purchase that was cancelled has announced both.
            wrong.AddRange((await system.ReadAnnouncedAsync())!.Where(announced =>
                books.Reservations.TryGetValue(announced.Reservation, out var row) && Finals.Contains(row.State)
                && announced.Outcome != row.State && !(announced.Outcome == "Confirmed" && row.WasPaid))
                .Select(announced => $"Outcome {announced.Outcome} of {announced.Reservation} was announced: "
                    + books.HistoryOf(announced.Reservation)));
            wrong.AddRange(missing.Select(outcome =>
                $"Outcome {outcome.Item2} of {outcome.Item1} was never announced: {books.HistoryOf(outcome.Item1)}"));
        }
        Assert.True(wrong.Count == 0, $"{wrong.Count} findings:\n{string.Join('\n', wrong.Take(20))}");
        return books;
    }

    private static IEnumerable<string> CheckReservations(Books books)
    {
        foreach (var row in books.Reservations.Values.Where(row => Finals.Contains(row.State)))
        {
            if (row.Outcome != row.State || row.UnpaidUserId is not null || row.HasDeadline)
                yield return $"{row} is final, but its columns disagree.";
        }
    }

    // The waiting room ends the pass of a purchase with a delay.
    private static IEnumerable<string> PassesThatBought(Books books) =>
        from row in books.Reservations.Values
        where row is { WasPaid: true, Pass: not null }
        let pass = books.QueueEntries.GetValueOrDefault(row.Pass!.Value)
        where pass is not { Status: "Completed" or "Left" }
        select $"{row.Id} was paid, and its pass {row.Pass} is {pass?.Status ?? "not there"}.";

    // The relay delivers events with a delay.
    private static IEnumerable<string> MissingDeliveries(Books books) =>
        from row in books.Reservations.Values
        let deliveries = books.Deliveries[row.Id].ToArray()
        where deliveries.Length < CountEvents(row) || deliveries.Any(delivery => delivery.Status != "Delivered")
        select $"{row.Id} ({row.State}{(row.WasPaid ? ", was paid" : "")}) has "
            + $"{(deliveries.Length == 0 ? "no deliveries" : string.Join(", ", deliveries.AsEnumerable()))}.";

    private static int CountEvents(ReservationRow row) =>
        row switch { { WasPaid: true, State: "Cancelled" } => 2, { WasPaid: true } => 1, _ => 0 };

    // A paid reservation has each of its events once, and no others.
    private static IEnumerable<string> CheckDeliveries(Books books)
    {
        string[] types = ["reservation.confirmed", "reservation.cancelled"];
        foreach (var row in books.Reservations.Values)
        {
            var deliveries = books.Deliveries[row.Id].ToArray();
            if (!deliveries.Select(delivery => (delivery.Sequence, delivery.EventType))
                .SequenceEqual(types.Take(CountEvents(row)).Select((type, index) => (index + 1, type))))
                yield return $"{row.Id} ({row.State}{(row.WasPaid ? ", was paid" : "")}) has "
                    + $"{(deliveries.Length == 0 ? "no deliveries" : string.Join(", ", deliveries.AsEnumerable()))}.";
        }
        foreach (var stranger in books.Deliveries.Where(group => !books.Reservations.ContainsKey(group.Key)))
            yield return $"There are deliveries of {stranger.Key}, which is not a reservation.";
    }

    // The platform has received every delivery under its id and in order. It rejects requests without a valid signature.
    private static async Task<List<string>> CheckReceivedAsync(ISystem system, Books books)
    {
        var wrong = new List<string>();
        foreach (var deliveries in books.Deliveries)
        {
            var received = await system.ReadEventsAsync(deliveries.Key);
            if (!received.Select(item => Guid.Parse(item.Id)).SequenceEqual(deliveries.Select(delivery => delivery.Id)))
                wrong.Add(
                    $"Of {deliveries.Key} the platform received {(received.Count == 0 ? "nothing" : string.Join(", ", received))} "
                        + $"instead of {string.Join(", ", deliveries.AsEnumerable())}.");
        }
        var report = await system.ReadReportAsync();
        wrong.AddRange(report.Refused.Select(refused => $"The platform refused {refused.Value} deliveries: {refused.Key}."));
        if (report.OutOfOrder > 0)
            wrong.Add($"The platform received {report.OutOfOrder} events before their predecessor.");
        return wrong;
    }

    // Queue numbers have no gaps and no duplicates. A customer has one live entry per waiting room, and a pass buys once.
    private static IEnumerable<string> CheckQueueEntries(Books books)
    {
        foreach (var (concertId, assigned) in books.NumbersAssigned)
        {
            var entries = books.QueueEntries.Values.Where(entry => entry.ConcertId == concertId).ToArray();
            if (!entries.Select(entry => entry.Number).Order()
                .SequenceEqual(Enumerable.Range(1, (int)assigned).Select(number => (long)number)))
                yield return $"Concert {concertId} has assigned {assigned} numbers, and has {entries.Length} entries up to number "
                    + $"{entries.Max(entry => (long?)entry.Number)}.";
            foreach (var customer in entries.Where(entry => entry.Status is "Waiting" or "Offered" or "Active")
                .GroupBy(entry => entry.UserId).Where(customer => customer.Count() > 1))
                yield return $"{customer.Key} has {customer.Count()} live entries for concert {concertId}.";
        }
        var bought = books.Reservations.Values.Where(row => row is { WasPaid: true, Pass: not null }).ToLookup(row => row.Pass!.Value);
        foreach (var pass in bought.Where(pass => pass.Count() > 1))
            yield return $"The pass {pass.Key} bought {string.Join(" and ", pass.Select(row => row.Id))}.";
        foreach (var entry in books.QueueEntries.Values.Where(entry => entry.Status == "Completed" && !bought.Contains(entry.Id)))
            yield return $"{entry} is completed without a purchase.";
    }

    // The history is a chain that ends in the current state. The saga has compensated its steps in reverse, except a rejected one.
    private static IEnumerable<string> CheckHistories(Books books)
    {
        foreach (var row in books.Reservations.Values)
        {
            var history = books.Transitions[row.Id].ToArray();
            var chained = history.Length > 0 && history[0].From is null && history[^1].To == row.State
                && history.Select((step, index) => step.Sequence == index + 1 && (index == 0 || step.From == history[index - 1].To))
                    .All(fits => fits);
            if (!chained)
                yield return $"The history of {row.Id} ({row.State}) does not chain: {books.HistoryOf(row.Id)}";

            string[] compensated =
                [.. history.Where(step => step.From != step.To && Compensations.Contains(step.To)).Select(step => step.To)];
            if (!compensated.SequenceEqual(ExpectedCompensations(row, history)))
                yield return $"{row.Id} ({row.State}) compensated {string.Join(", ", compensated)}: {books.HistoryOf(row.Id)}";
        }
    }

    private static IEnumerable<string> ExpectedCompensations(ReservationRow row, TransitionRow[] history)
    {
        if (row.State is not ("Failed" or "Cancelled" or "Expired"))
            yield break;
        bool Leaves(string from, params string[] to) => history.Any(step => step.From == from && to.Contains(step.To));
        if (Leaves("ConfirmingPayment", "ConfirmingSeats", "CancellingPayment"))
            yield return "CancellingPayment";
        if (Leaves("DeductingPoints", "ConfirmingPayment", "RefundingPoints"))
            yield return "RefundingPoints";
        // An operator can cancel before the saga has asked for seats.
        if (Leaves("Requested", "HoldingSeats"))
            yield return "ReleasingSeats";
    }

    // An operator's action has its row exactly if it has its effect: one transition or resend, under the id of the action.
    private static IEnumerable<string> CheckActions(Books books)
    {
        var rows = books.Actions.Where(row => row.Target.StartsWith("reservations/", StringComparison.Ordinal)).ToLookup(row => row.Target);
        foreach (var reservation in books.Reservations.Values)
        {
            var effects = books.Transitions[reservation.Id]
                .Where(step => step.Trigger is "OperatorRetryRequested" or "OperatorCancellationRequested")
                .Select(step => (step.MessageId, step.Trigger == "OperatorRetryRequested" ? "Retry" : "Cancel")).Order();
            var own = rows[$"reservations/{reservation.Id}"].ToArray();
            var recorded = own.Where(row => row.Before != row.After).Select(row => ((Guid?)row.Id, row.Action)).Order().ToArray();
            var isCancelled = reservation is { State: "Cancelled", FailureCode: "CANCELLED_BY_OPERATOR" or "SCHEDULE_CANCELLED" };
            if (!effects.SequenceEqual(recorded) || recorded.Count(row => row.Action == "Cancel") != (isCancelled ? 1 : 0)
                || own.Any(row => row.Before != row.After && row.Refusal is not null))
                yield return $"{reservation.Id} ({reservation.State}, {reservation.FailureCode}) has the actions "
                    + $"{string.Join(", ", own.AsEnumerable())}: {books.HistoryOf(reservation.Id)}";
        }
    }

    private static IEnumerable<string> CheckSeats(Books books)
    {
        foreach (var pair in books.Schedules.GroupJoin(books.Seats, schedule => schedule.Id, seat => seat.ScheduleId,
            (schedule, seats) => (schedule, seats)))
        {
            var available = pair.seats.Count(seat => seat.Status == "Available");
            if (pair.schedule.Available != available || pair.schedule.Total != pair.seats.Count())
                yield return $"{pair.schedule} has {available} available seats.";
        }
        foreach (var seat in books.Seats.Where(seat => (seat.Status == "Available") != (seat.Reservation is null)))
            yield return $"{seat} contradicts itself.";

        var byReservation = books.Seats.Where(seat => seat.Reservation is not null).ToLookup(seat => seat.Reservation!.Value);
        foreach (var row in books.Reservations.Values)
        {
            var expected = row.State switch { "Confirmed" => "Sold", "AwaitingPayment" => "Held", _ => null };
            var has = byReservation[row.Id].OrderBy(seat => seat.Number).ToArray();
            var right = expected is null ? has.Length == 0
                : has.Select(seat => seat.Number).SequenceEqual(row.Seats)
                    && has.All(seat => seat.ScheduleId == row.ScheduleId && seat.Status == expected);
            if (!right)
                yield return $"{row.Id} ({row.State}, seats {string.Join(',', row.Seats)} of {row.ScheduleId}) has "
                    + $"{string.Join(", ", has.AsEnumerable())}";
        }
        foreach (var stranger in byReservation.Where(group => !books.Reservations.ContainsKey(group.Key)))
            yield return $"Seats belong to {stranger.Key}, which is not a reservation.";
    }

    private static IEnumerable<string> CheckPoints(Books books)
    {
        var entries = books.Entries.ToLookup(entry => entry.UserId);
        foreach (var account in books.Accounts)
        {
            var own = entries[account.UserId].ToArray();
            long sum = 0;
            var chained = own.Select((entry, index) => entry.Sequence == index + 1 && entry.BalanceAfter == (sum += entry.Amount)
                && sum >= 0).All(fits => fits);
            if (!chained || sum != account.Balance || own.Length != account.EntryCount)
                yield return $"{account} does not follow from its {own.Length} entries, which sum to {sum}.";
        }
    }

    // Each deduction belongs to a confirmed reservation or has a refund.
    private static IEnumerable<string> CheckMoney(Books books)
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
                yield return $"{row.Id} ({row.State}, {row.Price}): taken {string.Join(',', taken)}, returned "
                    + $"{string.Join(',', returned)}, paid {paid}: {books.HistoryOf(row.Id)}";
        }
        foreach (var stranger in moved.Where(group => !books.Reservations.ContainsKey(group.Key)))
            yield return $"Points moved for {stranger.Key}, which is not a reservation.";
    }
}
