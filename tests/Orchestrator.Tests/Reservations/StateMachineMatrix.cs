namespace ConcertSaga.Orchestrator.Tests.Reservations;

/// <summary>
/// What is expected of every state for every event. A letter says that the event is handled, always (<c>H</c>) or under a condition
/// (<c>C</c>); those cells have their rows in <see cref="Transitions"/>. Any other letter says why the event is ignored.
/// </summary>
internal static class StateMachineMatrix
{
    public static readonly Dictionary<char, string> Reasons = new()
    {
        ['H'] = "handled",
        ['C'] = "handled where its condition holds, otherwise ignored",
        ['d'] = "duplicate: the machine acted on it, or on its twin, before this state",
        ['u'] = "its step was given up or ended, and its undo is commanded already or done",
        ['a'] = "not allowed here: the endpoint answers from the row",
        ['f'] = "ended: there is no deadline any more, a sweeper saw the row just before",
        ['n'] = "impossible: answers a command that was not sent, or was answered otherwise, on every way here; ignored rather than faulted"
    };

    // The columns are the events' messages, in the order of the story.
    private const string Table = """
        RequestReservation . . . . . . . . . . . . . .
        . SeatsHeld . . . . . . . . . . . . .
        . . SeatHoldRejected . . . . . . . . . . . .
        . . . PayReservation . . . . . . . . . . .
        . . . . PointsDeducted . . . . . . . . . .
        . . . . . PointDeductionRejected . . . . . . . . .
        . . . . . . PaymentConfirmed . . . . . . . .
        . . . . . . . PaymentRejected . . . . . . .
        . . . . . . . . SeatsConfirmed . . . . . .
        . . . . . . . . . SeatConfirmationRejected . . . . .
        . . . . . . . . . . CancelReservation . . . .
        . . . . . . . . . . . PaymentCancelled . . .
        . . . . . . . . . . . . PointsRefunded . .
        . . . . . . . . . . . . . SeatsReleased .
        . . . . . . . . . . . . . . ReservationDeadlineReached
        H n n a n n n n n n a n n n C Requested
        d H H a n n n n n n a n n n C HoldingSeats
        d d n C n d n n n n C n n n C AwaitingPayment
        d d n a C C n n n n a n n n C DeductingPoints
        d d n a d d H H n n a n n n C ConfirmingPayment
        d d n a d d d n H H a n n n C ConfirmingSeats
        d d n a d d d n d n C n n n f Confirmed
        d d n a d d u u d d a H n n C CancellingPayment
        d d n a u u u u d d a d H n C RefundingPoints
        d u u a u u u u d d a d d C C ReleasingSeats
        d n d a n n n n n n a n n n f Rejected
        d d n a n d n n n n a n n d f Expired
        d d n a d d d n d n a d d d f Cancelled
        d u u a u u u u n d a d d d f Failed
        """;

    private static readonly string[][] Lines = [.. Table.Split('\n').Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries))];

    public static readonly string[] Events = [.. Lines.Where(line => line.Length == 15).Select(line => line.Single(word => word != "."))];

    /// <summary>The letter of each cell.</summary>
    public static readonly Dictionary<(string State, string Event), char> Cells = Lines.Where(line => line.Length == 16)
        .SelectMany(line => Events.Select((name, column) => (Cell: (line[15], name), Letter: line[column][0])))
        .ToDictionary(cell => cell.Cell, cell => cell.Letter);
}
