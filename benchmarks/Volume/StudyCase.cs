using ConcertSaga.Benchmarks.Measuring;
using ConcertSaga.Testing.Services;

namespace ConcertSaga.Benchmarks.Volume;

/// <summary>A statement of the product and its index.</summary>
/// <param name="Name">Name of the query.</param>
/// <param name="Owner">The service that owns the database.</param>
/// <param name="Statement">The captured statement.</param>
/// <param name="Parameters">The parameters of each run.</param>
/// <param name="Index">The index to measure.</param>
/// <param name="Drops">Statements that drop the index, and others that could replace it.</param>
/// <param name="Creates">Statements that create an index that the product does not have.</param>
internal sealed record StudyCase(
    string Name, string Owner, SentStatement Statement, Func<int, IReadOnlyList<KeyValuePair<string, object>>> Parameters, string Index,
    string[] Drops, string[] Creates)
{
    public const string Seats = "Seats", Orchestrator = "Orchestrator", Relay = "DataPlatform";

    public static StudyCase[] All(CapturedStatements statements, Catalogue catalogue, int users)
    {
        // A large prime step visits all numbers, and consecutive ones are far apart.
        int Spread(int run, int count) => (int)((run + 1) * 7_368_787L % count) + 1;
        int Schedule(int run) => Spread(run, catalogue.SchedulesWithSeats);
        int Concert(int run) => (Schedule(run) - 1) % catalogue.Concerts + 1;
        string User(int run) => $"user-{Spread(run, users) - 1}";
        return
        [
            new("seats of a schedule", Seats, statements.SeatMap, run => With(statements.SeatMap, ("scheduleId", Schedule(run))),
                "PK_Seats", ["ALTER TABLE \"Seats\" DROP CONSTRAINT \"PK_Seats\""], []),
            new("schedules of a concert in a range", Seats, statements.Schedules,
                run => With(statements.Schedules, ("concertId", Spread(run, catalogue.Concerts))),
                "IX_Schedules_ConcertId_StartsAt_ScheduleId", ["DROP INDEX \"IX_Schedules_ConcertId_StartsAt_ScheduleId\""], []),
            new("a user's seats of a concert", Seats, statements.SeatsOfUser,
                run => With(statements.SeatsOfUser, ("concertIds", new int?[] { Concert(run) }), ("users", new[] { User(run) })),
                "IX_SeatHolds_UserId_ConcertId", ["DROP INDEX \"IX_SeatHolds_UserId_ConcertId\""], []),
            new("a user's reservations", Orchestrator, statements.ReservationsOfUser,
                run => With(statements.ReservationsOfUser, ("userId", User(run))),
                "IX_Reservations_UserId_CreatedAt",
                ["DROP INDEX \"IX_Reservations_UserId_CreatedAt\"", "DROP INDEX \"IX_Reservations_UserId_IdempotencyKey\""], []),
            new("overdue reservations (expired holds)", Orchestrator, statements.Overdue, _ => statements.Overdue.Parameters,
                "IX_Reservations_Deadline", ["DROP INDEX \"IX_Reservations_Deadline\""], []),
            new("due deliveries", Relay, statements.Due, _ => statements.Due.Parameters,
                "IX_Deliveries_NextAttemptAt", ["DROP INDEX \"IX_Deliveries_NextAttemptAt\""], [])
        ];
    }

    private static List<KeyValuePair<string, object>> With(SentStatement statement, params (string Name, object Value)[] others)
    {
        var found = 0;
        var filled = new List<KeyValuePair<string, object>>();
        foreach (var (name, value) in statement.Parameters)
        {
            var other = others.FirstOrDefault(pair => name.Contains(pair.Name, StringComparison.OrdinalIgnoreCase));
            found += other.Name is null ? 0 : 1;
            filled.Add(KeyValuePair.Create(name, other.Value ?? value));
        }
        if (found >= others.Length)
            return filled;
        var names = string.Join(", ", statement.Parameters.Select(parameter => parameter.Key));
        throw new BenchmarkException(
            $"the statement has parameters {names} and not {string.Join(", ", others.Select(other => other.Name))}: {statement.Text}");
    }
}

/// <summary>Result of a case.</summary>
internal sealed record StudyResult(
    StudyCase Case, ExplainResult With, ExplainResult Without, ExplainResult ColdWith, ExplainResult ColdWithout, double IndexMegabytes)
{
    public double SpeedUp => Without.Median / With.Median;
}

/// <summary>Result of a query of schedules, without an index and with one.</summary>
internal sealed record ScheduleResult(string Name, ExplainResult Without, ExplainResult With);

/// <summary>Results with an index of the status alone: all available seats, and those of one schedule.</summary>
internal sealed record StatusResult(ExplainResult Free, ExplainResult FreeInSchedule, double Megabytes);
