using ConcertSaga.Contracts.Operations;

namespace ConcertSaga.Operations.Overview;

/// <summary>The system at one moment. A part is null if its service did not answer; <c>unavailable</c> names that service.</summary>
/// <param name="At">When it was read; at most two seconds ago.</param>
/// <param name="Reservations">The reservations now and in the last hour, and the outbox.</param>
/// <param name="WaitingRooms">The waiting rooms whose sale has not closed, at most 200.</param>
/// <param name="Relay">The relay to the data platform.</param>
/// <param name="FailedMessages">The number of failed messages that wait for an operator.</param>
/// <param name="Queues">The queues at the broker; empty with the in-memory transport.</param>
/// <param name="Processes">Each process that answered in the last ten minutes.</param>
/// <param name="Unavailable">The services that do not answer, such as <c>queue</c> or <c>rabbitmq</c>.</param>
public sealed record OverviewView(
    DateTimeOffset At, ReservationOverview? Reservations, IReadOnlyList<WaitingRoomState>? WaitingRooms, RelayOverview? Relay,
    int FailedMessages, IReadOnlyList<QueueBacklog>? Queues, IReadOnlyList<ProcessView> Processes, IReadOnlyList<string> Unavailable);

/// <summary>One queue at the broker.</summary>
/// <param name="Queue">The queue.</param>
/// <param name="Messages">The number of messages that no consumer has received yet.</param>
/// <param name="Consumers">The number of consumers.</param>
public sealed record QueueBacklog(string Queue, uint Messages, uint Consumers);

/// <summary>One process.</summary>
/// <param name="Service">The name of the service.</param>
/// <param name="Instance">Tells the replicas of a service apart.</param>
/// <param name="Version">The version of the program.</param>
/// <param name="StartedAt">When the process started.</param>
/// <param name="Readiness"><c>Healthy</c>, <c>Degraded</c> or <c>Unhealthy</c>, as in <c>/health/ready</c> when it last answered.</param>
/// <param name="Reasons">Explains each check that was not healthy.</param>
/// <param name="LastSeenAt">When it last answered.</param>
public sealed record ProcessView(
    string Service, string Instance, string Version, DateTimeOffset StartedAt, string Readiness,
    IReadOnlyDictionary<string, string> Reasons, DateTimeOffset LastSeenAt);
