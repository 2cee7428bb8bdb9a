using ConcertSaga.Contracts.Payments;
using ConcertSaga.Contracts.Points;
using ConcertSaga.Contracts.Reservations;
using ConcertSaga.Contracts.Seats;
using ConcertSaga.Orchestrator.Operations;
using ConcertSaga.Orchestrator.Reservations;
using ConcertSaga.Orchestrator.Tests.Hosts;
using ConcertSaga.Orchestrator.Tests.Reservations;

namespace ConcertSaga.Orchestrator.Tests.Operations;

/// <summary>The remaining steps of each state are the commands that the saga sends from there, if every step succeeds.</summary>
public sealed class RemainingStepsTests
{
    private static readonly Dictionary<string, string> Replies = new()
    {
        [nameof(HoldSeats)] = nameof(SeatsHeld),
        [nameof(DeductPoints)] = nameof(PointsDeducted),
        [nameof(ConfirmPayment)] = nameof(PaymentConfirmed),
        [nameof(ConfirmSeats)] = nameof(SeatsConfirmed),
        [nameof(CancelPayment)] = nameof(PaymentCancelled),
        [nameof(RefundPoints)] = nameof(PointsRefunded),
        [nameof(ReleaseSeats)] = nameof(SeatsReleased)
    };

    public static TheoryData<string> States => [.. new Machine().States.Select(state => state.Name)];

    [Fact]
    public void States_OfTheMachine_AreThoseOfTheEnum() =>
        Assert.Equal(new Machine().States.Select(state => state.Name).Order(), ReservationStates.All.Order());

    [Theory]
    [MemberData(nameof(States))]
    public async Task Steps_OfAState_AreTheCommandsFromThere(string state)
    {
        var machine = new Machine();
        var row = Given.In(state);
        var isFinished = ReservationStates.Finished.Contains(state);
        Assert.Equal(isFinished, row.Deadline is null);
        var commands = new List<string>();
        var next = state == ReservationStates.AwaitingPayment ? nameof(PayReservation) : nameof(ReservationDeadlineReached);
        while (!isFinished && next is not null)
        {
            var sent = (await machine.RaiseAsync(row, Given.Message(next, row))).Where(message => message.Queue is not null)
                .Select(message => message.Message.GetType().Name).ToArray();
            commands.AddRange(sent);
            next = sent is [var command] ? Replies[command]
                : row.CurrentState == ReservationStates.AwaitingPayment ? nameof(PayReservation) : null;
        }

        Assert.Equal(commands, RemainingSteps.Of(state));
    }
}
