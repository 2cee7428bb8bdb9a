using System.Text.Json;
using ConcertSaga.Contracts.Operations;

namespace ConcertSaga.OperatorConsole.Api;

public sealed record OverviewShown(
    DateTimeOffset At, ReservationOverview? Reservations, WaitingRoomState[]? WaitingRooms, RelayOverview? Relay, int FailedMessages,
    QueueShown[]? Queues, ProcessShown[] Processes, string[] Unavailable);

public sealed record QueueShown(string Queue, uint Messages, uint Consumers);

public sealed record ProcessShown(
    string Service, string Instance, string Version, DateTimeOffset StartedAt, string Readiness, Dictionary<string, string> Reasons,
    DateTimeOffset LastSeenAt);

public sealed record OperationShown(
    Guid OperationId, string Kind, string Status, string Operator, string? Reason, DateTimeOffset CreatedAt, DateTimeOffset? StartedAt,
    DateTimeOffset? CompletedAt, int Matched, int Done, int Succeeded, int Skipped, int Failed, ItemShown[] Results, string? NextCursor);

public sealed record OperationRow(
    Guid OperationId, string Kind, string Status, string Operator, string? Reason, DateTimeOffset StartedAt, DateTimeOffset? CompletedAt,
    int Matched);

public sealed record ItemShown(string Id, string Outcome, string? Reason);

public sealed record SelectionShown(int Matched, JsonElement[] Sample, Guid Selection);

public sealed record StartedShown(Guid OperationId);

public sealed record FailedMessageShown(
    long FailedMessageId, string Queue, string Kind, string MessageId, string? MessageType, string? ExceptionType,
    string? ExceptionMessage, int Size, string Status, DateTimeOffset ReceivedAt, DateTimeOffset? CompletedAt);

public sealed record FailedMessageReport(
    FailedMessageShown Message, string? ContentType, Dictionary<string, string> Headers, string? StackTrace, string Body,
    string BodyEncoding, bool IsBodyCut, MessageActionShown[] Actions);

public sealed record MessageActionShown(string Action, DateTimeOffset At, string Operator, string Reason);

public sealed record FailedGroupShown(
    string Queue, string Kind, string? MessageType, string? ExceptionType, int Count, DateTimeOffset Oldest, DateTimeOffset Newest);

public sealed record InvariantShown(
    string Name, string Promise, DateTimeOffset? CheckedAt, long RowsChecked, bool IsRunning, DateTimeOffset? StartedAt, long RowsSoFar,
    DateTimeOffset? RequestedAt, int FindingCount, InvariantFindingShown[] Findings);

public sealed record InvariantFindingShown(string Subject, string Detail, DateTimeOffset FoundAt);

public sealed record ActionPageShown(ActionShown[] Items, string? NextCursor, string[]? Missing);
