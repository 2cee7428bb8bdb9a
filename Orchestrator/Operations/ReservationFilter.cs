using System.Globalization;
using ConcertSaga.Orchestrator.Reservations;
using ConcertSaga.Shared.Hosting.Http;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Orchestrator.Operations;

/// <summary>The order of a list of reservations, by the instant of the request.</summary>
public enum ReservationOrder
{
    Newest,
    Oldest
}

/// <summary>Selects reservations for operators. A null member selects all.</summary>
internal sealed record ReservationFilter
{
    public ReservationState? State { get; init; }

    public ReservationStatus? Status { get; init; }

    public string? UserId { get; init; }

    public int? ConcertId { get; init; }

    public int? ScheduleId { get; init; }

    public int? Seat { get; init; }

    public string? FailureCode { get; init; }

    public bool? Stuck { get; init; }

    public bool? Retrying { get; init; }

    public DateTimeOffset? CreatedFrom { get; init; }

    public DateTimeOffset? CreatedTo { get; init; }

    public ReservationOrder Order { get; init; }

    /// <summary>
    /// The query of a page. It unites parts that one index each serves in the order of the list, and each part ends after the page.
    /// </summary>
    /// <param name="database">The database.</param>
    /// <param name="after">The key of the last row of the previous page.</param>
    /// <param name="count">The number of rows.</param>
    /// <param name="among">Only rows in these states; null for all.</param>
    public IQueryable<Reservation> Page(
        OrchestratorDbContext database, InstantKey<Guid>? after, int count, IReadOnlyList<string>? among = null)
    {
        var rows = database.Reservations.AsNoTracking();
        var parts = PartsOf(rows, among ?? ReservationStates.All).Select(part => Sort(Narrow(part, after)).Take(count))
            .Select(part => Seat is null ? part : ById(rows, part)).ToList();
        return parts is [var only] && Seat is null ? only : Sort(parts.Aggregate(Queryable.Concat)).Take(count);
    }

    /// <summary>The query of a page of reservations that have not ended, which need no other part.</summary>
    public IQueryable<Reservation> Unfinished(OrchestratorDbContext database, InstantKey<Guid>? after, int count) =>
        Sort(Narrow(database.Reservations.AsNoTracking().Where(row => row.Deadline != null), after)).Take(count);

    private IEnumerable<IQueryable<Reservation>> PartsOf(IQueryable<Reservation> rows, IReadOnlyList<string> among)
    {
        string[] states = [.. among.Where(state => (State is null || State.ToString() == state)
            && (Status is null || ReservationResponse.StatesOf(Status.Value).Contains(state)))];
        string[] finished = [.. states.Intersect(ReservationStates.Finished)];
        // A customer has few reservations, and an index over all of them.
        if (UserId is not null)
        {
            yield return InStates(rows.Where(row => row.UserId == UserId), states);
            yield break;
        }
        // Without any state, this part is empty.
        if (states.Length > finished.Length || states.Length == 0)
            yield return InStates(rows.Where(row => row.Deadline != null), states);
        if (Stuck is true || Retrying is true || finished.Length == 0)
            yield break;
        foreach (var state in finished)
            yield return rows.Where(row => row.Deadline == null && row.CurrentState == state);
    }

    // Most rows of a schedule are of other seats. An index has all that finds those of the seat, so only these are read.
    private static IQueryable<Reservation> ById(IQueryable<Reservation> rows, IQueryable<Reservation> part)
    {
        var ids = part.Select(row => row.CorrelationId);
        return rows.Where(row => ids.Contains(row.CorrelationId));
    }

    private static IQueryable<Reservation> InStates(IQueryable<Reservation> rows, string[] states) =>
        states.Length == ReservationStates.All.Length ? rows : rows.Where(row => states.Contains(row.CurrentState));

    private IQueryable<Reservation> Narrow(IQueryable<Reservation> rows, InstantKey<Guid>? after)
    {
        if (ConcertId is not null)
            rows = rows.Where(row => row.ConcertId == ConcertId);
        if (ScheduleId is not null)
            rows = rows.Where(row => row.ScheduleId == ScheduleId);
        if (Seat is not null)
            rows = HavingSeat(rows, string.Create(CultureInfo.InvariantCulture, $"{Seat}"));
        if (FailureCode is not null)
            rows = rows.Where(row => row.FailureCode == FailureCode);
        if (Stuck is { } stuck)
            rows = rows.Where(row => (row.StuckSince != null) == stuck);
        if (Retrying is { } retrying)
            rows = rows.Where(row => (row.StepAttempts > 1) == retrying);
        if (CreatedFrom is not null)
            rows = rows.Where(row => row.CreatedAt >= CreatedFrom);
        if (CreatedTo is not null)
            rows = rows.Where(row => row.CreatedAt < CreatedTo);
        // The first condition bounds the index scan.
        return after is not var (createdAt, id) ? rows
            : Order == ReservationOrder.Newest
                ? rows.Where(row => row.CreatedAt <= createdAt && (row.CreatedAt < createdAt || row.CorrelationId < id))
                : rows.Where(row => row.CreatedAt >= createdAt && (row.CreatedAt > createdAt || row.CorrelationId > id));
    }

    // The column is text such as "7,8".
    private static IQueryable<Reservation> HavingSeat(IQueryable<Reservation> rows, string seat)
    {
        var (first, last, inner) = ($"{seat},%", $"%,{seat}", $"%,{seat},%");
        return rows.Where(row => EF.Functions.Like((string)(object)row.SeatNumbers, seat)
            || EF.Functions.Like((string)(object)row.SeatNumbers, first) || EF.Functions.Like((string)(object)row.SeatNumbers, last)
            || EF.Functions.Like((string)(object)row.SeatNumbers, inner));
    }

    private IOrderedQueryable<Reservation> Sort(IQueryable<Reservation> rows) => Order == ReservationOrder.Newest
        ? rows.OrderByDescending(row => row.CreatedAt).ThenByDescending(row => row.CorrelationId)
        : rows.OrderBy(row => row.CreatedAt).ThenBy(row => row.CorrelationId);
}
