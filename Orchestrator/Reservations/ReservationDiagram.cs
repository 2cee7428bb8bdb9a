using System.Text;
using MassTransit;
using MassTransit.SagaStateMachine;

namespace ConcertSaga.Orchestrator.Reservations;

/// <summary>Draws the state machine as Mermaid text, from the machine itself.</summary>
public static class ReservationDiagram
{
    public static string Draw(ReservationStateMachine machine)
    {
        var graph = machine.GetGraph();
        var text = new StringBuilder("stateDiagram-v2\n    [*] --> Requested\n");
        // An event is a vertex between two states; a transition is drawn from state to state with the event's name on it.
        var lines = from before in graph.Edges
                    from after in graph.Edges
                    where IsEvent(before.To) && before.To.Equals(after.From) && !IsEvent(before.From) && !IsEvent(after.To)
                    select $"    {before.From.Title} --> {after.To.Title}: {before.To.Title}\n";
        foreach (var line in lines.Distinct())
            text.Append(line);
        foreach (var state in machine.States.Where(state => state.Name is ReservationStates.Confirmed or ReservationStates.Rejected
                     or ReservationStates.Expired or ReservationStates.Cancelled or ReservationStates.Failed))
            text.Append("    ").Append(state.Name).Append(" --> [*]\n");
        return text.ToString();
    }

    private static bool IsEvent(Vertex vertex) => vertex.VertexType.Name.StartsWith("Event", StringComparison.Ordinal) || vertex.VertexType.IsAssignableTo(typeof(Event));
}
