namespace ConcertSaga.Seats.Import;

/// <summary>Reads a file of a plan without checking it against a database.</summary>
public sealed class Plan : IDisposable
{
    private readonly PlanFile _file;
    private readonly PlanErrors _errors;

    private Plan(PlanFile file)
    {
        _file = file;
        _errors = new PlanErrors([file.Name]);
    }

    /// <summary>The first invalid lines, of those read so far.</summary>
    public IReadOnlyList<PlanError> Errors => _errors.First;

    /// <exception cref="Shared.Hosting.StartupException">The file cannot be read, or does not belong to a plan.</exception>
    public static Plan Open(string name) => new(PlanFile.Open(name));

    public IEnumerable<(int ScheduleId, int ConcertId, DateTimeOffset StartsAt)> Schedules() =>
        _file.Kind != PlanKind.Schedules ? []
            : _file.Schedules(0, _errors, _ => true).Select(row => (row.ScheduleId, row.ConcertId, row.StartsAt));

    public IEnumerable<(int ScheduleId, int Number, long Price)> Seats() =>
        _file.Kind != PlanKind.Seats ? [] : _file.Seats(0, _errors).Select(row => (row.ScheduleId, row.Number, row.Price));

    public void Dispose() => _file.Dispose();
}
