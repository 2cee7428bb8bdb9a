using System.ComponentModel.DataAnnotations;
using System.Globalization;
using System.Text.Json;
using ConcertSaga.Operations.Data;
using ConcertSaga.Operations.Owners;
using ConcertSaga.Shared.Hosting.Http;
using ConcertSaga.Shared.Hosting.Operators;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.WebUtilities;

namespace ConcertSaga.Operations.Actions;

/// <summary>An action of an operator, in the list of all owners.</summary>
/// <param name="ActionId">The id.</param>
/// <param name="Owner">The owner of the changed object.</param>
/// <param name="At">When it was carried out.</param>
/// <param name="Operator">The user id of the operator.</param>
/// <param name="Action">What the operator did.</param>
/// <param name="Target">The address of the changed object below <c>/ops/api/</c>.</param>
/// <param name="Reason">Why, in the operator's words.</param>
/// <param name="Refusal">The code with which it was refused; null if it was carried out.</param>
/// <param name="Before">The object before it; null if it was not recorded.</param>
/// <param name="After">The object after it.</param>
public sealed record OwnedActionView(
    Guid ActionId, Owner Owner, DateTimeOffset At, string Operator, string Action, string Target, string Reason, string? Refusal,
    JsonElement? Before, JsonElement? After)
{
    internal static OwnedActionView Of(Owner owner, OperatorActionView action) => new(
        action.ActionId, owner, action.At, action.Operator, action.Action, action.Target, action.Reason, action.Refusal, action.Before,
        action.After);
}

/// <summary>One page of actions.</summary>
/// <param name="Items">The actions, newest first.</param>
/// <param name="NextCursor">The <c>cursor</c> of the next page; null on the last page.</param>
/// <param name="Missing">The owners that did not answer. Their actions of this period are not on the page.</param>
public sealed record ActionPage(IReadOnlyList<OwnedActionView> Items, string? NextCursor, IReadOnlyList<Owner> Missing);

/// <summary><c>/ops/api/actions</c>.</summary>
internal static class ActionEndpoints
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(3);

    // The order is part of the cursor.
    private static readonly Owner[] Sources = Enum.GetValues<Owner>();

    public static void MapActions(this IEndpointRouteBuilder routes) =>
        routes.MapOperators("/ops/api/actions").MapGet("", ListActions).ProducesProblems(400);

    /// <summary>Lists what operators did in all services, newest first. A service that is away is named in <c>missing</c>.</summary>
    internal static async Task<Ok<ActionPage>> ListActions(
        string? @operator, string? action, string? target, [Range(1, Paging.MaxOperatorLimit)] int? limit, string? cursor,
        OperationsDbContext database, OwnerClient owners, CancellationToken cancellationToken)
    {
        var take = limit ?? Paging.DefaultLimit;
        var position = Paging.Cursor<ActionCursor>(cursor);
        if (position is { Keys.Length: var keys } && keys != Sources.Length)
            throw RefusedRequestException.Parameter(nameof(cursor), "The list has changed. Start again without a cursor.");
        var filter = new ActionFilter(@operator, action, target);
        var parts = await Task.WhenAll(Sources.Select((owner, source) =>
            ReadAsync(owner, filter, position?.Keys[source], take + 1, database, owners, cancellationToken)));
        // A stable sort keeps the order of each source among the rows of one instant.
        var rows = parts.SelectMany((part, source) => (part ?? []).Select(row => (Source: source, Row: row)))
            .OrderByDescending(row => row.Row.At).Take(take + 1).ToList();
        var page = Paging.Cut(rows, take, _ =>
            ActionCursor.After(
                rows.ConvertAll(row => (row.Source, new InstantKey<Guid>(row.Row.At, row.Row.ActionId))), position, Sources.Length));
        return TypedResults.Ok(new ActionPage(
            [.. page.Items.Select(row => OwnedActionView.Of(Sources[row.Source], row.Row))], page.NextCursor,
            [.. Sources.Where((_, source) => parts[source] is null)]));
    }

    // Null if the owner does not answer.
    private static async Task<IReadOnlyList<OperatorActionView>?> ReadAsync(
        Owner owner, ActionFilter filter, InstantKey<Guid>? after, int count, OperationsDbContext database, OwnerClient owners,
        CancellationToken cancellationToken)
    {
        if (owner == Owner.Operations)
            return await database.ReadActionsAsync(filter, after, count, cancellationToken);
        var query = new Dictionary<string, string?>
        {
            ["operator"] = filter.Operator,
            ["action"] = filter.Action,
            ["target"] = filter.Target,
            ["limit"] = count.ToString(CultureInfo.InvariantCulture),
            ["cursor"] = after is { } key ? Paging.Write(key) : null
        };
        var path = QueryHelpers.AddQueryString($"/internal/operator-actions/{owner.ToString().ToLowerInvariant()}",
            query.Where(parameter => parameter.Value is not null));
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(Limit);
        var (_, page) = await owners.TryAsync(owner, async () => await owners.GetAsync<Page<OperatorActionView>>(owner, path, limit.Token)
            ?? throw new HttpRequestException($"{owner} does not have the list of actions."), cancellationToken);
        return page?.Items;
    }
}
