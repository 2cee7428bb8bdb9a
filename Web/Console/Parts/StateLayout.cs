using ConcertSaga.OperatorConsole.Api;

namespace ConcertSaga.OperatorConsole.Parts;

/// <summary>A state in the drawing of the state machine.</summary>
public sealed record StateNode(string Name, int Column, int Row)
{
    public const int Width = 118, Height = 34;

    public int X => 6 + (Column * 138);

    public int Y => 34 + (Row * 82);
}

/// <summary>A transition in the drawing.</summary>
public sealed record StateEdge(string From, string To);

/// <summary>Places the states of the saga, and tells the path that a reservation has taken and the one that remains.</summary>
public static class StateLayout
{
    /// <summary>The states: forward steps, compensations below them, and the ends without seats at the bottom.</summary>
    public static IReadOnlyList<StateNode> Nodes { get; } =
    [
        new("Requested", 0, 0), new("HoldingSeats", 1, 0), new("AwaitingPayment", 2, 0), new("DeductingPoints", 3, 0),
        new("ConfirmingPayment", 4, 0), new("ConfirmingSeats", 5, 0), new("Confirmed", 6, 0),
        new("ReleasingSeats", 2, 1), new("RefundingPoints", 3, 1), new("CancellingPayment", 5, 1),
        new("Rejected", 0, 2), new("Expired", 1, 2), new("Cancelled", 2, 2), new("Failed", 3, 2)
    ];

    /// <summary>The transitions between different states, as the saga allows them. A test compares them with its diagram.</summary>
    public static IReadOnlyList<StateEdge> Edges { get; } =
    [
        .. new[]
        {
            "Requested HoldingSeats", "Requested Cancelled", "HoldingSeats DeductingPoints", "HoldingSeats AwaitingPayment",
            "HoldingSeats Rejected", "HoldingSeats ReleasingSeats", "AwaitingPayment DeductingPoints", "AwaitingPayment ReleasingSeats",
            "DeductingPoints ConfirmingPayment", "DeductingPoints AwaitingPayment", "DeductingPoints ReleasingSeats",
            "DeductingPoints RefundingPoints", "ConfirmingPayment ConfirmingSeats", "ConfirmingPayment RefundingPoints",
            "ConfirmingPayment CancellingPayment", "ConfirmingSeats Confirmed", "ConfirmingSeats CancellingPayment",
            "Confirmed CancellingPayment", "CancellingPayment RefundingPoints", "RefundingPoints ReleasingSeats", "ReleasingSeats Expired",
            "ReleasingSeats Cancelled", "ReleasingSeats Failed"
        }.Select(edge => new StateEdge(edge.Split(' ')[0], edge.Split(' ')[1]))
    ];

    // The state in which each command awaits its reply.
    private static readonly Dictionary<string, string> StateOf = new()
    {
        ["HoldSeats"] = "HoldingSeats",
        ["DeductPoints"] = "DeductingPoints",
        ["ConfirmPayment"] = "ConfirmingPayment",
        ["ConfirmSeats"] = "ConfirmingSeats",
        ["CancelPayment"] = "CancellingPayment",
        ["RefundPoints"] = "RefundingPoints",
        ["ReleaseSeats"] = "ReleasingSeats"
    };

    /// <summary>The transitions that a reservation has made.</summary>
    public static HashSet<StateEdge> TakenBy(IEnumerable<TransitionShown> transitions) =>
        [.. transitions.Where(step => step.FromState is not null && step.FromState != step.ToState)
            .Select(step => new StateEdge(step.FromState!, step.ToState))];

    /// <summary>The transitions that remain if every step succeeds.</summary>
    public static HashSet<StateEdge> RemainingFor(ReservationShown reservation)
    {
        if (reservation.RemainingSteps.Length == 0)
            return [];
        var end = reservation.Outcome ?? "Confirmed";
        string[] path = [reservation.State, .. reservation.RemainingSteps.Select(step => StateOf.GetValueOrDefault(step, "")), end];
        return [.. path.Zip(path.Skip(1)).Where(pair => pair.First != pair.Second).Select(pair => new StateEdge(pair.First, pair.Second))];
    }

    /// <summary>The line of a transition, from border to border.</summary>
    public static string PathOf(StateEdge edge)
    {
        var (from, to) = (Find(edge.From), Find(edge.To));
        var (fx, fy) = (from.X + (StateNode.Width / 2), from.Y + (StateNode.Height / 2));
        var (tx, ty) = (to.X + (StateNode.Width / 2), to.Y + (StateNode.Height / 2));
        if (from.Row == to.Row && Math.Abs(from.Column - to.Column) == 1 && from.Column < to.Column)
            return $"M{from.X + StateNode.Width},{fy} L{to.X - 3},{ty}";
        if (from.Row == to.Row && from.Row == 0)
        {
            // Over the states between, or back beside the straight line.
            var top = from.Y - 22;
            return $"M{fx},{from.Y} C{fx},{top} {tx},{top} {tx},{to.Y - 3}";
        }
        if (from.Row == to.Row)
            return $"M{from.X},{fy} L{to.X + StateNode.Width + 3},{ty}";
        var middle = (from.Y + StateNode.Height + to.Y) / 2;
        return $"M{fx},{from.Y + StateNode.Height} C{fx},{middle} {tx},{middle} {tx},{to.Y - 3}";
    }

    private static StateNode Find(string name) => Nodes.Single(node => node.Name == name);
}
