namespace ConcertSaga.Operations.Bulk;

/// <summary>Names the objects of a change, by exactly one of ids, filter and selection.</summary>
/// <param name="Ids">The ids, at most 10,000.</param>
/// <param name="Filter">Selects the objects; only with <paramref name="DryRun"/>, which answers their selection.</param>
/// <param name="Selection">The selection of a dry run: exactly its objects, each at most once.</param>
/// <param name="Limit">The maximum number of objects, 1 to 10,000: the oldest ones. Default 10,000.</param>
/// <param name="Reason">Why, for the record; 1 to 500 characters. Not required with <paramref name="DryRun"/>.</param>
/// <param name="DryRun">Only selects the objects.</param>
public sealed record BulkRequest<TId, TFilter>(
    TId[]? Ids = null, TFilter? Filter = null, Guid? Selection = null, int? Limit = null, string? Reason = null, bool DryRun = false)
    where TId : struct
    where TFilter : class;

/// <summary>The result of a dry run.</summary>
/// <param name="Matched">The number of selected objects.</param>
/// <param name="Sample">The first of them, as in their list.</param>
/// <param name="Selection">Send this to act on exactly these objects. It is valid for a day.</param>
public sealed record BulkSelection<TView>(int Matched, IReadOnlyList<TView> Sample, Guid Selection);

/// <summary>An operation that has started.</summary>
/// <param name="OperationId">The id for <c>GET /ops/api/operations/{id}</c>.</param>
public sealed record OperationStarted(Guid OperationId);
