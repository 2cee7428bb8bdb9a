using System.ComponentModel.DataAnnotations;
using System.Linq.Expressions;
using ConcertSaga.Contracts;
using ConcertSaga.Operations.Bulk;
using ConcertSaga.Operations.Data;
using ConcertSaga.Shared.Hosting.Http;
using ConcertSaga.Shared.Hosting.Messaging;
using ConcertSaga.Shared.Hosting.Operators;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Operations.FailedMessages;

internal static class FailedMessageEndpoints
{
    private const int MaxGroups = 500;

    /// <summary>Projects a row without its headers and body, which can be large.</summary>
    public static readonly Expression<Func<FailedMessage, FailedMessageView>> View = message => new FailedMessageView(
        message.FailedMessageId, message.Queue, message.Kind, message.MessageId, message.MessageType, message.ExceptionType,
        message.ExceptionMessage, message.Size, message.Status, message.ReceivedAt, message.CompletedAt);

    public static void MapFailedMessages(this IEndpointRouteBuilder routes)
    {
        var messages = routes.MapOperators("/ops/api/failed-messages");
        messages.MapGet("", ListFailedMessages).ProducesProblems(400);
        messages.MapGet("/groups", ListGroups);
        messages.MapGet("/{failedMessageId:long}", GetFailedMessage).Refuses(404, RefusalCodes.FailedMessageNotFound);
        messages.MapPost("/requeue", Requeue).Refuses(404, RefusalCodes.OperationNotFound)
            .Refuses(422, RefusalCodes.InvalidReason, RefusalCodes.InvalidSelection);
        messages.MapPost("/discard", Discard).Refuses(404, RefusalCodes.OperationNotFound)
            .Refuses(422, RefusalCodes.InvalidReason, RefusalCodes.InvalidSelection);
    }

    /// <summary>Lists failed messages, newest first: those that wait, unless another status is given.</summary>
    internal static async Task<Ok<Page<FailedMessageView>>> ListFailedMessages(
        string? queue, EnumName<FailureKind>? kind, string? messageType, string? exception, EnumName<FailedMessageStatus>? status,
        [Range(1, Paging.MaxOperatorLimit)] int? limit, string? cursor, OperationsDbContext database, CancellationToken cancellationToken)
    {
        var take = limit ?? Paging.DefaultLimit;
        var before = Paging.Cursor<long>(cursor);
        // Read first: in one statement, the planner may read all messages in their order to find the few.
        var ids = await new FailedMessageFilter(queue, kind?.Value, messageType, exception).First(
            database.FailedMessages, status?.Value ?? FailedMessageStatus.Waiting, messages => Newest(messages, before), take + 1)
            .ToListAsync(cancellationToken);
        var rows = await Newest(database.FailedMessages.Where(message => ids.Contains(message.FailedMessageId)), null).Select(View)
            .ToListAsync(cancellationToken);
        return TypedResults.Ok(Paging.Cut(rows, take, row => row.FailedMessageId));
    }

    /// <summary>Counts the waiting messages by queue, message type and exception, the most frequent first.</summary>
    internal static async Task<Ok<Page<FailedMessageGroup>>> ListGroups(OperationsDbContext database, CancellationToken cancellationToken)
    {
        var groups = await database.FailedMessages.Where(message => message.Status == FailedMessageStatus.Waiting)
            .GroupBy(message => new { message.Queue, message.Kind, message.MessageType, message.ExceptionType })
            .Select(group => new
            {
                group.Key,
                Count = group.Count(),
                Oldest = group.Min(message => message.ReceivedAt),
                Newest = group.Max(message => message.ReceivedAt)
            })
            .OrderByDescending(group => group.Count).ThenBy(group => group.Oldest).Take(MaxGroups)
            .ToListAsync(cancellationToken);
        return TypedResults.Ok(new Page<FailedMessageGroup>([.. groups.Select(group => new FailedMessageGroup(
            group.Key.Queue, group.Key.Kind, group.Key.MessageType, group.Key.ExceptionType, group.Count, group.Oldest, group.Newest))],
            null));
    }

    /// <summary>Returns one failed message with its headers, its body and the actions of operators.</summary>
    internal static async Task<Results<Ok<FailedMessageDetails>, ProblemHttpResult>> GetFailedMessage(
        long failedMessageId, OperationsDbContext database, CancellationToken cancellationToken)
    {
        var message = await database.FailedMessages.AsNoTracking()
            .SingleOrDefaultAsync(row => row.FailedMessageId == failedMessageId, cancellationToken);
        if (message is null)
            return Refusals.FailedMessageNotFound.Answer();
        var target = TargetOf(failedMessageId);
        var actions = await database.OperatorActions.AsNoTracking().Where(action => action.Target == target)
            .OrderByDescending(action => action.At).ToListAsync(cancellationToken);
        return TypedResults.Ok(FailedMessageDetails.Of(message, actions));
    }

    /// <summary>
    /// Sends messages back to their queues, with their ids and in the order of their arrival. A message that was requeued or discarded
    /// meanwhile is skipped.
    /// </summary>
    internal static Task<Results<Ok<BulkSelection<FailedMessageView>>, Accepted<OperationStarted>, ProblemHttpResult>> Requeue(
        BulkRequest<long, FailedMessageFilter> body, Caller caller, OperationsDbContext database, SelectionWriter selections,
        CancellationToken cancellationToken) =>
        ActAsync(OperationKind.Requeue, body, caller, database, selections, cancellationToken);

    /// <summary>Discards messages: they stay readable for the retention, and are never sent.</summary>
    internal static Task<Results<Ok<BulkSelection<FailedMessageView>>, Accepted<OperationStarted>, ProblemHttpResult>> Discard(
        BulkRequest<long, FailedMessageFilter> body, Caller caller, OperationsDbContext database, SelectionWriter selections,
        CancellationToken cancellationToken) =>
        ActAsync(OperationKind.Discard, body, caller, database, selections, cancellationToken);

    private static Task<Results<Ok<BulkSelection<FailedMessageView>>, Accepted<OperationStarted>, ProblemHttpResult>> ActAsync(
        OperationKind kind, BulkRequest<long, FailedMessageFilter> body, Caller caller, OperationsDbContext database,
        SelectionWriter selections, CancellationToken cancellationToken) =>
        selections.ActAsync(kind, body, caller.UserId, async (request, limit) =>
        {
            var ids = request.Ids?.ToList() ?? await request.Filter!.First(database.FailedMessages, FailedMessageStatus.Waiting,
                messages => messages.OrderBy(message => message.FailedMessageId), limit).ToListAsync(cancellationToken);
            var sampled = ids.Take(SelectionWriter.SampleSize).ToList();
            var sample = await database.FailedMessages.Where(message => sampled.Contains(message.FailedMessageId))
                .OrderBy(message => message.FailedMessageId).Select(View).ToListAsync(cancellationToken);
            return new BulkChosen<long, FailedMessageView>(ids, sample);
        }, cancellationToken);

    /// <summary>The name of a message among the actions of operators.</summary>
    public static string TargetOf(long failedMessageId) => $"failed-messages/{failedMessageId}";

    private static IOrderedQueryable<FailedMessage> Newest(IQueryable<FailedMessage> messages, long? before) =>
        (before is null ? messages : messages.Where(message => message.FailedMessageId < before))
        .OrderByDescending(message => message.FailedMessageId);
}
