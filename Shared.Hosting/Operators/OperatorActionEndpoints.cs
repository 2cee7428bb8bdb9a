using System.ComponentModel.DataAnnotations;
using System.Text.Json;
using ConcertSaga.Shared.Hosting.Http;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Routing;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Shared.Hosting.Operators;

/// <summary>One action of an operator in a list.</summary>
/// <param name="ActionId">The id.</param>
/// <param name="At">When it was carried out.</param>
/// <param name="Operator">The user id of the operator.</param>
/// <param name="Action">What the operator did.</param>
/// <param name="Target">The address of the changed object below <c>/ops/api/</c>.</param>
/// <param name="Reason">Why, in the operator's words.</param>
/// <param name="Refusal">The code with which it was refused; null if it was carried out.</param>
/// <param name="Before">The object before it; null if it was not recorded.</param>
/// <param name="After">The object after it.</param>
public sealed record OperatorActionView(
    Guid ActionId, DateTimeOffset At, string Operator, string Action, string Target, string Reason, string? Refusal, JsonElement? Before,
    JsonElement? After)
{
    /// <summary>Describes a row.</summary>
    public static OperatorActionView Of(OperatorAction row) => new(
        row.ActionId, row.At, row.Operator, row.Action, row.Target, row.Reason, row.Refusal, Parse(row.Before), Parse(row.After));

    private static JsonElement? Parse(string? json)
    {
        if (json is null)
            return null;
        using var document = JsonDocument.Parse(json);
        return document.RootElement.Clone();
    }
}

/// <summary>Selects actions of operators. A null member selects all.</summary>
/// <param name="Operator">The user id of the operator.</param>
/// <param name="Action">What the operator did.</param>
/// <param name="Target">The address of the changed object below <c>/ops/api/</c>.</param>
public sealed record ActionFilter(string? Operator, string? Action, string? Target);

/// <summary>Serves the actions of operators on an owner's objects to other services. The gateway does not route here.</summary>
public static class OperatorActionEndpoints
{
    // One row more than a page of operators, to see whether another page follows.
    private const int MaxPageSize = Paging.MaxOperatorLimit + 1;

    /// <summary>
    /// Maps <c>/internal/operator-actions/{owner}</c>. The owner is part of the address, because one host of AllInOne serves all owners.
    /// </summary>
    public static void MapOperatorActions<TContext>(this IEndpointRouteBuilder routes, string owner)
        where TContext : DbContext =>
        routes.MapGet($"/internal/operator-actions/{owner}", ListActions<TContext>);

    /// <summary>Lists actions of operators, newest first.</summary>
    internal static async Task<Ok<Page<OperatorActionView>>> ListActions<TContext>(
        string? @operator, string? action, string? target, [Range(1, MaxPageSize)] int? limit, string? cursor, TContext database,
        CancellationToken cancellationToken)
        where TContext : DbContext
    {
        var take = limit ?? Paging.DefaultLimit;
        var key = Paging.Cursor<InstantKey<Guid>>(cursor);
        var rows = await database.ReadActionsAsync(new ActionFilter(@operator, action, target), key, take + 1, cancellationToken);
        var page = Paging.Cut(rows, take, row => new InstantKey<Guid>(row.At, row.ActionId));
        return TypedResults.Ok(page);
    }

    /// <summary>Reads actions of operators from an owner's database, newest first.</summary>
    /// <param name="database">The database.</param>
    /// <param name="filter">Selects the actions.</param>
    /// <param name="after">The key of the row before the first one; null begins with the newest.</param>
    /// <param name="count">The maximum number of rows.</param>
    /// <param name="cancellationToken">Ends the query.</param>
    public static async Task<List<OperatorActionView>> ReadActionsAsync(
        this DbContext database, ActionFilter filter, InstantKey<Guid>? after, int count, CancellationToken cancellationToken)
    {
        var rows = database.Set<OperatorAction>().AsNoTracking();
        if (filter.Operator is { } caller)
            rows = rows.Where(row => row.Operator == caller);
        if (filter.Action is { } action)
            rows = rows.Where(row => row.Action == action);
        if (filter.Target is { } target)
            rows = rows.Where(row => row.Target == target);
        if (after is var (at, id))
            // The first condition bounds the index scan.
            rows = rows.Where(row => row.At <= at && (row.At < at || row.ActionId < id));
        var found = await rows.OrderByDescending(row => row.At).ThenByDescending(row => row.ActionId).Take(count)
            .ToListAsync(cancellationToken);
        return found.ConvertAll(OperatorActionView.Of);
    }
}
