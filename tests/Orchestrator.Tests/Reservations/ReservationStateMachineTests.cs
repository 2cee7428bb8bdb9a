using System.Text.Json;
using ConcertSaga.Contracts.Reservations;
using ConcertSaga.Orchestrator.Reservations;
using ConcertSaga.Orchestrator.Tests.Hosts;

namespace ConcertSaga.Orchestrator.Tests.Reservations;

/// <summary>Every state handles or ignores every event, exactly as the table says.</summary>
public sealed class ReservationStateMachineTests
{
    private readonly Machine _machine = new();

    public static TheoryData<string> Rows => [.. Transitions.All.Select(row => row.Name)];

    public static TheoryData<string, string, string> IgnoredCells => [.. StateMachineMatrix.Cells
        .Where(cell => cell.Value is not ('H' or 'C'))
        .Select(cell => new TheoryDataRow<string, string, string>(cell.Key.State, cell.Key.Event, StateMachineMatrix.Reasons[cell.Value]))];

    [Fact]
    public void Machine_EveryStateAndEvent_HasOneCellInTheTable()
    {
        var states = _machine.States.Select(state => state.Name).ToArray();
        var events = _machine.Events.Select(MessageOf).ToArray();

        Assert.Equal(events.Order(), StateMachineMatrix.Events.Order());
        Assert.Equal(
            (from state in states from name in events select (state, name)).Order(),
            StateMachineMatrix.Cells.Keys.Order());
        Assert.All(StateMachineMatrix.Cells.Values, letter => Assert.Contains(letter, StateMachineMatrix.Reasons.Keys));
    }

    [Fact]
    public void Machine_EveryState_DeclaresEveryEvent()
    {
        foreach (var state in _machine.States)
            Assert.Equal(StateMachineMatrix.Events.Order(), _machine.NextEvents(state).Select(MessageOf).Distinct().Order());
    }

    [Fact]
    public void Table_EveryHandledCell_HasItsRowsOnly()
    {
        var handled = StateMachineMatrix.Cells.Where(cell => cell.Value is 'H' or 'C').Select(cell => cell.Key);
        Assert.Equal(handled.Order(), Transitions.All.Select(row => (row.State, row.Event)).Distinct().Order());

        // A conditional cell has rows for both sides; an unconditional one has no row in which nothing happens.
        foreach (var cell in Transitions.All.GroupBy(row => (row.State, row.Event)))
            Assert.Equal(StateMachineMatrix.Cells[cell.Key] == 'C', cell.Any(row => row.Then is null)
                && cell.Any(row => row.Then is not null));
    }

    [Theory]
    [MemberData(nameof(Rows))]
    public async Task HandledEvent_InItsState_DoesWhatTheRowSays(string name)
    {
        var (_, @event, _, then, where, with) = Transitions.All.Single(row => row.Name == name);
        var row = Given.In(Transitions.All.Single(transition => transition.Name == name).State);
        where?.Invoke(row);
        var from = row.CurrentState;
        var before = JsonSerializer.Serialize(row);

        var sent = await _machine.RaiseAsync(row, with?.Invoke(row) ?? Given.Message(@event, row));

        if (then is null)
        {
            Assert.Empty(sent);
            Assert.Equal(before, JsonSerializer.Serialize(row));
            return;
        }
        Assert.Equal(then.Sent, sent.Select(message => message.ToString()));
        Assert.Equal(then.State, row.CurrentState);
        Assert.Equal(_machine.Now + then.Deadline, row.Deadline);
        Assert.Equal(then.StepAttempts, row.StepAttempts);
        Assert.Equal(then.PaymentAttempt, row.PaymentAttempt);
        Assert.Equal(then.Outcome, row.Outcome);
        Assert.Equal(then.Code, row.FailureCode);
        Assert.Equal(then.StillUnpaid ? "mina" : null, row.UnpaidUserId);
        Assert.Equal(_machine.Now + then.StuckSince, row.StuckSince);

        var history = Assert.Single(row.Transitions);
        Assert.Equal((5, 5), (row.Version, history.Sequence));
        Assert.Equal((_machine.Now, _machine.Now), (row.UpdatedAt, history.At));
        Assert.Equal((from, then.State), (history.FromState, history.ToState));
        Assert.Equal(row.CorrelationId, history.ReservationId);
        Assert.NotNull(history.MessageId);
    }

    [Theory]
    [MemberData(nameof(IgnoredCells))]
    public async Task IgnoredEvent_InAnyOtherState_ChangesNothing(string state, string @event, string reason)
    {
        var row = Given.In(state);
        var before = JsonSerializer.Serialize(row);

        var sent = await _machine.RaiseAsync(row, Given.Message(@event, row));

        Assert.True(sent.Count == 0 && before == JsonSerializer.Serialize(row),
            $"{@event} in {state} should be ignored ({reason}): {string.Join(", ", sent)}");
    }

    [Theory]
    [InlineData(false, 1, 0)]
    [InlineData(true, 2, Given.Price)]
    public async Task Cancellation_BeforeOrAfterPayment_IsPublishedWithItsSequence(bool paid, int sequence, long amount)
    {
        var row = Given.In(ReservationStates.ReleasingSeats);
        row.Outcome = ReservationStates.Cancelled;
        row.ConfirmedAt = paid ? Machine.Start.AddDays(-1) : null;

        var sent = await _machine.RaiseAsync(row, Given.Message("SeatsReleased", row));

        var cancelled = Assert.IsType<ReservationCancelled>(Assert.Single(sent).Message);
        Assert.Equal((sequence, amount, row.ConfirmedAt), (cancelled.Sequence, cancelled.Amount, cancelled.ConfirmedAt));
        Assert.Equal((row.CorrelationId, row.UserId, row.ConcertId, row.ScheduleId),
            (cancelled.ReservationId, cancelled.UserId, cancelled.ConcertId, cancelled.ScheduleId));
    }

    [Fact]
    public async Task Confirmation_WhenPublished_CarriesTheReservation()
    {
        var row = Given.In(ReservationStates.ConfirmingSeats);
        row.QueueTokenId = Guid.CreateVersion7(Machine.Start);

        var sent = await _machine.RaiseAsync(row, Given.Message("SeatsConfirmed", row));

        var confirmed = Assert.IsType<ReservationConfirmed>(Assert.Single(sent).Message);
        Assert.Equivalent(new ReservationConfirmed(
            row.CorrelationId, "mina", 3, 31, [7, 8], Given.Price, row.QueueTokenId, Machine.Start, Sequence: 1), confirmed);
        Assert.Equal(Machine.Start, row.ConfirmedAt);
    }

    private static string MessageOf(MassTransit.Event @event) => @event.GetType().GetInterfaces()
        .Single(type => type.IsGenericType && type.GetGenericTypeDefinition() == typeof(MassTransit.Event<>)).GetGenericArguments()[0].Name;
}
