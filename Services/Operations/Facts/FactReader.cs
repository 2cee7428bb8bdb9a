using ConcertSaga.Contracts.Facts;
using ConcertSaga.Operations.Owners;

namespace ConcertSaga.Operations.Facts;

/// <summary>Reads what the owners have for some reservations, in one request to each owner.</summary>
internal sealed class FactReader(OwnerClient owners)
{
    private const string Route = "/internal/facts/";

    public Task<SagaFacts> ReadReservationsAsync(Guid[] ids, CancellationToken cancellationToken) =>
        owners.PostAsync<SagaFacts>(Owner.Orchestrator, Route + "reservations", new FactRequest(ids), cancellationToken);

    public async Task<List<SeatFact>> ReadSeatsAsync(Guid[] ids, CancellationToken cancellationToken) =>
        await owners.PostAsync<List<SeatFact>>(Owner.Seats, Route + "seats", new FactRequest(ids), cancellationToken);

    public async Task<List<PointFact>> ReadPointsAsync(Guid[] ids, CancellationToken cancellationToken) =>
        await owners.PostAsync<List<PointFact>>(Owner.Points, Route + "points", new FactRequest(ids), cancellationToken);

    public async Task<List<PaymentFact>> ReadPaymentsAsync(Guid[] ids, CancellationToken cancellationToken) =>
        await owners.PostAsync<List<PaymentFact>>(Owner.Payments, Route + "payments", new FactRequest(ids), cancellationToken);

    public async Task<List<QueueEntryFact>> ReadQueueAsync(Guid[] passes, CancellationToken cancellationToken) => passes is [] ? []
        : await owners.PostAsync<List<QueueEntryFact>>(Owner.Queue, Route + "queue", new FactRequest(passes), cancellationToken);

    public Task<DeliveryFacts> ReadDeliveriesAsync(Guid[] ids, CancellationToken cancellationToken) =>
        owners.PostAsync<DeliveryFacts>(Owner.DataPlatform, Route + "deliveries", new FactRequest(ids), cancellationToken);

    /// <summary>
    /// Reads the reservations first, and then the other owners. A reservation that has ended has the replies of all of them.
    /// </summary>
    /// <param name="ids">The reservations, without duplicates.</param>
    /// <param name="read">The owners to read, except Queue.</param>
    /// <param name="cancellationToken">Ends the requests.</param>
    public async Task<List<FactSheet>> ReadAsync(Guid[] ids, IReadOnlySet<Owner> read, CancellationToken cancellationToken)
    {
        var saga = await ReadReservationsAsync(ids, cancellationToken);
        var reservations = saga.Items.ToDictionary(row => row.ReservationId);
        var seats = IfRead(Owner.Seats, ReadSeatsAsync);
        var points = IfRead(Owner.Points, ReadPointsAsync);
        var payments = IfRead(Owner.Payments, ReadPaymentsAsync);
        var deliveries = read.Contains(Owner.DataPlatform) ? ReadDeliveriesAsync(ids, cancellationToken)
            : Task.FromResult(new DeliveryFacts([], default));
        await Task.WhenAll(seats, points, payments, deliveries);
        var seatsOf = (await seats).ToDictionary(row => row.ReservationId);
        var pointsOf = (await points).ToDictionary(row => row.ReservationId);
        var paymentOf = (await payments).ToDictionary(row => row.ReservationId);
        var deliveriesOf = (await deliveries).Items.ToLookup(row => row.ReservationId);
        var keptSince = (await deliveries).KeptSince;
        return [.. ids.Select(id => new FactSheet(id, read)
        {
            Reservation = reservations.GetValueOrDefault(id),
            ReservationsKeptSince = saga.KeptSince,
            Seats = seatsOf.GetValueOrDefault(id),
            Points = pointsOf.GetValueOrDefault(id),
            Payment = paymentOf.GetValueOrDefault(id),
            Deliveries = [.. deliveriesOf[id]],
            DeliveriesKeptSince = keptSince
        })];

        Task<List<T>> IfRead<T>(Owner owner, Func<Guid[], CancellationToken, Task<List<T>>> ask) =>
            read.Contains(owner) ? ask(ids, cancellationToken) : Task.FromResult(new List<T>());
    }
}
