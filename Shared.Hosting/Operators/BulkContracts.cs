using System.Text.Json.Serialization;

namespace ConcertSaga.Shared.Hosting.Operators;

/// <summary>What became of one object of a bulk change.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<ItemOutcome>))]
public enum ItemOutcome
{
    /// <summary>It was changed.</summary>
    Succeeded,

    /// <summary>It was no longer in a state that the change applies to.</summary>
    Skipped,

    /// <summary>It could not be changed.</summary>
    Failed
}

/// <summary>Asks an owner which objects a bulk change would apply to. Operations asks this for a dry run.</summary>
/// <param name="Action">The change.</param>
/// <param name="Limit">The maximum number of objects: the oldest ones.</param>
/// <param name="SampleSize">How many of them to describe.</param>
/// <param name="Filter">Selects the objects; null if ids are given.</param>
/// <param name="Ids">Describes these objects instead, whatever their state.</param>
public sealed record BulkChoice<TFilter>(
    string Action, int Limit, int SampleSize, TFilter? Filter = null, Guid[]? Ids = null)
    where TFilter : class;

/// <summary>The objects of a bulk change.</summary>
/// <param name="Ids">Their ids.</param>
/// <param name="Sample">The first of them.</param>
public sealed record BulkChosen<TId, TView>(IReadOnlyList<TId> Ids, IReadOnlyList<TView> Sample);

/// <summary>
/// Asks an owner to change some objects. The owner acts once for each action id and records it, so the request can be repeated.
/// </summary>
/// <param name="Action">The change.</param>
/// <param name="Operator">The user id of the operator.</param>
/// <param name="Reason">The operator's reason.</param>
/// <param name="Items">The objects.</param>
/// <param name="Starts">False only asks for the results of changes that were started before.</param>
public sealed record BulkChange(string Action, string Operator, string Reason, BulkItem[] Items, bool Starts);

/// <summary>One object of a bulk change.</summary>
/// <param name="ActionId">The id under which its change is recorded.</param>
/// <param name="Id">The id of the object.</param>
public sealed record BulkItem(Guid ActionId, Guid Id);

/// <summary>The result for one object.</summary>
/// <param name="ActionId">The id of the change.</param>
/// <param name="Outcome">The outcome; null while it is not known.</param>
/// <param name="Reason">Why the object was skipped, or could not be changed.</param>
public sealed record BulkResult(Guid ActionId, ItemOutcome? Outcome, string? Reason);
