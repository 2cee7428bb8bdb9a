using System.Globalization;
using ConcertSaga.Testing.Services;

namespace ConcertSaga.Benchmarks.Volume;

/// <summary>One of the product's statements and the index it is for.</summary>
/// <param name="Name">What is asked.</param>
/// <param name="Owner">Whose database it goes to.</param>
/// <param name="Statement">As it was sent.</param>
/// <param name="Parameters">Other ones for each turn.</param>
/// <param name="Index">What it is judged with and without.</param>
/// <param name="Drops">Take the index away, and others that would stand in for it.</param>
/// <param name="Creates">Makes an index that the product does without.</param>
internal sealed record StudyCase(
    string Name, string Owner, SentStatement Statement, Func<int, IReadOnlyList<KeyValuePair<string, object>>> Parameters, string Index, string[] Drops, string[] Creates)
{
    public const string Seats = "Seats", Orchestrator = "Orchestrator", Relay = "DataPlatform";

    public static StudyCase[] All(CatalogueServices services, Catalogue catalogue, int users)
    {
        // A step that has no divisor in common with the numbers it goes through visits all of them, far apart from each other.
        int Spread(int turn, int of) => (int)((turn + 1) * 7_368_787L % of) + 1;
        int Date(int turn) => Spread(turn, catalogue.DatesWithSeats);
        return
        [
            new("seats of a date", Seats, services.SeatMap, turn => With(services.SeatMap, ("scheduleId", Date(turn))), "PK_Seats", ["ALTER TABLE \"Seats\" DROP CONSTRAINT \"PK_Seats\""], []),
            new("dates of a concert in a range", Seats, services.Dates, turn => With(services.Dates, ("concertId", Spread(turn, catalogue.Concerts))),
                "IX_Schedules_ConcertId_StartsAt_ScheduleId", ["DROP INDEX \"IX_Schedules_ConcertId_StartsAt_ScheduleId\""], []),
            new("seats a user has of a concert", Seats, services.SeatsOfUser,
                turn => With(services.SeatsOfUser, ("scheduleId", Date(turn)), ("userId", $"user-{Spread(turn, users) - 1}")),
                "IX_SeatHolds_UserId_ConcertId", ["DROP INDEX \"IX_SeatHolds_UserId_ConcertId\""], []),
            new("release of a reservation's seats", Seats, services.Release,
                turn => WriteCost.Filled(services.Release, Date(turn), StudyData.ReservationOf(Date(turn), 1), []),
                "study_reservation", [], ["CREATE INDEX study_reservation ON \"Seats\" (\"ReservationId\") WHERE \"ReservationId\" IS NOT NULL"]),
            new("a user's reservations", Orchestrator, services.UsersReservations, turn => With(services.UsersReservations, ("userId", $"user-{Spread(turn, users) - 1}")),
                "IX_Reservations_UserId_CreatedAt", ["DROP INDEX \"IX_Reservations_UserId_CreatedAt\"", "DROP INDEX \"IX_Reservations_UserId_IdempotencyKey\""], []),
            new("overdue reservations (expired holds)", Orchestrator, services.Overdue, _ => services.Overdue.Parameters, "IX_Reservations_Deadline", ["DROP INDEX \"IX_Reservations_Deadline\""], []),
            new("deliveries that are due", Relay, services.Due, _ => services.Due.Parameters, "IX_Deliveries_NextAttemptAt", ["DROP INDEX \"IX_Deliveries_NextAttemptAt\""], [])
        ];
    }

    private static List<KeyValuePair<string, object>> With(SentStatement statement, params (string Name, object Value)[] others)
    {
        var filled = statement.Parameters.Select(one => KeyValuePair.Create(one.Key,
            others.FirstOrDefault(other => one.Key.Contains(other.Name, StringComparison.OrdinalIgnoreCase)).Value ?? one.Value)).ToList();
        return filled.Count(one => others.Any(other => one.Key.Contains(other.Name, StringComparison.OrdinalIgnoreCase))) >= others.Length ? filled
            : throw new Measuring.BenchmarkException($"the statement has parameters {string.Join(", ", statement.Parameters.Select(one => one.Key))} and not {string.Join(", ", others.Select(other => other.Name))}: {statement.Text}");
    }

    /// <summary>A statement of this study's own.</summary>
    public static SentStatement Own(FormattableString text) => new(text.ToString(CultureInfo.InvariantCulture), []);
}

/// <summary>What a case came to.</summary>
internal sealed record StudyResult(StudyCase Case, Explained With, Explained Without, Explained ColdWith, Explained ColdWithout, double IndexMegabytes);

/// <summary>One way to ask for dates, without an index and with one.</summary>
internal sealed record ScheduleResult(string Name, Explained Without, Explained With);
