using ConcertSaga.Shared.Hosting.Operators;
using Microsoft.AspNetCore.Http.HttpResults;

namespace ConcertSaga.Operations.Overview;

internal static class OverviewEndpoints
{
    public static void MapOverview(this IEndpointRouteBuilder routes) => routes.MapOperators("/ops/api/overview").MapGet("", GetOverview);

    /// <summary>
    /// Returns the whole system at one moment: reservations now and by minute, waiting rooms, relay, queues and processes. Parts of
    /// services that do not answer are null.
    /// </summary>
    internal static async Task<Ok<OverviewView>> GetOverview(OverviewReader overview, CancellationToken cancellationToken) =>
        TypedResults.Ok(await overview.ReadAsync(cancellationToken));
}
