namespace ConcertSaga.Contracts.Seats;

/// <summary>
/// The concert and the current data of a schedule. Sent by Seats in response to <c>GET /internal/schedules/{scheduleId}</c>; read by the
/// gateway and the orchestrator.
/// </summary>
/// <param name="ScheduleId">The schedule.</param>
/// <param name="ConcertId">Its concert, which never changes.</param>
/// <param name="StartsAt">Its current start. A schedule can be moved.</param>
/// <param name="Title">The concert's title; null from a Seats of the previous version, as the next two.</param>
/// <param name="Venue">The concert's venue.</param>
/// <param name="TimeZone">The IANA name of the venue's time zone.</param>
public sealed record ScheduleConcert(
    int ScheduleId, int ConcertId, DateTimeOffset StartsAt, string? Title = null, string? Venue = null, string? TimeZone = null);
