using ConcertSaga.Seats.Data;

namespace ConcertSaga.Seats.Import;

/// <summary>Collects the rows of venue plans in memory, and makes one document of each plan. A hall has a few thousand rows.</summary>
internal sealed class VenuePlanBuilder
{
    private const int MaxRows = 20_000;

    private readonly Dictionary<string, List<VenuePlanRow>> _plans = new(StringComparer.Ordinal);
    private Dictionary<string, VenuePlan> _documents = [];

    /// <summary>The documents, each once.</summary>
    public IEnumerable<VenuePlan> Documents => _documents.Values.DistinctBy(plan => plan.VenuePlanId);

    /// <summary>Whether a plan has this name.</summary>
    public bool Has(string name) => _plans.ContainsKey(name);

    /// <summary>The id of the plan with this name; empty without a name, and while plans are wrong.</summary>
    public string IdOf(string name) => _documents.TryGetValue(name, out var plan) ? plan.VenuePlanId : "";

    /// <summary>Adds the rows of a file and reports those that do not fit the others.</summary>
    public void Add(IEnumerable<VenuePlanRow> rows, PlanErrors errors)
    {
        foreach (var row in rows)
        {
            if (!_plans.TryGetValue(row.VenuePlan, out var plan))
                _plans[row.VenuePlan] = plan = [];
            if (plan.Count < MaxRows)
                plan.Add(row);
            else
                errors.Add(row.Position, $"venuePlan {row.VenuePlan} has more rows; allowed: at most {MaxRows}.");
        }
    }

    /// <summary>Reports seats that are in two rows of a plan, and makes the documents.</summary>
    public void Complete(PlanErrors errors)
    {
        foreach (var plan in _plans.Values)
        {
            VenuePlanRow? before = null;
            foreach (var row in plan.OrderBy(row => row.Row.FirstSeat).ThenBy(row => row.Position))
            {
                if (before is { } other && row.Row.FirstSeat <= other.Row.LastSeat)
                {
                    var (later, earlier) = row.Position > other.Position ? (row, other) : (other, row);
                    errors.Add(later.Position,
                        $"seat {row.Row.FirstSeat} of venuePlan {row.VenuePlan} is already in {errors.FileOf(earlier.Position)}:"
                            + $"{PlanErrors.LineOf(earlier.Position)}.");
                }
                if (before is null || row.Row.LastSeat > before.Value.Row.LastSeat)
                    before = row;
            }
        }
        _documents = _plans.ToDictionary(plan => plan.Key, plan => VenuePlan.Of(new VenuePlanView(
            [
                .. plan.Value.GroupBy(row => row.Section)
                    .Select(section => new VenueSection(section.Key, [.. section.Select(row => row.Row)]))
            ])));
    }
}
