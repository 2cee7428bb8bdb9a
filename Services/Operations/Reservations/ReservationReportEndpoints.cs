using ConcertSaga.Contracts;
using ConcertSaga.Operations.Facts;
using ConcertSaga.Operations.Owners;
using ConcertSaga.Shared.Hosting.Http;
using ConcertSaga.Shared.Hosting.Operators;
using Microsoft.AspNetCore.Http.HttpResults;

namespace ConcertSaga.Operations.Reservations;

/// <summary><c>GET /ops/api/reservations/{id}</c>. The orchestrator serves the other routes below this address.</summary>
internal static class ReservationReportEndpoints
{
    private const int MaxReads = 3;

    // A service that does not answer must not hold up those that do.
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(3);

    public static void MapReservationReports(this IEndpointRouteBuilder routes) =>
        routes.MapOperators("/ops/api/reservations/{id:guid}").MapGet("", GetReservation)
            .Refuses(404, RefusalCodes.ReservationNotFound).Refuses(503, RefusalCodes.Unavailable);

    /// <summary>
    /// Returns one reservation with its transitions, the actions of operators, what each owner has for it, and where they disagree.
    /// </summary>
    internal static async Task<Results<Ok<ReservationReport>, ProblemHttpResult>> GetReservation(
        Guid id, OwnerClient owners, FactReader facts, TimeProvider clock, CancellationToken cancellationToken)
    {
        for (var read = 1; ; read++)
        {
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            limit.CancelAfter(Limit);
            var (isThere, saga) = await owners.TryAsync(Owner.Orchestrator,
                () => owners.GetAsync<SagaReport>(Owner.Orchestrator, $"/internal/reservations/{id}", limit.Token), cancellationToken);
            if (!isThere)
                return Problems.Refuse(StatusCodes.Status503ServiceUnavailable, RefusalCodes.Unavailable,
                    "The orchestrator, which has the reservation, does not answer. Try again.");
            if (saga is null)
                return Problems.Refuse(StatusCodes.Status404NotFound, RefusalCodes.ReservationNotFound, "This reservation does not exist.");
            var sheet = await ReadAsync(id, saga, owners, facts, limit.Token, cancellationToken);
            // If the saga has moved on meanwhile, the parts belong to different states.
            var isOneState = sheet.Reservation?.Version == saga.Version;
            if (isOneState || read == MaxReads)
                return TypedResults.Ok(Report(saga, sheet, isOneState ? [.. Disagreements.Of(sheet, clock.GetUtcNow())] : []));
        }
    }

    private static async Task<FactSheet> ReadAsync(
        Guid id, SagaReport saga, OwnerClient owners, FactReader facts, CancellationToken limit, CancellationToken cancellationToken)
    {
        Guid[] ids = [id];
        Guid[] passes = saga.Pass is { } pass ? [pass] : [];
        var seats = owners.TryAsync(Owner.Seats, () => facts.ReadSeatsAsync(ids, limit), cancellationToken);
        var points = owners.TryAsync(Owner.Points, () => facts.ReadPointsAsync(ids, limit), cancellationToken);
        var payments = owners.TryAsync(Owner.Payments, () => facts.ReadPaymentsAsync(ids, limit), cancellationToken);
        var queue = owners.TryAsync(Owner.Queue, () => facts.ReadQueueAsync(passes, limit), cancellationToken);
        var deliveries = owners.TryAsync(Owner.DataPlatform, () => facts.ReadDeliveriesAsync(ids, limit), cancellationToken);
        await Task.WhenAll(seats, points, payments, queue, deliveries);
        var reservations = await owners.TryAsync(Owner.Orchestrator, () => facts.ReadReservationsAsync(ids, limit), cancellationToken);
        (Owner Owner, bool IsThere)[] answers =
        [
            (Owner.Seats, (await seats).IsThere), (Owner.Points, (await points).IsThere), (Owner.Payments, (await payments).IsThere),
            (Owner.Queue, (await queue).IsThere), (Owner.DataPlatform, (await deliveries).IsThere)
        ];
        return new FactSheet(id, answers.Where(answer => answer.IsThere).Select(answer => answer.Owner).ToHashSet())
        {
            Reservation = reservations.Value?.Items.SingleOrDefault(),
            Seats = (await seats).Value?.SingleOrDefault(),
            Points = (await points).Value?.SingleOrDefault(),
            Payment = (await payments).Value?.SingleOrDefault(),
            Queue = (await queue).Value?.SingleOrDefault(),
            Deliveries = (await deliveries).Value?.Items ?? [],
            DeliveriesKeptSince = (await deliveries).Value?.KeptSince ?? default
        };
    }

    private static ReservationReport Report(SagaReport saga, FactSheet sheet, IReadOnlyList<Disagreement> findings)
    {
        Owner[] all = [Owner.Seats, Owner.Points, Owner.Payments, Owner.Queue, Owner.DataPlatform];
        return new ReservationReport(
            saga.Reservation, saga.Transitions, saga.Actions,
            new ReservationFacts(sheet.Seats, sheet.Points, sheet.Payment, sheet.Queue,
                sheet.HasRead(Owner.DataPlatform) ? sheet.Deliveries : null),
            findings, [.. all.Where(owner => !sheet.HasRead(owner))]);
    }
}
