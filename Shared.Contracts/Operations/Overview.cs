namespace ConcertSaga.Contracts.Operations;

/// <summary>
/// The reservations at one moment and in the last hour. Sent by the orchestrator to Operations in response to
/// <c>GET /internal/overview/reservations</c>.
/// </summary>
/// <param name="ByState">The number of unfinished reservations in each state. Finished ones are not counted; there can be millions.</param>
/// <param name="Stuck">How many are unanswered after all attempts of a step that never gives up.</param>
/// <param name="Overdue">How many have a deadline that has passed.</param>
/// <param name="OldestUnfinishedAt">When the oldest unfinished one was requested.</param>
/// <param name="Minutes">The last 60 minutes, oldest first. The last one is not over yet.</param>
/// <param name="Steps">The duration of each step, among the reservations that ended last.</param>
/// <param name="OutboxMessages">The number of committed messages that the broker has not confirmed, at most 100,000.</param>
/// <param name="OutboxAgeSeconds">The age of the oldest of them.</param>
public sealed record ReservationOverview(
    Dictionary<string, int> ByState, int Stuck, int Overdue, DateTimeOffset? OldestUnfinishedAt, ReservationMinute[] Minutes,
    StepLatency[] Steps, int OutboxMessages, double OutboxAgeSeconds);

/// <summary>What happened in one minute.</summary>
/// <param name="At">Its beginning.</param>
/// <param name="Requested">The number of requests.</param>
/// <param name="Confirmed">The number of confirmations.</param>
/// <param name="Failed">The number of reservations that ended unpaid, by failure code, or by state without one.</param>
public sealed record ReservationMinute(DateTimeOffset At, int Requested, int Confirmed, Dictionary<string, int> Failed);

/// <summary>The time from the command of a step to its reply, with all resends.</summary>
/// <param name="State">The state that waits for the reply.</param>
/// <param name="Count">The number of measured reservations.</param>
/// <param name="P50Milliseconds">The median.</param>
/// <param name="P99Milliseconds">The 99th percentile.</param>
public sealed record StepLatency(string State, int Count, double P50Milliseconds, double P99Milliseconds);

/// <summary>
/// The waiting rooms, ordered by concert. Sent by Queue to Operations in response to <c>GET /internal/overview/waiting-rooms</c>.
/// </summary>
/// <param name="Rooms">The first 200 rooms whose sale has not closed.</param>
public sealed record WaitingRoomOverview(WaitingRoomState[] Rooms);

/// <summary>The state of one waiting room.</summary>
/// <param name="ConcertId">The concert.</param>
/// <param name="Admission">Whether customers are admitted.</param>
/// <param name="Reason">Why no customer is admitted; null while customers are admitted.</param>
/// <param name="Waiting">The number of customers in line.</param>
/// <param name="Offered">The number of offers that are not claimed yet.</param>
/// <param name="Active">The number of customers with a pass.</param>
/// <param name="Rate">Customers admitted per second.</param>
public sealed record WaitingRoomState(
    int ConcertId, string Admission, string? Reason, long Waiting, long Offered, long Active, double Rate);

/// <summary>The relay. Sent by DataPlatform to Operations in response to <c>GET /internal/overview/relay</c>.</summary>
/// <param name="Pending">The number of pending deliveries.</param>
/// <param name="OldestPendingAt">When the relay created the oldest of them.</param>
/// <param name="Dead">The number of dead deliveries.</param>
/// <param name="PausedAt">When sending was paused; null while it is not.</param>
/// <param name="PauseReason">Why it is paused.</param>
/// <param name="Breaker">The breaker of the answering replica.</param>
/// <param name="Trouble">Why the destination accepts no deliveries; null while it does.</param>
/// <param name="ReconciledTo">The newest change that reconciliation has seen.</param>
public sealed record RelayOverview(
    int Pending, DateTimeOffset? OldestPendingAt, int Dead, DateTimeOffset? PausedAt, string? PauseReason, string Breaker, string? Trouble,
    DateTimeOffset? ReconciledTo);

/// <summary>One process. Sent by every process to Operations in response to <c>GET /internal/process</c>.</summary>
/// <param name="Service">The name of the service.</param>
/// <param name="Instance">Tells the replicas of a service apart.</param>
/// <param name="Version">The version of the program.</param>
/// <param name="StartedAt">When the process started.</param>
/// <param name="Readiness"><c>Healthy</c>, <c>Degraded</c> or <c>Unhealthy</c>, as in <c>/health/ready</c>.</param>
/// <param name="Reasons">Explains each check that is not healthy.</param>
public sealed record ProcessReport(
    string Service, string Instance, string Version, DateTimeOffset StartedAt, string Readiness, Dictionary<string, string> Reasons);
