using ConcertSaga.Orchestrator.Data;
using ConcertSaga.Shared.Hosting.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;

namespace ConcertSaga.Orchestrator.Reservations;

/// <summary>
/// The row is the answer: waits until it says how a call ended, and turns it into a status and a body. Any replica can answer, and several
/// callers can wait for the same reservation.
/// </summary>
public sealed class ReservationAnswers(
    OrchestratorDbContext database, ReservationSignals signals, IOptions<ReservationOptions> options, TimeProvider clock)
{
    /// <summary>The answer to <c>POST /api/reservations</c>.</summary>
    public Task<IResult> Requested(Guid id, HttpContext http) => WaitAsync(id, http, row => row.CurrentState switch
    {
        ReservationStates.Rejected => Refuse(row),
        ReservationStates.AwaitingPayment when row.PayImmediately && row.FailureCode is not null => Refuse(row),
        ReservationStates.AwaitingPayment or ReservationStates.Confirmed => Created(row),
        // What was asked for came about, even if it has ended since; with payment that was all of it.
        ReservationStates.Expired or ReservationStates.Cancelled or ReservationStates.Failed when row.HoldExpiresAt is not null && !row.PayImmediately => Created(row),
        ReservationStates.Cancelled => Created(row),
        ReservationStates.Expired or ReservationStates.Failed => Refuse(row),
        _ => null
    });

    /// <summary>The answer to <c>POST /api/reservations/{id}/payment</c>.</summary>
    /// <param name="id">The reservation.</param>
    /// <param name="attempt">The attempt that was asked for, or joined.</param>
    /// <param name="http">The call.</param>
    public Task<IResult> Paid(Guid id, int attempt, HttpContext http) => WaitAsync(id, http, row => row.CurrentState switch
    {
        ReservationStates.Confirmed => TypedResults.Ok(ReservationResponse.Of(row)),
        ReservationStates.AwaitingPayment when row.PaymentAttempt < attempt => null,
        ReservationStates.AwaitingPayment when row.FailureCode is not null => Refuse(row),
        ReservationStates.Expired or ReservationStates.Failed => Refuse(row),
        ReservationStates.Cancelled or ReservationStates.Rejected => NotPayable(row),
        _ => null
    });

    /// <summary>The answer to <c>DELETE /api/reservations/{id}</c>.</summary>
    /// <param name="id">The reservation.</param>
    /// <param name="version">The version that was to be cancelled.</param>
    /// <param name="http">The call.</param>
    public Task<IResult> CancelledOf(Guid id, int version, HttpContext http) => WaitAsync(id, http, row => row.CurrentState switch
    {
        ReservationStates.Cancelled => TypedResults.Ok(ReservationResponse.Of(row)),
        _ when row.Outcome == ReservationStates.Cancelled => null,
        // The saga has not seen the request yet.
        _ when row.Version == version => null,
        // Something else came first, and the saga ignores a request for what is no longer there.
        ReservationStates.AwaitingPayment or ReservationStates.Confirmed => Overtaken(row),
        _ => NotCancellable(row)
    });

    /// <summary>A refusal with what is known of the reservation.</summary>
    public static ProblemHttpResult NotPayable(Reservation row) =>
        Problem(row, 409, "RESERVATION_NOT_PAYABLE", $"The reservation is {ReservationResponse.StatusOf(row.CurrentState)} and cannot be paid.");

    /// <summary>A refusal with what is known of the reservation.</summary>
    public static ProblemHttpResult NotCancellable(Reservation row) =>
        Problem(row, 409, "RESERVATION_NOT_CANCELLABLE", row.CurrentState == ReservationStates.Confirmed
            ? "It is too close to the start to cancel."
            : $"The reservation is {ReservationResponse.StatusOf(row.CurrentState)} and cannot be cancelled.");

    private static ProblemHttpResult Overtaken(Reservation row) =>
        Problem(row, 409, "RESERVATION_NOT_CANCELLABLE",
            $"The reservation became {ReservationResponse.StatusOf(row.CurrentState)} at the same moment. Cancel it again if that is still wanted.");

    /// <summary>The refusal a row stands for.</summary>
    public static ProblemHttpResult Refuse(Reservation row) => row.FailureCode switch
    {
        "SEAT_UNAVAILABLE" => Problem(row, 409, "SEAT_UNAVAILABLE", "A seat is not available any more.", ("seats", SeatsIn(row.FailureDetail))),
        "SEAT_LIMIT_REACHED" => Problem(row, 409, "SEAT_LIMIT_REACHED", "You have as many seats of this concert as one person may have."),
        "SCHEDULE_CLOSED" => Problem(row, 409, "SCHEDULE_CLOSED", "This date cannot be booked now."),
        "SCHEDULE_NOT_FOUND" => Problem(row, 404, "SCHEDULE_NOT_FOUND", "There is no such date."),
        "SEAT_NOT_FOUND" => Problem(row, 404, "SEAT_NOT_FOUND", "There is no such seat on this date.", ("seats", SeatsIn(row.FailureDetail))),
        "RESERVATION_IN_PROGRESS" => Problems.Refuse(409, "RESERVATION_IN_PROGRESS", "Another reservation of yours is still unpaid.",
            ("reservationId", Guid.TryParse(row.FailureDetail, out var other) ? other : null)),
        "INSUFFICIENT_POINTS" => Problem(row, 402, "INSUFFICIENT_POINTS", "The balance does not cover the price. Charge points and pay again."),
        "HOLD_EXPIRED" => Problem(row, 410, "HOLD_EXPIRED", "The seats were not paid in time and are free again."),
        "PAYMENT_REJECTED" => Problem(row, 409, "PAYMENT_REJECTED", "The payment was refused; everything is undone."),
        _ => Problem(row, 409, "RESERVATION_FAILED", "The reservation could not be completed; everything is undone.")
    };

    private async Task<IResult> WaitAsync(Guid id, HttpContext http, Func<Reservation, IResult?> decide)
    {
        var until = clock.GetUtcNow() + Patience(http.Request);
        using var waiting = signals.Register(id);
        while (true)
        {
            var changed = waiting.NextChange;
            var row = await database.Reservations.AsNoTracking().FirstAsync(r => r.CorrelationId == id, http.RequestAborted);
            if (decide(row) is { } answer)
                return answer;

            var left = until - clock.GetUtcNow();
            if (left <= TimeSpan.Zero)
            {
                http.Response.Headers.RetryAfter = "1";
                return TypedResults.Accepted(Location(id), ReservationResponse.Of(row));
            }
            using var stop = CancellationTokenSource.CreateLinkedTokenSource(http.RequestAborted);
            // Not in between: a thousand callers that look again every second would be the load they are waiting out.
            await Task.WhenAny(changed, Task.Delay(left, clock, stop.Token));
            await stop.CancelAsync();
            http.RequestAborted.ThrowIfCancellationRequested();
        }
    }

    // RFC 7240: "Prefer: wait=n" and "Prefer: respond-async"; a preference that makes no sense is ignored.
    private TimeSpan Patience(HttpRequest request)
    {
        var patience = options.Value.AnswerTimeout;
        foreach (var preference in request.Headers["Prefer"].SelectMany(value => (value ?? "").Split(',', ';')).Select(text => text.Trim()))
        {
            if (preference.Equals("respond-async", StringComparison.OrdinalIgnoreCase))
                return TimeSpan.Zero;
            if (preference.StartsWith("wait=", StringComparison.OrdinalIgnoreCase) && int.TryParse(preference[5..], out var seconds) && seconds is >= 0 and <= 10)
                patience = TimeSpan.FromSeconds(seconds);
        }
        return patience;
    }

    private static Created<ReservationResponse> Created(Reservation row) => TypedResults.Created(Location(row.CorrelationId), ReservationResponse.Of(row));

    private static string Location(Guid id) => $"/api/reservations/{id}";

    private static ProblemHttpResult Problem(Reservation row, int status, string code, string detail, params ReadOnlySpan<(string, object?)> more) =>
        Problems.Refuse(status, code, detail,
        [
            ("reservationId", row.CorrelationId), ("reservationStatus", ReservationResponse.StatusOf(row.CurrentState)),
            ("holdExpiresAt", row.CurrentState is ReservationStates.AwaitingPayment ? row.HoldExpiresAt : null), .. more
        ]);

    // The seats as the history tells them: "Seats 7,8."
    private static int[] SeatsIn(string? detail) =>
        detail is null ? [] : [.. detail.Replace("Seats ", "").TrimEnd('.').Split(',').Select(number => int.TryParse(number, out var seat) ? seat : 0).Where(seat => seat > 0)];
}
