using System.Text;
using MassTransit;
using MassTransit.SagaStateMachine;

namespace ConcertSaga.Orchestrator.Reservations;

/// <summary>Draws the state machine as Mermaid text.</summary>
public static class ReservationDiagram
{
    public static string Draw(ReservationStateMachine machine)
    {
        var arrows = new ArrowVisitor();
        machine.Accept(arrows);

        var text = new StringBuilder("stateDiagram-v2\n    [*] --> Requested\n");
        foreach (var (from, to, trigger) in arrows.Found.Distinct())
            text.Append("    ").Append(from).Append(" --> ").Append(to).Append(": ").Append(trigger).Append('\n');
        foreach (var state in machine.States.Where(state => state.Name is ReservationStates.Confirmed or ReservationStates.Rejected
                     or ReservationStates.Expired or ReservationStates.Cancelled or ReservationStates.Failed))
            text.Append("    ").Append(state.Name).Append(" --> [*]\n");
        return text.ToString();
    }

    // MassTransit's own graph has one vertex per event for all states, and so loses which of its arrows belong together.
    private sealed class ArrowVisitor : StateMachineVisitor
    {
        private string _state = "";
        private string _event = "";
        private int _depth;
        private bool _acts;
        private bool _alwaysActs;
        private int _foundBefore;

        public List<(string From, string To, string Trigger)> Found { get; } = [];

        public void Visit(State state, Action<State> next)
        {
            _state = state.Name;
            next(state);
            EndEvent();
        }

        public void Visit(Event @event, Action<Event> next)
        {
            BeginEvent(@event);
            next(@event);
        }

        public void Visit<TMessage>(Event<TMessage> @event, Action<Event<TMessage>> next)
            where TMessage : class
        {
            BeginEvent(@event);
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
            {
                _alwaysActs |= !isCondition;
                _acts = false;
            }

            var before = Found.Count;
            _depth++;
            next(activity);
            _depth--;
            // A conditional action without a transition leads back to its state: the command is resent.
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

        private void BeginEvent(Event @event)
        {
            EndEvent();
            _event = @event.Name;
        }

        // So does an unconditional action without a transition.
        private void EndEvent()
        {
            if (_alwaysActs && Found.Count == _foundBefore)
                Found.Add((_state, _state, _event));
            _alwaysActs = false;
            _foundBefore = Found.Count;
        }
    }
}
