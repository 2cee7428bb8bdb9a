using ConcertSaga.DataPlatform.Data;
using ConcertSaga.DataPlatform.Dispatch;
using ConcertSaga.Shared.Hosting.Http;
using ConcertSaga.Shared.Hosting.Operators;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;

namespace ConcertSaga.DataPlatform.Operations;

/// <summary>The state of the destination. Breaker, trouble and rate are those of the answering replica.</summary>
/// <param name="Address">The address without user, password and query.</param>
/// <param name="PausedAt">When sending was paused; null while it is not.</param>
/// <param name="PausedBy">The user id of the operator who paused it; <c>relay</c> if the platform answered 410.</param>
/// <param name="PauseReason">Why it is paused.</param>
/// <param name="Breaker">
/// <c>Closed</c>: deliveries are sent. <c>HalfOpen</c>: one trial delivery is sent. <c>Open</c>: nothing is sent.
/// </param>
/// <param name="Trouble">Why the destination accepts no deliveries; null while it does.</param>
/// <param name="TroubledSince">When the trouble began.</param>
/// <param name="NextTrialAt">The time of the next trial; null while deliveries are sent.</param>
/// <param name="DeliveriesPerSecond">The maximum rate after a throttling answer; null without a limit.</param>
/// <param name="ReconciledTo">The newest change of the orchestrator's outcomes that reconciliation has seen.</param>
/// <param name="Actions">The most recent pauses and resumptions, newest first.</param>
public sealed record DestinationView(
    string? Address, DateTimeOffset? PausedAt, string? PausedBy, string? PauseReason, string Breaker, string? Trouble,
    DateTimeOffset? TroubledSince, DateTimeOffset? NextTrialAt, double? DeliveriesPerSecond, DateTimeOffset? ReconciledTo,
    IReadOnlyList<ActionView> Actions);

internal static class DestinationEndpoints
{
    private const int MaxActions = 20;

    public static void MapDestination(this IEndpointRouteBuilder routes)
    {
        var destination = routes.MapOperators("/ops/api/deliveries/destination");
        destination.MapGet("", GetDestination);
        destination.MapPost("/pause", Pause).ProducesProblems(400, 422);
        destination.MapPost("/resume", Resume).ProducesProblems(400, 422);
    }

    /// <summary>Returns the state of the destination.</summary>
    internal static async Task<Ok<DestinationView>> GetDestination(
        DataPlatformDbContext database, IOptions<DataPlatformOptions> options, Breaker breaker, CancellationToken cancellationToken)
    {
        var row = await database.Destinations.AsNoTracking()
            .SingleAsync(destination => destination.Name == Destination.Platform, cancellationToken);
        var actions = await database.Actions.AsNoTracking().Where(action => action.Target == DestinationState.Target)
            .OrderByDescending(action => action.At).ThenByDescending(action => action.ActionId).Take(MaxActions)
            .ToListAsync(cancellationToken);
        var trouble = breaker.Trouble;
        return TypedResults.Ok(new DestinationView(
            options.Value.Destination?.GetComponents(UriComponents.SchemeAndServer | UriComponents.Path, UriFormat.UriEscaped),
            row.PausedAt, row.PausedBy, row.PauseReason, breaker.State.ToString(), trouble?.Reason, trouble?.Since, trouble?.NextTrialAt,
            breaker.Rate, row.ReconciledTo, actions.ConvertAll(ActionView.Of)));
    }

    /// <summary>Pauses sending in all replicas. Current requests finish. Repeating it changes nothing.</summary>
    internal static async Task<Results<Ok<DestinationView>, ProblemHttpResult>> Pause(
        OperatorReason body, Caller caller, DataPlatformDbContext database, IOptions<DataPlatformOptions> options, Breaker breaker,
        TimeProvider clock, CancellationToken cancellationToken)
    {
        if (OperatorRoutes.RefuseReason(body.Reason) is { } invalid)
            return invalid;
        await using (var transaction = await database.Database.BeginTransactionAsync(cancellationToken))
        {
            await database.PauseAsync(caller.UserId, body.Reason!, clock.GetUtcNow(), cancellationToken);
            await transaction.CommitAsync(cancellationToken);
        }
        return await GetDestination(database, options, breaker, cancellationToken);
    }

    /// <summary>Resumes sending. An open breaker allows a trial immediately. Repeating it changes nothing more.</summary>
    internal static async Task<Results<Ok<DestinationView>, ProblemHttpResult>> Resume(
        OperatorReason body, Caller caller, DataPlatformDbContext database, IOptions<DataPlatformOptions> options, Breaker breaker,
        Dispatcher dispatcher, TimeProvider clock, CancellationToken cancellationToken)
    {
        if (OperatorRoutes.RefuseReason(body.Reason) is { } invalid)
            return invalid;
        await using (var transaction = await database.Database.BeginTransactionAsync(cancellationToken))
        {
            await database.ResumeAsync(caller.UserId, body.Reason!, clock.GetUtcNow(), cancellationToken);
            await transaction.CommitAsync(cancellationToken);
        }
        breaker.EndPause();
        dispatcher.Wake();
        return await GetDestination(database, options, breaker, cancellationToken);
    }
}
