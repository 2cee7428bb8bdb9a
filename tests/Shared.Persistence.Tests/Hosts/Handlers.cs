using MassTransit;

namespace ConcertSaga.Shared.Persistence.Tests.Hosts;

/// <summary>Writes and sends in one transaction.</summary>
public sealed class ScriptedConsumer(TestDbContext database, ScopeMark scope, IServiceProvider services, Script script) : IConsumer<Tell>
{
    public async Task Consume(ConsumeContext<Tell> context)
    {
        script.Handled.Enqueue((context.Message.Id, scope.Id));
        database.Notes.Add(new Note { About = context.Message.Id });
        for (var number = 1; number <= context.Message.Messages; number++)
            await context.Publish(new Told(context.Message.Id, number), send => send.Headers.Set("Custom", "kept"));
        await script.Write(database, context.Message, script.HandledFor(context.Message.Id));
        await script.InScope(services, context.Message, script.HandledFor(context.Message.Id));
        await script.AtTheEnd(context, script.HandledFor(context.Message.Id));
    }
}

/// <summary>Notes what arrives; it has no inbox, so it sees repeats.</summary>
public sealed class ReceivingConsumer(Script script) : IConsumer<Told>
{
    public Task Consume(ConsumeContext<Told> context)
    {
        if (context.ReceiveContext.TransportHeaders.TryGetHeader(OutboxHost.FirstAttempt, out _))
            script.First.Enqueue(context.MessageId!.Value);
        script.Arrived.Enqueue(new Seen(context.MessageId, context.ConversationId, context.CorrelationId, context.InitiatorId, context.RequestId,
            context.Headers.Get<string>("Custom"), context.ExpirationTime, context.SourceAddress, context.Message.Id, context.Message.Number));
        return Task.CompletedTask;
    }
}

/// <summary>Writes down each announcement of a tally; its inbox keeps repeats away.</summary>
public sealed class AuditingConsumer(TestDbContext database, Script script) : IConsumer<Counted>
{
    public Task Consume(ConsumeContext<Counted> context)
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

    public Event<Count> Counting { get; } = null!;

    private static async Task AddAsync(BehaviorContext<Tally, Count> context, Script script)
    {
        script.Handled.Enqueue((context.Message.Id, default));
        await script.InSaga(script.HandledFor(context.Message.Id));
        context.Saga.Sum += context.Message.By;
        context.Saga.Version++;
        await context.Publish(new Counted(context.Message.Id, context.Saga.Sum));
        await script.AfterSagaChange();
    }
}
