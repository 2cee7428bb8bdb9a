using ConcertSaga.Contracts;
using ConcertSaga.Operations.Bulk;
using ConcertSaga.Operations.Data;
using ConcertSaga.Shared.Hosting.Http;
using ConcertSaga.Shared.Hosting.Operators;
using Microsoft.AspNetCore.Http.HttpResults;

namespace ConcertSaga.Operations.Schedules;

/// <summary><c>/ops/api/schedules</c>, as far as several services have to act.</summary>
internal static partial class ScheduleCancellationEndpoints
{
    public static void MapScheduleCancellation(this IEndpointRouteBuilder routes) =>
        routes.MapOperators("/ops/api/schedules").MapPost("/{scheduleId:int}/cancel", CancelSchedule).ProducesProblems(400, 503)
            .Refuses(404, RefusalCodes.ScheduleNotFound).Refuses(422, RefusalCodes.InvalidReason);

    /// <summary>
    /// Cancels a schedule: ends its sale at once, then cancels its reservations and refunds what was paid. The operation shows the
    /// progress. A second request starts another operation, which finds what the first one has left.
    /// </summary>
    internal static async Task<Results<Accepted<OperationStarted>, ProblemHttpResult>> CancelSchedule(
        int scheduleId, OperatorReason body, Caller caller, OperationsDbContext database, SeatsClient seats,
        ScheduleCancellation cancellation, TimeProvider clock, ILogger<ScheduleCancellation> logger, CancellationToken cancellationToken)
    {
        if (OperatorRoutes.RefuseReason(body.Reason) is { } invalid)
            return invalid;
        try
        {
            if (await seats.FindAsync(scheduleId, cancellationToken) is null)
                return Refusals.ScheduleNotFound.Answer();
        }
        catch (Exception exception) when (IsOutage(exception, cancellationToken))
        {
            return Problems.Refuse(StatusCodes.Status503ServiceUnavailable, RefusalCodes.Unavailable,
                "The seats service does not answer. Wait as long as Retry-After says, then try again.");
        }
        var now = clock.GetUtcNow();
        var operation = new Operation
        {
            OperationId = Guid.CreateVersion7(now),
            Kind = OperationKind.CancelSchedule,
            Status = OperationStatus.Running,
            Operator = caller.UserId,
            Reason = body.Reason,
            ScheduleId = scheduleId,
            Matched = 0,
            CreatedAt = now,
            StartedAt = now
        };
        database.Operations.Add(operation);
        await database.SaveChangesAsync(cancellationToken);
        try
        {
            // The runner does it too, but up to a second later. From here on, the client's patience no longer matters.
            await cancellation.EndSaleAsync(operation, CancellationToken.None);
        }
        catch (Exception exception)
        {
            LogSaleContinues(logger, scheduleId, exception.Message);
        }
        return TypedResults.Accepted($"/ops/api/operations/{operation.OperationId}", new OperationStarted(operation.OperationId));
    }

    private static bool IsOutage(Exception exception, CancellationToken cancellationToken) => exception is HttpRequestException
        || (exception is OperationCanceledException && !cancellationToken.IsCancellationRequested);

    [LoggerMessage(11010, LogLevel.Warning,
        "The sale of schedule {ScheduleId} could not be ended at once. The operation retries it. Reason: {Reason}")]
    private static partial void LogSaleContinues(ILogger logger, int scheduleId, string reason);
}
