namespace ConcertSaga.Seats.Import;

/// <summary>A file of a plan read by itself, without a database to judge it by.</summary>
public sealed class Plan : IDisposable
{
    private readonly PlanFile _file;
    private readonly PlanErrors _errors;

    private Plan(PlanFile file) => (_file, _errors) = (file, new PlanErrors([file.Name]));

    /// <summary>The first lines that were left out, of those read so far.</summary>
    public IReadOnlyList<PlanError> Errors => _errors.First;

    /// <exception cref="Shared.Hosting.StartupException">It cannot be read, or is none of a plan.</exception>
    public static Plan Open(string name) => new(PlanFile.Open(name));

    public IEnumerable<(int ScheduleId, int ConcertId, DateTimeOffset StartsAt)> Schedules() =>
        _file.Kind != PlanKind.Schedules ? [] : _file.Schedules(0, _errors).Select(row => (row.ScheduleId, row.ConcertId, row.StartsAt));

    public IEnumerable<(int ScheduleId, int Number, long Price)> Seats() =>
        _file.Kind != PlanKind.Seats ? [] : _file.Seats(0, _errors).Select(row => (row.ScheduleId, row.Number, row.Price));

    public void Dispose() => _file.Dispose();
}
