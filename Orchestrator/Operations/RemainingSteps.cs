using ConcertSaga.Contracts.Payments;
using ConcertSaga.Contracts.Points;
using ConcertSaga.Contracts.Seats;
using ConcertSaga.Orchestrator.Reservations;

namespace ConcertSaga.Orchestrator.Operations;

/// <summary>The commands between a state and the end of its path. A test compares them with those that the saga sends.</summary>
internal static class RemainingSteps
{
    private static readonly string[] Forward = [nameof(HoldSeats), nameof(DeductPoints), nameof(ConfirmPayment), nameof(ConfirmSeats)];

    private static readonly string[] Backward = [nameof(CancelPayment), nameof(RefundPoints), nameof(ReleaseSeats)];

    public static string[] Of(string state) => state switch
    {
        ReservationStates.Requested or ReservationStates.HoldingSeats => Forward,
        ReservationStates.AwaitingPayment or ReservationStates.DeductingPoints => Forward[1..],
        ReservationStates.ConfirmingPayment => Forward[2..],
        ReservationStates.ConfirmingSeats => Forward[3..],
        ReservationStates.CancellingPayment => Backward,
        ReservationStates.RefundingPoints => Backward[1..],
        ReservationStates.ReleasingSeats => Backward[2..],
        _ => []
    };
}
