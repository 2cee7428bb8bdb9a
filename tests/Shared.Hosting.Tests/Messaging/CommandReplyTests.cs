using System.Reflection;
using ConcertSaga.Shared.Hosting.Messaging;
using MassTransit;
using MassTransit.InMemoryTransport;

namespace ConcertSaga.Shared.Hosting.Tests.Messaging;

/// <summary>The receiver's inbox looks for no duplicate of a reply that says that the broker has never received it.</summary>
public sealed class CommandReplyTests
{
    [Fact]
    public async Task Reply_RepeatedByTheTransport_IsNoFirstAttempt()
    {
        var context = DispatchProxy.Create<ConsumeContext, Publisher>();
        var sends = new[] { Send(), Send() };

        await context.ReplyAsync("done");
        // The transport's retry runs the pipe again.
        foreach (var send in sends)
            await ((Publisher)(object)context).Pipe!.Send(send);

        Assert.Equal([true, null], sends.Select(send => send.Headers.Get<bool>("Outbox-First-Attempt")));
    }

    [Fact]
    public async Task Reply_ToARepeatedCommand_IsAFirstAttempt()
    {
        var context = DispatchProxy.Create<ConsumeContext, Publisher>();
        var send = Send();

        await context.ReplyAsync("done");
        await ((Publisher)(object)context).Pipe!.Send(Send());
        await context.ReplyAsync("done");
        await ((Publisher)(object)context).Pipe!.Send(send);

        Assert.True(send.Headers.Get<bool>("Outbox-First-Attempt"));
    }

    private static InMemorySendContext<string> Send() => new("done", TestContext.Current.CancellationToken);

    /// <summary>Takes the pipe of each published message.</summary>
    public class Publisher : DispatchProxy
    {
        public IPipe<PublishContext>? Pipe { get; private set; }

        protected override object? Invoke(MethodInfo? method, object?[]? arguments)
        {
            if (method!.Name == nameof(ConsumeContext.Publish))
                Pipe = arguments!.OfType<IPipe<PublishContext>>().Single();
            return method.ReturnType == typeof(Task) ? Task.CompletedTask : default(CancellationToken);
        }
    }
}
