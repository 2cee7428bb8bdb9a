using System.Collections.Concurrent;
using System.Net.Sockets;
using System.Text.Json;
using ConcertSaga.EndToEnd.Tests.Invariants;
using ConcertSaga.EndToEnd.Tests.Systems;
using ConcertSaga.Testing;
using Xunit;

namespace ConcertSaga.EndToEnd.Tests.Client;

/// <summary>
/// Runs operators who retry and cancel the reservations of a crowd, one by one and in bulk, move its schedules, and requeue failed
/// messages. It records what the system answered, and compares that with the books at the end. Each action has its own reason, which finds
/// its rows.
/// </summary>
internal sealed class OperatorCrowd : IDisposable
{
    private const string Reservations = "/ops/api/reservations";
    private const string FailedMessages = "/ops/api/failed-messages";
    private const string Operations = "/ops/api/operations";

    // Longer than any part needs to restart.
    private static readonly TimeSpan MaxWait = TimeSpan.FromSeconds(100);

    private static readonly string?[] States =
    [
        null, null, "Requested", "HoldingSeats", "AwaitingPayment", "DeductingPoints", "ConfirmingPayment", "ConfirmingSeats", "Confirmed",
        "CancellingPayment", "RefundingPoints", "ReleasingSeats", "Cancelled"
    ];

    private readonly CancellationTokenSource _closing = new();
    private readonly ConcurrentDictionary<string, Single> _singles = new();
    private readonly ConcurrentDictionary<string, Bulk> _bulks = new();
    private readonly ConcurrentDictionary<string, Move> _moves = new();
    private readonly ConcurrentDictionary<string, byte> _failed = new();
    private readonly ConcurrentBag<string> _brokenPromises = [];
    private readonly ISystem _system;
    private readonly IReadOnlyList<SeatSelection> _schedules;
    private readonly Dictionary<int, DateTimeOffset> _starts = [];
    private readonly Tolerance _tolerance;
    private Task _working = Task.CompletedTask;
    private Customer? _first;
    private int _reasons;

    private OperatorCrowd(ISystem system, IReadOnlyList<SeatSelection> schedules, Tolerance tolerance)
    {
        _system = system;
        _schedules = schedules;
        _tolerance = tolerance;
    }

    // Status: of the answer; null if there was none.
    private sealed record Single(string Action, Guid Reservation, int? Status);

    private sealed record Bulk(string Action, Guid OperationId, int Matched);

    private sealed record Move(int ScheduleId, DateTimeOffset Start, int? Status);

    /// <summary>Signs in the operators and lets them work.</summary>
    /// <param name="system">The system.</param>
    /// <param name="schedules">The schedules that they change.</param>
    /// <param name="operators">How many they are.</param>
    /// <param name="seed">Chooses what they do.</param>
    /// <param name="tolerance">What the system may answer meanwhile.</param>
    public static async Task<OperatorCrowd> StartAsync(ISystem system, IReadOnlyList<SeatSelection> schedules, int operators, int seed,
        Tolerance? tolerance = null)
    {
        var crowd = new OperatorCrowd(system, schedules, tolerance ?? new Tolerance());
        var customers = new List<Customer>();
        for (var index = 0; index < operators; index++)
            customers.Add(await Customer.SignInAsync(system, 0, "ops"));
        crowd._first = customers[0];
        foreach (var schedule in schedules)
            crowd._starts[schedule.ScheduleId] = await crowd.StartOfAsync(schedule.ScheduleId);
        crowd._working = Task.WhenAll(customers.Select((ops, index) => Task.Run(() => crowd.WorkAsync(ops, new Random(seed - 1 - index)))));
        return crowd;
    }

    /// <summary>Ends the work, and returns when every operation is complete and every accepted action is recorded.</summary>
    public async Task CloseAsync()
    {
        await _closing.CancelAsync();
        await _working;
        // The messages that the last kills left.
        await RequeueAsync(_first!);
        foreach (var (reason, bulk) in _bulks)
        {
            await Eventually.TrueAsync(
                async () => (await _first!.GetAsync($"{Operations}/{bulk.OperationId}")).Text("status") == "Completed", MaxWait,
                $"operation {bulk.OperationId} ({reason}) is complete");
        }
        string[] accepted = [.. _singles.Where(action => action.Value.Status is not null).Select(action => action.Key)];
        await Eventually.TrueAsync(async () => (await Books.ReadReasonsAsync(_system)).IsSupersetOf(accepted), MaxWait,
            "every accepted action is recorded");
    }

    /// <summary>Checks that the books contain every action once, with the outcome that was answered.</summary>
    /// <returns>A summary in one line.</returns>
    public async Task<string> CheckAsync(Books books)
    {
        var rows = books.Actions.ToLookup(row => row.Reason);
        foreach (var (reason, single) in _singles)
            CheckSingle(single, [.. rows[reason]]);
        foreach (var (reason, bulk) in _bulks)
            await CheckBulkAsync(bulk, [.. rows[reason]]);
        foreach (var schedule in _schedules)
            await CheckMovesAsync(schedule.ScheduleId, books);
        CheckFailedMessages(books);
        Assert.True(_brokenPromises.IsEmpty,
            $"{_brokenPromises.Count} promises to operators were broken:\n{string.Join('\n', _brokenPromises.Take(20))}");

        var own = books.Actions.Where(row => _singles.ContainsKey(row.Reason) || _bulks.ContainsKey(row.Reason)).ToArray();
        var cancelled = own.Where(row => row is { Owner: "Orchestrator", Action: "Cancel" } && row.Before != row.After)
            .CountBy(row => StateOf(row.Before!)).Select(state => $"{state.Value} {state.Key}");
        return $"{_singles.Count} single actions, {_singles.Values.Count(single => single.Status is null)} of them unanswered, "
            + $"{_bulks.Count} operations, {_moves.Count} moves, {_failed.Count} failed messages; "
            + $"{own.Count(row => row.Action == "Retry" && row.Before != row.After)} resent, "
            + $"{own.Count(row => row.Refusal is not null)} refused, cancelled from {string.Join(", ", cancelled)}";
    }

    /// <inheritdoc />
    public void Dispose()
    {
        _closing.Cancel();
        _closing.Dispose();
    }

    private async Task WorkAsync(Customer ops, Random random)
    {
        try
        {
            while (!_closing.IsCancellationRequested)
            {
                await (random.Next(10) switch
                {
                    < 3 => ActAsync(ops, random, "Retry"),
                    < 5 => ActAsync(ops, random, "Cancel"),
                    5 => ActOnManyAsync(ops, random, "Retry", limit: 20),
                    6 => ActOnManyAsync(ops, random, "Cancel", limit: 2),
                    7 => MoveAsync(ops, random),
                    8 => FailAsync(ops),
                    _ => RequeueAsync(ops)
                });
                await Task.Delay(random.Next(500), CancellationToken.None);
            }
        }
        catch (Exception exception) when (exception is not OutOfMemoryException)
        {
            _brokenPromises.Add($"{ops.UserId}: {exception.Message}");
        }
    }

    // Not repeated, because a repetition is another action.
    private async Task ActAsync(Customer ops, Random random, string action)
    {
        if (await FindAsync(ops, random) is not { } id)
            return;
        var reason = ReasonOf(action);
        var answer = await TryAsync(() => ops.SendAsync(HttpMethod.Post, $"{Reservations}/{id}/{action.ToLowerInvariant()}",
            new { reason }, prefer: random.Next(2) == 0 ? "respond-async" : "wait=2"));
        if (answer is not (null or { Status: 200 or 202 }
            or { Status: 409, Code: "RESERVATION_NOT_RETRYABLE" or "RESERVATION_NOT_CANCELLABLE" }))
            _brokenPromises.Add($"{action} of {id} was answered {answer}");
        _singles[reason] = new Single(action, id, answer?.Status);
    }

    // One in a random state if there is any, otherwise one of the newest, most of which are in progress.
    private async Task<Guid?> FindAsync(Customer ops, Random random)
    {
        var list = $"{Reservations}?scheduleId={_schedules[random.Next(_schedules.Count)].ScheduleId}&limit=5";
        var (state, pick) = (States[random.Next(States.Length)], random.Next(5));
        var ids = state is null ? [] : IdsIn(await TryAsync(() => ops.GetAsync($"{list}&state={state}")));
        if (ids.Length == 0)
            ids = IdsIn(await TryAsync(() => ops.GetAsync(list)));
        return ids.Length == 0 ? null : ids[pick % ids.Length];
    }

    private static Guid[] IdsIn(Answer? list) => list?.Status != 200 ? []
        : [.. list.Body.GetProperty("items").EnumerateArray().Select(item => item.GetProperty("reservationId").GetGuid())];

    private async Task ActOnManyAsync(Customer ops, Random random, string action, int limit)
    {
        var filter = new { scheduleId = _schedules[random.Next(_schedules.Count)].ScheduleId, state = States[random.Next(States.Length)] };
        await StartAsync(ops, $"{Reservations}/{action.ToLowerInvariant()}", action,
            filter.state is null ? new { filter = new { filter.scheduleId }, limit, dryRun = true } : new { filter, limit, dryRun = true });
    }

    private Task RequeueAsync(Customer ops) =>
        StartAsync(ops, $"{FailedMessages}/requeue", "Requeue", new { filter = new { }, dryRun = true });

    private async Task StartAsync(Customer ops, string route, string action, object dryRun)
    {
        var selected = await UntilAnsweredAsync(() => ops.SendAsync(HttpMethod.Post, route, dryRun));
        if (selected.Status != 200)
            _brokenPromises.Add($"A dry run of {route} was answered {selected}");
        else if (selected.Number("matched") > 0)
        {
            var reason = ReasonOf(action);
            var selection = selected.Body.GetProperty("selection").GetGuid();
            var started = await UntilAnsweredAsync(() => ops.SendAsync(HttpMethod.Post, route, new { selection, reason }));
            if (started.Status == 202)
                _bulks[reason] = new Bulk(action, started.Body.GetProperty("operationId").GetGuid(), (int)selected.Number("matched"));
            else
                _brokenPromises.Add($"The start of {route} was answered {started}");
        }
    }

    // Never so near that customers could not cancel any more.
    private async Task MoveAsync(Customer ops, Random random)
    {
        var schedule = _schedules[random.Next(_schedules.Count)].ScheduleId;
        var reason = ReasonOf("Move");
        // Unique, so that its row can be found, and in whole seconds, which every database keeps.
        var start = _starts[schedule].AddSeconds(1 + _moves.Count * 10 + random.Next(10));
        var answer = await TryAsync(() => ops.SendAsync(HttpMethod.Patch, $"/ops/api/schedules/{schedule}",
            new { startsAt = start, reason }));
        if (answer is not (null or { Status: 200 }))
            _brokenPromises.Add($"A move was answered {answer}");
        _moves[reason] = new Move(schedule, start, answer?.Status);
    }

    // A copy of a command whose step has succeeded. It is handled once more after it was requeued, and must not have another effect.
    private async Task FailAsync(Customer ops)
    {
        var schedule = _schedules[0].ScheduleId;
        var answer = await TryAsync(() => ops.GetAsync($"{Reservations}?scheduleId={schedule}&limit=1&state=Confirmed"));
        if (IdsIn(answer) is not [var reservationId, ..])
            return;
        var messageId = Guid.CreateVersion7();
        try
        {
            if (await _system.FailAsync("seats-confirm", "ConcertSaga.Contracts.Seats:ConfirmSeats", messageId,
                new { reservationId, attempt = 1 }))
                _failed[messageId.ToString()] = 0;
        }
        catch (Exception exception) when (exception is RabbitMQ.Client.Exceptions.RabbitMQClientException or IOException or TimeoutException
            or SocketException)
        {
            // The broker is being restarted.
        }
    }

    private void CheckSingle(Single single, ActionRow[] rows)
    {
        var right = single.Status switch
        {
            null => rows.Length <= 1,
            409 => rows is [{ Refusal: not null }],
            200 => rows is [{ Refusal: null }],
            _ => rows.Length == 1
        };
        if (!right || rows.Any(row => row.Action != single.Action || row.Target != $"reservations/{single.Reservation}"))
            _brokenPromises.Add($"{single} is recorded as {Join(rows)}");
    }

    // Each item is dealt with once, and its outcome is that of its row.
    private async Task CheckBulkAsync(Bulk bulk, ActionRow[] rows)
    {
        var operation = await _first!.GetAsync($"{Operations}/{bulk.OperationId}?limit=200");
        var prefix = bulk.Action == "Requeue" ? "failed-messages/" : "reservations/";
        var items = operation.Body.GetProperty("results").EnumerateArray().ToDictionary(
            item => prefix + item.GetProperty("id").GetString(), item => item.GetProperty("outcome").GetString());
        if (items.Count != Math.Min(bulk.Matched, 200) || operation.Number("done") != bulk.Matched)
            _brokenPromises.Add($"{bulk} has dealt with {items.Count} items: {operation}");
        foreach (var (target, outcome) in items)
        {
            var own = Array.FindAll(rows, row => row.Target == target);
            var right = outcome switch
            {
                "Succeeded" => own is [{ Refusal: null }],
                // A message that another operation has taken is not the object of an action.
                "Skipped" => bulk.Action == "Requeue" ? own.Length == 0 : own is [{ Refusal: not null }],
                _ => false
            };
            if (!right)
                _brokenPromises.Add($"{target} of {bulk} is {outcome}, and recorded as {Join(own)}");
        }
        if (Array.Exists(rows, row => row.Action != bulk.Action || !items.ContainsKey(row.Target)))
            _brokenPromises.Add($"{bulk} has changed what it had not selected: {Join(rows)}");
    }

    // The rows lead from the first start to the current one. Their order is that of the commits, which the rows do not tell.
    private async Task CheckMovesAsync(int scheduleId, Books books)
    {
        var rows = books.Actions.Where(row => row.Owner == "Seats" && _moves.ContainsKey(row.Reason)
            && row.Target == $"schedules/{scheduleId}").ToArray();
        var left = rows.Select(row => StartIn(row.Before!)).Append(await StartOfAsync(scheduleId)).Order();
        var entered = rows.Select(row => StartIn(row.After!)).Prepend(_starts[scheduleId]).Order();
        if (!left.SequenceEqual(entered))
            _brokenPromises.Add($"The start of schedule {scheduleId} does not follow from {Join(rows)}");
        foreach (var (reason, move) in _moves.Where(move => move.Value.ScheduleId == scheduleId))
        {
            var own = Array.FindAll(rows, row => row.Reason == reason);
            if (own.Length > 1 || (move.Status == 200 && own.Length == 0) || own.Any(row => StartIn(row.After!) != move.Start))
                _brokenPromises.Add($"{move} is recorded as {Join(own)}");
        }
    }

    private void CheckFailedMessages(Books books)
    {
        var rows = books.FailedMessages.ToLookup(row => row.MessageId);
        foreach (var messageId in _failed.Keys.Where(id => rows[id].Count() != 1))
            _brokenPromises.Add($"The failed message {messageId} is stored as {string.Join(", ", rows[messageId])}");
        var requeued = books.Actions.Where(row => row is { Owner: "Operations", Action: "Requeue" }).ToLookup(row => row.Target);
        foreach (var row in books.FailedMessages)
        {
            if (requeued[$"failed-messages/{row.Id}"].Count() != (row.Status == "Requeued" ? 1 : 0))
                _brokenPromises.Add($"{row} has the actions {Join(requeued[$"failed-messages/{row.Id}"])}");
        }
    }

    private string ReasonOf(string action) => $"{action} {Interlocked.Increment(ref _reasons)} of {_first!.UserId}.";

    private async Task<DateTimeOffset> StartOfAsync(int scheduleId)
    {
        var path = $"/api/concerts/{SeatSelection.ConcertOf(scheduleId)}/schedules?limit=100";
        return (await UntilAnsweredAsync(() => _first!.GetAsync(path))).Body.GetProperty("items").EnumerateArray()
            .Single(item => item.GetProperty("scheduleId").GetInt32() == scheduleId).GetProperty("startsAt").GetDateTimeOffset();
    }

    private static DateTimeOffset StartIn(string json) => MemberOf(json, "startsAt").GetDateTimeOffset();

    private static string StateOf(string json) => MemberOf(json, "state").GetString()!;

    private static JsonElement MemberOf(string json, string name) => JsonDocument.Parse(json).RootElement.GetProperty(name);

    private static string Join(IEnumerable<ActionRow> rows) => $"[{string.Join(", ", rows)}]";

    // The answer; null if there is none, or the system asks for a repetition.
    private async Task<Answer?> TryAsync(Func<Task<Answer>> ask)
    {
        try
        {
            return await ask() is var answer && !_tolerance.Excuses(answer) ? answer : null;
        }
        catch (Exception exception) when (Answer.IsMissing(exception))
        {
            return null;
        }
    }

    private async Task<Answer> UntilAnsweredAsync(Func<Task<Answer>> ask)
    {
        using var limit = new CancellationTokenSource(MaxWait);
        while (true)
        {
            if (await TryAsync(ask) is { } answer)
                return answer;
            if (limit.IsCancellationRequested)
                throw new TimeoutException($"No answer in {MaxWait.TotalSeconds} s.");
            await Task.Delay(100, CancellationToken.None);
        }
    }
}
