using System.Text;
using MassTransit;
using MassTransit.SagaStateMachine;

namespace ConcertSaga.Orchestrator.Reservations;

/// <summary>Draws the state machine as Mermaid text, from the machine itself.</summary>
public static class ReservationDiagram
{
    public static string Draw(ReservationStateMachine machine)
    {
        var arrows = new Arrows();
        machine.Accept(arrows);

        var text = new StringBuilder("stateDiagram-v2\n    [*] --> Requested\n");
        foreach (var (from, to, trigger) in arrows.Found.Distinct())
            text.Append("    ").Append(from).Append(" --> ").Append(to).Append(": ").Append(trigger).Append('\n');
        foreach (var state in machine.States.Where(state => state.Name is ReservationStates.Confirmed or ReservationStates.Rejected
                     or ReservationStates.Expired or ReservationStates.Cancelled or ReservationStates.Failed))
            text.Append("    ").Append(state.Name).Append(" --> [*]\n");
        return text.ToString();
    }

    // MassTransit's own graph has one vertex for an event wherever it is handled, and so forgets which of its arrows belong together.
    private sealed class Arrows : StateMachineVisitor
    {
        private string _state = "";
        private string _event = "";
        private int _depth;
        private bool _acts;

        public List<(string From, string To, string Trigger)> Found { get; } = [];

        public void Visit(State state, Action<State> next)
        {
            _state = state.Name;
            next(state);
        }

        public void Visit(Event @event, Action<Event> next)
        {
            _event = @event.Name;
            next(@event);
        }

        public void Visit<TMessage>(Event<TMessage> @event, Action<Event<TMessage>> next)
            where TMessage : class
        {
            _event = @event.Name;
            next(@event);
        }

        public void Visit(IStateMachineActivity activity) => Visit(activity, _ => { });

        public void Visit(IStateMachineActivity activity, Action<IStateMachineActivity> next)
        {
            var isCondition = activity.GetType().Name.StartsWith("ConditionActivity", StringComparison.Ordinal);
            if (activity is TransitionActivity<Reservation> transition)
                Found.Add((_state, transition.ToState.Name, _event));
            else if (!isCondition)
                _acts = true;
            if (_depth == 0)
                _acts = false;

            var before = Found.Count;
            _depth++;
            next(activity);
            _depth--;
            // What is done under a condition and leads nowhere else happens where it is: a command is sent again.
            if (_depth == 0 && isCondition && _acts && Found.Count == before)
                Found.Add((_state, _state, _event));
        }

        public void Visit<T>(IBehavior<T> behavior)
            where T : class, SagaStateMachineInstance
        {
        }

        public void Visit<T>(IBehavior<T> behavior, Action<IBehavior<T>> next)
            where T : class, SagaStateMachineInstance =>
            next(behavior);

        public void Visit<T, TMessage>(IBehavior<T, TMessage> behavior)
            where T : class, SagaStateMachineInstance
            where TMessage : class
        {
        }

        public void Visit<T, TMessage>(IBehavior<T, TMessage> behavior, Action<IBehavior<T, TMessage>> next)
            where T : class, SagaStateMachineInstance
            where TMessage : class =>
            next(behavior);
    }
}
