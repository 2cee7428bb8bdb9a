using ConcertSaga.Contracts.Seats;
using ConcertSaga.Seats.Data;
using MassTransit;

namespace ConcertSaga.Seats.Consumers;

/// <summary>Tells whoever watches a seat map that it changed.</summary>
internal static partial class Announcement
{
    public static SeatsChanged Of(int scheduleId, long version, int[] numbers, SeatStatus status) =>
        new(scheduleId, version, [.. numbers.Select(number => new SeatChange(number, status.ToString()))]);

    /// <summary>
    /// Publishes a change after its commit and its reply. The command is done by then, so a failure is only logged: a watcher that sees a gap
    /// in the versions reads the map again.
    /// </summary>
    public static async Task AnnounceAsync(this ConsumeContext context, SeatsChanged? change, ILogger logger)
    {
        if (change is null)
            return;
        try
        {
            await context.Publish(change, context.CancellationToken);
        }
        catch (Exception exception)
        {
            LogNotAnnounced(logger, change.ScheduleId, change.Version, exception);
        }
    }

    [LoggerMessage(2001, LogLevel.Warning, "Version {Version} of the seat map of schedule {ScheduleId} was not announced.")]
    private static partial void LogNotAnnounced(ILogger logger, int scheduleId, long version, Exception exception);
}
