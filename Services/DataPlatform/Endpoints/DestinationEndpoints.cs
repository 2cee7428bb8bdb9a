using ConcertSaga.DataPlatform.Data;
using ConcertSaga.DataPlatform.Domain;
using ConcertSaga.Shared.Hosting.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;

namespace ConcertSaga.DataPlatform.Endpoints;

/// <summary>The platform as its operator sees it.</summary>
/// <param name="Address">Where deliveries go, without what may be secret.</param>
/// <param name="PausedAt">Since when nothing is sent; null while it is.</param>
/// <param name="PausedBy">Who has paused it; <c>relay</c> where the platform answered 410.</param>
/// <param name="PauseReason">Why.</param>
/// <param name="Breaker">Whether the replica that answers leaves it alone: <c>Closed</c> no, <c>HalfOpen</c> one delivery tries, <c>Open</c> yes.</param>
/// <param name="ReconciledTo">Up to which change the orchestrator's outcomes were compared.</param>
/// <param name="Actions">Who paused and resumed it lately, newest first.</param>
public sealed record DestinationView(
    string? Address, DateTimeOffset? PausedAt, string? PausedBy, string? PauseReason, string Breaker, DateTimeOffset? ReconciledTo, IReadOnlyList<ActionView> Actions);

internal static class DestinationEndpoints
{
    private const int MostActions = 20;

    public static void MapDestination(this IEndpointRouteBuilder routes)
    {
        var destination = routes.MapOperators("/ops/api/deliveries/destination");
        destination.MapGet("", GetDestination);
        destination.MapPost("/pause", Pause).ProducesProblems(400, 422);
        destination.MapPost("/resume", Resume).ProducesProblems(400, 422);
    }

    /// <summary>Whether the platform is being sent to.</summary>
    internal static async Task<Ok<DestinationView>> GetDestination(
        DataPlatformDbContext database, IOptions<DataPlatformOptions> options, Breaker breaker, CancellationToken cancellationToken)
    {
        var row = await database.Destinations.AsNoTracking().SingleAsync(one => one.Name == Destination.Platform, cancellationToken);
        var actions = await database.Actions.AsNoTracking().Where(action => action.DeliveryId == null)
            .OrderByDescending(action => action.At).Take(MostActions).ToListAsync(cancellationToken);
        return TypedResults.Ok(new DestinationView(
            options.Value.Destination?.GetComponents(UriComponents.SchemeAndServer | UriComponents.Path, UriFormat.UriEscaped), row.PausedAt, row.PausedBy, row.PauseReason,
            breaker.State.ToString(), row.ReconciledTo, actions.ConvertAll(ActionView.Of)));
    }

    /// <summary>Nothing is sent any more, by any replica; what is under way ends. Again: the same.</summary>
    internal static async Task<Results<Ok<DestinationView>, ProblemHttpResult>> Pause(
        OperatorReason body, Caller caller, DataPlatformDbContext database, IOptions<DataPlatformOptions> options, Breaker breaker, TimeProvider clock,
        CancellationToken cancellationToken)
    {
        if (Operators.Invalid(body.Reason) is { } invalid)
            return invalid;
        await using (var transaction = await database.Database.BeginTransactionAsync(cancellationToken))
        {
            await database.PauseAsync(caller.UserId, body.Reason!, clock.GetUtcNow(), cancellationToken);
            await transaction.CommitAsync(cancellationToken);
        }
        return await GetDestination(database, options, breaker, cancellationToken);
    }

    /// <summary>Everything that is due is sent again. Again: the same.</summary>
    internal static async Task<Results<Ok<DestinationView>, ProblemHttpResult>> Resume(
        OperatorReason body, Caller caller, DataPlatformDbContext database, IOptions<DataPlatformOptions> options, Breaker breaker, Dispatcher dispatcher,
        TimeProvider clock, CancellationToken cancellationToken)
    {
        if (Operators.Invalid(body.Reason) is { } invalid)
            return invalid;
        await using (var transaction = await database.Database.BeginTransactionAsync(cancellationToken))
        {
            await database.ResumeAsync(caller.UserId, body.Reason!, clock.GetUtcNow(), cancellationToken);
            await transaction.CommitAsync(cancellationToken);
        }
        dispatcher.Wake();
        return await GetDestination(database, options, breaker, cancellationToken);
    }
}
