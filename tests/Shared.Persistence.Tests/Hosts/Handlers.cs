using MassTransit;

namespace ConcertSaga.Shared.Persistence.Tests.Hosts;

/// <summary>Writes a note, publishes messages and runs the script.</summary>
public sealed class ScriptedConsumer(TestDbContext database, ScopeMark scope, IServiceProvider services, Script script)
    : IConsumer<WriteNote>
{
    public async Task Consume(ConsumeContext<WriteNote> context)
    {
        script.Handled.Enqueue((context.Message.Id, scope.Id));
        database.Notes.Add(new Note { About = context.Message.Id });
        for (var number = 1; number <= context.Message.Messages; number++)
            await context.Publish(new NoteWritten(context.Message.Id, number), send => send.Headers.Set("Custom", "kept"));
        await script.Write(database, context.Message, script.HandledFor(context.Message.Id));
        await script.InScope(services, context.Message, script.HandledFor(context.Message.Id));
        await script.AtTheEnd(context, script.HandledFor(context.Message.Id));
    }
}

/// <summary>Records all messages that arrive. It has no inbox, so it also records duplicates.</summary>
public sealed class ReceivingConsumer(Script script) : IConsumer<NoteWritten>
{
    public Task Consume(ConsumeContext<NoteWritten> context)
    {
        if (context.ReceiveContext.TransportHeaders.TryGetHeader(OutboxHost.FirstAttempt, out _))
            script.First.Enqueue(context.MessageId!.Value);
        script.Arrived.Enqueue(new ReceivedMessage(context.MessageId, context.ConversationId, context.CorrelationId, context.InitiatorId,
            context.RequestId, context.Headers.Get<string>("Custom"), context.ExpirationTime, context.SourceAddress, context.Message.Id,
            context.Message.Number));
        return Task.CompletedTask;
    }
}

/// <summary>Writes a note for each change of a tally. Its inbox rejects duplicates.</summary>
public sealed class AuditingConsumer(TestDbContext database, Script script) : IConsumer<TallyChanged>
{
    public Task Consume(ConsumeContext<TallyChanged> context)
    {
        script.Handled.Enqueue((context.Message.Id, default));
        database.Notes.Add(new Note { About = context.Message.Id });
        return Task.CompletedTask;
    }
}

public sealed class TallyStateMachine : MassTransitStateMachine<Tally>
{
    public TallyStateMachine(Script script)
    {
        InstanceState(tally => tally.CurrentState);
        Event(() => Counting, e => e.CorrelateById(context => context.Message.Id));
        Initially(When(Counting).ThenAsync(context => AddAsync(context, script)).TransitionTo(Running));
        During(Running, When(Counting).ThenAsync(context => AddAsync(context, script)));
    }

    public State Running { get; } = null!;

    public Event<AddToTally> Counting { get; } = null!;

    private static async Task AddAsync(BehaviorContext<Tally, AddToTally> context, Script script)
    {
        script.Handled.Enqueue((context.Message.Id, default));
        await script.InSaga(script.HandledFor(context.Message.Id));
        context.Saga.Sum += context.Message.By;
        context.Saga.Version++;
        await context.Publish(new TallyChanged(context.Message.Id, context.Saga.Sum));
        await script.AfterSagaChange();
    }
}
