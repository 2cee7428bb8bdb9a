namespace ConcertSaga.Orchestrator.Tests.Reservations;

/// <summary>
/// Lists for every state and event how the machine must react. <c>H</c> means handled, <c>C</c> handled under a condition; both have rows
/// in <see cref="Transitions"/>. Any other letter gives the reason why the machine ignores the event.
/// </summary>
internal static class StateMachineMatrix
{
    public static readonly Dictionary<char, string> Reasons = new()
    {
        ['H'] = "handled",
        ['C'] = "handled if its condition holds, otherwise ignored",
        ['d'] = "duplicate: the machine acted on it, or on its twin, before this state",
        ['u'] = "the step failed or ended, and its compensation has been sent or is complete",
        ['a'] = "not allowed here: the endpoint answers from the row, or from that of the operator's action",
        ['f'] = "ended: no deadline is left; a sweeper read the row just before",
        ['n'] = "impossible: on no path here was the command sent and answered like this; ignored rather than faulted"
    };

    // The columns are the messages of the events, in the order of the story.
    private const string Table = """
        RequestReservation . . . . . . . . . . . . . . . .
        . SeatsHeld . . . . . . . . . . . . . . .
        . . SeatHoldRejected . . . . . . . . . . . . . .
        . . . PayReservation . . . . . . . . . . . . .
        . . . . PointsDeducted . . . . . . . . . . . .
        . . . . . PointDeductionRejected . . . . . . . . . . .
        . . . . . . PaymentConfirmed . . . . . . . . . .
        . . . . . . . PaymentRejected . . . . . . . . .
        . . . . . . . . SeatsConfirmed . . . . . . . .
        . . . . . . . . . SeatConfirmationRejected . . . . . . .
        . . . . . . . . . . CancelReservation . . . . . .
        . . . . . . . . . . . PaymentCancelled . . . . .
        . . . . . . . . . . . . PointsRefunded . . . .
        . . . . . . . . . . . . . SeatsReleased . . .
        . . . . . . . . . . . . . . ReservationDeadlineReached . .
        . . . . . . . . . . . . . . . RetryReservation .
        . . . . . . . . . . . . . . . . CancelReservationByOperator
        H n n a n n n n n n a n n n C H H Requested
        d H H a n n n n n n a n n n C H H HoldingSeats
        d d n C n d n n n n C n n n C a H AwaitingPayment
        d d n a C C n n n n a n n n C H H DeductingPoints
        d d n a d d H H n n a n n n C H H ConfirmingPayment
        d d n a d d d n H H a n n n C H H ConfirmingSeats
        d d n a d d d n d n C n n n f a H Confirmed
        d d n a d d u u d d a H n n C H a CancellingPayment
        d d n a u u u u d d a d H n C H a RefundingPoints
        d u u a u u u u d d a d d C C H a ReleasingSeats
        d n d a n n n n n n a n n n f a a Rejected
        d d n a n d n n n n a n n d f a a Expired
        d d n a d d d n d n a d d d f a a Cancelled
        d u u a u u u u n d a d d d f a a Failed
        """;

    private static readonly string[][] Lines =
        [.. Table.Split('\n').Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries))];

    public static readonly string[] Events = [.. Lines.Where(line => line.Length == 17).Select(line => line.Single(word => word != "."))];

    /// <summary>The letter of each cell.</summary>
    public static readonly Dictionary<(string State, string Event), char> Cells = Lines.Where(line => line.Length == 18)
        .SelectMany(line => Events.Select((name, column) => (Cell: (line[17], name), Letter: line[column][0])))
        .ToDictionary(cell => cell.Cell, cell => cell.Letter);
}
