using System.ComponentModel.DataAnnotations;
using ConcertSaga.Contracts.Facts;
using ConcertSaga.Seats.Data;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Seats.Endpoints;

/// <summary>Serves holds and their seats to Operations, which compares them with the reservations.</summary>
internal static class SeatFactEndpoints
{
    private const int MaxPageSize = 1_000;

    public static void MapSeatFacts(this IEndpointRouteBuilder routes)
    {
        routes.MapGet("/internal/facts/seats", ListHoldKeys);
        routes.MapPost("/internal/facts/seats", ReadSeatFacts);
    }

    /// <summary>Lists the reservations that have a hold, in any status.</summary>
    internal static async Task<Ok<FactKeys>> ListHoldKeys(
        [Range(1, MaxPageSize)] int? limit, Guid? after, SeatsDbContext database, CancellationToken cancellationToken)
    {
        var (take, first) = (limit ?? MaxPageSize, after ?? Guid.Empty);
        var ids = await database.SeatHolds.Where(hold => hold.ReservationId > first).OrderBy(hold => hold.ReservationId)
            .Select(hold => hold.ReservationId).Take(take).ToListAsync(cancellationToken);
        return TypedResults.Ok(new FactKeys([.. ids.Select(id => $"{id}")], ids.Count == take ? $"{ids[^1]}" : null));
    }

    /// <summary>Reads the holds of these reservations with the rows of their seats.</summary>
    internal static async Task<Ok<SeatFact[]>> ReadSeatFacts(
        FactRequest body, SeatsDbContext database, CancellationToken cancellationToken)
    {
        var ids = body.Ids;
        var holds = await database.SeatHolds.AsNoTracking().Where(hold => ids.Contains(hold.ReservationId)).ToListAsync(cancellationToken);
        var seats = new List<Seat>();
        // The key of a seat begins with its schedule.
        foreach (var schedule in holds.Where(hold => hold.ScheduleId is not null).GroupBy(hold => hold.ScheduleId!.Value))
        {
            int[] numbers = [.. schedule.SelectMany(hold => hold.SeatNumbers).Distinct()];
            seats.AddRange(await database.Seats.AsNoTracking()
                .Where(seat => seat.ScheduleId == schedule.Key && numbers.Contains(seat.Number)).ToListAsync(cancellationToken));
        }
        var rows = seats.ToDictionary(seat => (seat.ScheduleId, seat.Number));
        return TypedResults.Ok(holds.Select(hold => new SeatFact(
            hold.ReservationId, hold.Status.ToString(), hold.ScheduleId, hold.SeatNumbers, hold.TotalPrice, hold.Code, hold.UpdatedAt,
            [.. hold.SeatNumbers.Select(number => rows.GetValueOrDefault((hold.ScheduleId ?? 0, number))).OfType<Seat>()
                .Select(seat => new SeatRowFact(seat.Number, seat.Status.ToString(), seat.ReservationId))])).ToArray());
    }
}
