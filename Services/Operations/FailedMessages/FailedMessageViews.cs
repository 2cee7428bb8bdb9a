using System.Text;
using System.Text.Unicode;
using ConcertSaga.Operations.Data;
using ConcertSaga.Shared.Hosting.Messaging;
using ConcertSaga.Shared.Hosting.Operators;

namespace ConcertSaga.Operations.FailedMessages;

/// <summary>A failed message in a list.</summary>
/// <param name="FailedMessageId">The id; larger ones arrived later.</param>
/// <param name="Queue">The queue in which it failed.</param>
/// <param name="Kind">Why it left the queue.</param>
/// <param name="MessageId">The message's own id; empty if it has none.</param>
/// <param name="MessageType">The full type name; null if the body does not tell it.</param>
/// <param name="ExceptionType">The type of the handler's exception; null on a dead message.</param>
/// <param name="ExceptionMessage">The text of the exception.</param>
/// <param name="Size">The length of the body in bytes.</param>
/// <param name="Status">The status.</param>
/// <param name="ReceivedAt">When the service stored it.</param>
/// <param name="CompletedAt">When it was requeued or discarded.</param>
public sealed record FailedMessageView(
    long FailedMessageId, string Queue, FailureKind Kind, string MessageId, string? MessageType, string? ExceptionType,
    string? ExceptionMessage, int Size, FailedMessageStatus Status, DateTimeOffset ReceivedAt, DateTimeOffset? CompletedAt);

/// <summary>One failed message with everything that is known about it.</summary>
/// <param name="Message">The message as in the list.</param>
/// <param name="ContentType">The content type of the body.</param>
/// <param name="Headers">The headers at the broker.</param>
/// <param name="StackTrace">The stack trace of the exception.</param>
/// <param name="Body">The body, at most its first 1,048,576 bytes.</param>
/// <param name="BodyEncoding"><c>utf-8</c>, or <c>base64</c> if the body is not text.</param>
/// <param name="IsBodyCut">Whether the body is longer.</param>
/// <param name="Actions">The actions of operators on it, newest first.</param>
public sealed record FailedMessageDetails(
    FailedMessageView Message, string? ContentType, IReadOnlyDictionary<string, string> Headers, string? StackTrace, string Body,
    string BodyEncoding, bool IsBodyCut, IReadOnlyList<FailedMessageAction> Actions)
{
    private const int MaxShownBytes = 1_048_576;

    internal static FailedMessageDetails Of(FailedMessage message, IReadOnlyList<OperatorAction> actions)
    {
        var headers = MessageHeaderJson.Show(message.Headers);
        var shown = message.Body.AsSpan(0, Math.Min(message.Body.Length, MaxShownBytes));
        // A cut may have split a character.
        var isText = Utf8.IsValid(message.Body);
        return new FailedMessageDetails(
            ViewOf(message), message.ContentType, headers, headers.GetValueOrDefault(MassTransit.MessageHeaders.FaultStackTrace),
            isText ? Encoding.UTF8.GetString(shown) : Convert.ToBase64String(shown), isText ? "utf-8" : "base64",
            shown.Length < message.Body.Length,
            [.. actions.Select(action => new FailedMessageAction(action.Action, action.At, action.Operator, action.Reason))]);
    }

    private static FailedMessageView ViewOf(FailedMessage message) => new(
        message.FailedMessageId, message.Queue, message.Kind, message.MessageId, message.MessageType, message.ExceptionType,
        message.ExceptionMessage, message.Size, message.Status, message.ReceivedAt, message.CompletedAt);
}

/// <summary>One action of an operator on a failed message.</summary>
/// <param name="Action"><c>Requeue</c> or <c>Discard</c>.</param>
/// <param name="At">When it happened.</param>
/// <param name="Operator">The user id of the operator.</param>
/// <param name="Reason">The reason given.</param>
public sealed record FailedMessageAction(string Action, DateTimeOffset At, string Operator, string Reason);

/// <summary>Waiting messages with the same cause.</summary>
/// <param name="Queue">The queue in which they failed.</param>
/// <param name="Kind">Why they left the queue.</param>
/// <param name="MessageType">The full type name; null if the bodies do not tell it.</param>
/// <param name="ExceptionType">The type of the handler's exception; null for dead messages.</param>
/// <param name="Count">The number of messages.</param>
/// <param name="Oldest">When the first of them arrived.</param>
/// <param name="Newest">When the last of them arrived.</param>
public sealed record FailedMessageGroup(
    string Queue, FailureKind Kind, string? MessageType, string? ExceptionType, int Count, DateTimeOffset Oldest, DateTimeOffset Newest);

/// <summary>Selects waiting messages; all of them without a member.</summary>
/// <param name="Queue">Only messages that failed in this queue.</param>
/// <param name="Kind">Only errors, or only dead messages.</param>
/// <param name="MessageType">Only messages of this full type name.</param>
/// <param name="Exception">Only messages with this type of exception.</param>
public sealed record FailedMessageFilter(
    string? Queue = null, FailureKind? Kind = null, string? MessageType = null, string? Exception = null)
{
    /// <summary>
    /// The ids of the first messages in an order. It unites a part of each kind, which one range of an index has in the order of the ids.
    /// </summary>
    /// <param name="messages">All messages.</param>
    /// <param name="status">The status of the messages.</param>
    /// <param name="sort">The order, by id in either direction. May also leave out rows.</param>
    /// <param name="count">The maximum number of ids.</param>
    internal IQueryable<long> First(IQueryable<FailedMessage> messages, FailedMessageStatus status,
        Func<IQueryable<FailedMessage>, IOrderedQueryable<FailedMessage>> sort, int count)
    {
        FailureKind[] kinds = Kind is { } kind ? [kind] : Enum.GetValues<FailureKind>();
        var parts = kinds.Select(part => sort(Apply(messages.Where(message => message.Status == status && message.Kind == part)))
            .Take(count)).ToList();
        var firsts = parts is [var only] ? only : sort(parts.Aggregate(Queryable.Concat)).Take(count);
        return firsts.Select(message => message.FailedMessageId);
    }

    private IQueryable<FailedMessage> Apply(IQueryable<FailedMessage> messages)
    {
        if (Queue is not null)
            messages = messages.Where(message => message.Queue == Queue);
        if (MessageType is not null)
            messages = messages.Where(message => message.MessageType == MessageType);
        if (Exception is not null)
            messages = messages.Where(message => message.ExceptionType == Exception);
        return messages;
    }
}
