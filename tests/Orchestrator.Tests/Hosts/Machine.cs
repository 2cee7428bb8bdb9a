using System.Reflection;
using ConcertSaga.Orchestrator.Reservations;
using MassTransit;
using MassTransit.Context;
using MassTransit.Middleware;
using Microsoft.Extensions.Time.Testing;

namespace ConcertSaga.Orchestrator.Tests.Hosts;

/// <summary>Runs the state machine without a bus or a database. Events are raised as by the saga's endpoint.</summary>
public sealed class Machine
{
    public static readonly DateTimeOffset Start = new(2030, 5, 1, 12, 0, 0, TimeSpan.Zero);

    private static readonly MethodInfo Raise = typeof(Machine).GetMethod(nameof(RaiseOf), BindingFlags.NonPublic | BindingFlags.Instance)!;

    private readonly ReservationStateMachine _machine;

    public Machine() =>
        _machine = new ReservationStateMachine(new ReservationSteps(Clock, Microsoft.Extensions.Options.Options.Create(Options)));

    public FakeTimeProvider Clock { get; } = new(Start);

    public ReservationOptions Options { get; } = new();

    public DateTimeOffset Now => Clock.GetUtcNow();

    /// <summary>The states of a reservation, without MassTransit's own <c>Initial</c> and <c>Final</c>.</summary>
    public IEnumerable<State> States => _machine.States.Where(state => state != _machine.Initial && state != _machine.Final);

    public IEnumerable<Event> Events => _machine.Events;

    public IEnumerable<Event> NextEvents(State state) => _machine.NextEvents(state);

    public string Draw() => ReservationDiagram.Draw(_machine);

    /// <summary>Raises a message and returns the messages that the machine sent, in order.</summary>
    public async Task<List<SentMessage>> RaiseAsync(Reservation reservation, object message)
    {
        var sent = new List<SentMessage>();
        await (Task)Raise.MakeGenericMethod(message.GetType()).Invoke(this, [reservation, message, sent])!;
        return sent;
    }

    private Task RaiseOf<T>(Reservation reservation, T message, List<SentMessage> sent)
        where T : class
    {
        var @event = _machine.Events.OfType<Event<T>>().Single();
        var context = new DefaultSagaConsumeContext<Reservation, T>(RecordedMessages.Of(message, sent), reservation);
        return new StateMachineSagaMessageFilter<Reservation, T>(_machine, @event)
            .Send(context, Pipe.Empty<SagaConsumeContext<Reservation, T>>());
    }
}
