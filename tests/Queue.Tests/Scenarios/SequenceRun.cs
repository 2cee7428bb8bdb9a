using System.Collections.Concurrent;
using ConcertSaga.Contracts.Reservations;
using ConcertSaga.Queue.Data;
using ConcertSaga.Queue.Line;
using ConcertSaga.Queue.Tests.Fixtures;
using ConcertSaga.Shared.Hosting.Messaging;
using Xunit;

namespace ConcertSaga.Queue.Tests.Scenarios;

internal enum StepKind
{
    Enter,
    Tick,
    Claim,
    Leave,
    Complete,
    Wait,
    Capacity,
    Pause,
    Suspend,
    Replace
}

/// <summary>One step of one customer at one replica.</summary>
internal sealed record Step(StepKind Kind, int Customer, int Replica);

/// <summary>Runs one sequence of steps in a room of its own, and checks the room after each group of concurrent steps.</summary>
internal sealed class SequenceRun
{
    public static readonly TimeSpan Interval = TimeSpan.FromSeconds(1), ClaimWindow = TimeSpan.FromSeconds(4),
        PassLifetime = TimeSpan.FromSeconds(9);

    private const int DefaultCapacity = 3;

    private static readonly int[] Waits = [1, 1, 2, 3, 4, 5, 8, 15];

    private static int _lastConcertId = 1_000;

    private readonly QueueUnderTest _queue;
    private readonly int _concertId;
    private readonly RoomInvariants _invariants = new();
    private readonly ConcurrentBag<int> _capacities = [];
    private RoomState _state;
    private DateTimeOffset _began;
    private bool _isSuspended;

    private SequenceRun(QueueUnderTest queue, int concertId, RoomState state)
    {
        _queue = queue;
        _concertId = concertId;
        _state = state;
    }

    public static async Task RunAsync(QueueUnderTest queue, Step[][] sequence)
    {
        var concertId = Interlocked.Increment(ref _lastConcertId);
        await queue.AddConcertAsync(concertId);
        var run = new SequenceRun(queue, concertId, new RoomState(await queue.RoomAsync(concertId), [], 0));
        foreach (var steps in sequence)
            await run.RunStepsAsync(steps);
    }

    private async Task RunStepsAsync(Step[] steps)
    {
        _began = _queue.Clock.GetUtcNow();
        _capacities.Clear();
        _capacities.Add(_state.Room.Capacity ?? DefaultCapacity);
        await Task.WhenAll(steps.Select(RunStepAsync));
        var (room, rows) = (await _queue.RoomAsync(_concertId), await _queue.RowsAsync(_concertId));
        _state = _invariants.Check(_state, room, rows, _capacities.Max(), _began, _queue.Clock.GetUtcNow());
    }

    private async Task RunStepAsync(Step step)
    {
        var (number, replica) = (step.Customer, step.Replica);
        switch (step.Kind)
        {
            // Half of them are customers whose offer or pass is over while the slot may still be taken.
            case StepKind.Enter:
                var entering = Pick(step, entry => number % 2 == 0 && entry.Status is QueueEntryStatus.Offered or QueueEntryStatus.Active
                    && (entry.BookUntil ?? entry.ClaimUntil) <= _began);
                await _queue.WithAsync<EntryWriter>(entries => entries.EnterAsync(_concertId, entering?.UserId ?? UserOf(step)), replica);
                break;
            case StepKind.Tick:
                await (_isSuspended ? _queue.TickWithoutReportAsync(replica) : _queue.TickAsync(replica));
                break;
            case StepKind.Claim when Pick(step, entry => entry.Status == QueueEntryStatus.Offered) is { } offered:
                await _queue.WithAsync<EntryUpdater>(entries => entries.ClaimAsync(offered.TokenId, _concertId, offered.UserId,
                    CancellationToken.None), replica);
                break;
            case StepKind.Leave when Pick(step, entry => number % 2 == 0
                && entry.Status is QueueEntryStatus.Offered or QueueEntryStatus.Active) is { } leaving:
                await _queue.WithAsync<EntryUpdater>(entries => entries.LeaveAsync(leaving.TokenId, _concertId, leaving.UserId,
                    CancellationToken.None), replica);
                break;
            // Includes repeats and expired passes, because a message may be late and duplicated.
            case StepKind.Complete
                when _state.Rows.LastOrDefault(entry => entry.UserId == UserOf(step) && entry.ClaimedAt is not null) is { } bought:
                await _queue.WithAsync<CommandGroups<PurchasedPasses>>(passes => passes.HandleAsync(new PurchasedPass(bought.TokenId)),
                    replica);
                break;
            case StepKind.Wait:
                _queue.Clock.Advance(TimeSpan.FromSeconds(Waits[number]));
                break;
            case StepKind.Capacity or StepKind.Pause:
                await ChangeRoomAsync(step);
                break;
            case StepKind.Replace:
                await _queue.ReplaceAsync(replica);
                break;
            case StepKind.Suspend:
                _isSuspended = !_isSuspended;
                for (var other = 0; other < 2; other++)
                    _queue.Report(new BookingReported(!_isSuspended, _isSuspended ? 1_001 : 0, _queue.Clock.GetUtcNow()), other);
                break;
        }
    }

    private static string UserOf(Step step) => $"user-{step.Customer}";

    /// <summary>Picks one of the wanted entries, or else the last entry of the step's customer, in any state.</summary>
    private QueueEntry? Pick(Step step, Func<QueueEntry, bool> isWanted) =>
        _state.Rows.FindAll(entry => isWanted(entry)) is { Count: > 0 } wanted
            ? wanted[step.Customer % wanted.Count] : _state.Rows.LastOrDefault(entry => entry.UserId == UserOf(step));

    private async Task ChangeRoomAsync(Step step)
    {
        var room = await _queue.RoomAsync(_concertId);
        var (capacity, paused) = step.Kind == StepKind.Capacity ? (1 + (step.Customer % 5), room.Paused) : (room.Capacity, !room.Paused);
        _capacities.Add(capacity ?? DefaultCapacity);
        using var answer = await _queue.SendAsync(HttpMethod.Patch, $"/ops/api/waiting-rooms/{_concertId}", "olga",
            body: new { capacity, paused, reason = "A step of the test." }, roles: "ops");
        Assert.True(answer.IsSuccessStatusCode);
    }
}
