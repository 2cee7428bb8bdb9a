using System.Reflection;
using MassTransit;

namespace ConcertSaga.Orchestrator.Tests.Hosts;

/// <summary>A message that the state machine sent to a queue or published (then <paramref name="Queue"/> is null).</summary>
public sealed record SentMessage(string? Queue, object Message)
{
    /// <summary>The form used in the tables of these tests: <c>seats-hold HoldSeats #1</c>, or <c>ReservationConfirmed</c>.</summary>
    public override string ToString() =>
        (Queue is null ? "" : Queue + " ") + Message.GetType().Name
            + (Message.GetType().GetProperty("Attempt")?.GetValue(Message) is int attempt ? $" #{attempt}" : "");
}

/// <summary>
/// A consume context that carries one message and records the messages sent through it. It implements only the members that a state
/// machine needs; any other method fails the test.
/// </summary>
public class RecordedMessages : DispatchProxy
{
    private readonly Guid _messageId = Guid.CreateVersion7();
    private object? _message;
    private string? _queue;
    private List<SentMessage> _sent = null!;

    public static ConsumeContext<T> Of<T>(T message, List<SentMessage> sent)
        where T : class
    {
        var context = As<ConsumeContext<T>>(sent, null);
        ((RecordedMessages)(object)context)._message = message;
        return context;
    }

    protected override object? Invoke(MethodInfo? targetMethod, object?[]? args)
    {
        switch (targetMethod!.Name)
        {
            case "get_Message": return _message;
            case "get_MessageId": return _messageId;
            case "get_CancellationToken": return CancellationToken.None;
            case "get_ReceiveContext": return As<ReceiveContext>(_sent, null);
            case "get_PublishEndpointProvider": return As<IPublishEndpointProvider>(_sent, null);
            case "get_SendEndpointProvider": return As<ISendEndpointProvider>(_sent, null);
            case "GetPublishSendEndpoint": return Task.FromResult(As<ISendEndpoint>(_sent, null));
            case "GetSendEndpoint": return Task.FromResult(As<ISendEndpoint>(_sent, ((Uri)args![0]!).AbsolutePath));
            case "Send" or "Publish":
                _sent.Add(new SentMessage(_queue, args![0]!));
                return Task.CompletedTask;
            case "TryGetPayload":
                args![0] = null;
                return false;
            case "HasPayloadType": return false;
            // The task has completed already.
            case "AddConsumeTask": return null;
            case var name when name.StartsWith("get_", StringComparison.Ordinal):
                return targetMethod.ReturnType.IsValueType ? Activator.CreateInstance(targetMethod.ReturnType) : null;
            default: throw new NotSupportedException($"The state machine used {targetMethod.Name}, which these tests do not implement.");
        }
    }

    private static T As<T>(List<SentMessage> sent, string? queue)
        where T : class
    {
        var proxy = Create<T, RecordedMessages>();
        var recorder = (RecordedMessages)(object)proxy;
        recorder._sent = sent;
        recorder._queue = queue;
        return proxy;
    }
}
