using ConcertSaga.Seats.Data;

namespace ConcertSaga.Seats.Import;

/// <summary>
/// The statements of an import. They are the same for all servers but for how a table of one connection is made: rows come into three of
/// those first, without a lock on anything, and are judged and moved from there.
/// </summary>
internal sealed class ImportStatements
{
    private readonly string _create, _number, _text, _instant;

    private ImportStatements(string create, string prefix, string number, string text, string instant)
    {
        (_create, _number, _text, _instant) = (create, number, text, instant);
        (Concerts, Schedules, Seats) = ($"{prefix}import_concerts", $"{prefix}import_schedules", $"{prefix}import_seats");
    }

    public string Concerts { get; }

    public string Schedules { get; }

    public string Seats { get; }

    public static ImportStatements Of(SeatsDbContext database) => database switch
    {
        SqlServerSeatsDbContext => new("CREATE TABLE", "#", "int", "nvarchar(200)", "datetimeoffset"),
        SqliteSeatsDbContext => new("CREATE TEMP TABLE", "", "int", "text", "text"),
        _ => new("CREATE TEMP TABLE", "", "int", "text", "timestamptz")
    };

    public IEnumerable<string> Create =>
    [
        $"""{_create} "{Concerts}" ("Position" bigint NOT NULL, "ConcertId" {_number} NOT NULL, "Title" {_text} NOT NULL, "Venue" {_text} NOT NULL, "SaleOpensAt" {_instant} NOT NULL, "SaleClosesAt" {_instant} NOT NULL)""",
        $"""{_create} "{Schedules}" ("Position" bigint NOT NULL, "ScheduleId" {_number} NOT NULL, "ConcertId" {_number} NOT NULL, "StartsAt" {_instant} NOT NULL)""",
        $"""{_create} "{Seats}" ("Position" bigint NOT NULL, "ScheduleId" {_number} NOT NULL, "Number" {_number} NOT NULL, "Price" bigint NOT NULL)"""
    ];

    /// <summary>A planner that knows nothing of a new table takes it for an empty one.</summary>
    public IEnumerable<string> Analyze => Tables.Select(table => $"ANALYZE \"{table}\"");

    public IEnumerable<string> Drop => Tables.Select(table => $"DROP TABLE \"{table}\"");

    /// <summary>Rows that cannot be: position, id, the position of the first row with that id.</summary>
    public string WrongConcerts => $"""
        SELECT c."Position", c."ConcertId", c."First" FROM {First(Concerts, "\"ConcertId\"")} c
        LEFT JOIN "Concerts" e ON e."ConcertId" = c."ConcertId"
        WHERE c."Position" <> c."First" OR e."ConcertId" IS NOT NULL
        """;

    public string InsertConcerts => $"""
        INSERT INTO "Concerts" ("ConcertId", "Title", "Venue", "SaleOpensAt", "SaleClosesAt")
        SELECT c."ConcertId", c."Title", c."Venue", c."SaleOpensAt", c."SaleClosesAt" FROM {First(Concerts, "\"ConcertId\"")} c
        WHERE c."Position" = c."First" AND NOT EXISTS (SELECT 1 FROM "Concerts" e WHERE e."ConcertId" = c."ConcertId")
        """;

    /// <summary>Position, id, concert, the position of the first row with that id, and the concert's id again where there is such a concert.</summary>
    public string WrongSchedules => $"""
        SELECT d."Position", d."ScheduleId", d."ConcertId", d."First", c."ConcertId" AS "Known" FROM {First(Schedules, "\"ScheduleId\"")} d
        LEFT JOIN "Concerts" c ON c."ConcertId" = d."ConcertId"
        LEFT JOIN "Schedules" e ON e."ScheduleId" = d."ScheduleId"
        WHERE d."Position" <> d."First" OR e."ScheduleId" IS NOT NULL OR c."ConcertId" IS NULL
        """;

    public string InsertSchedules => $"""
        INSERT INTO "Schedules" ("ScheduleId", "ConcertId", "StartsAt", "TotalSeats", "AvailableSeats", "Version")
        SELECT d."ScheduleId", d."ConcertId", d."StartsAt", COALESCE(n."Seats", 0), COALESCE(n."Seats", 0), 0 FROM {First(Schedules, "\"ScheduleId\"")} d
        LEFT JOIN {Counts} n ON n."ScheduleId" = d."ScheduleId"
        WHERE d."Position" = d."First" AND EXISTS (SELECT 1 FROM "Concerts" c WHERE c."ConcertId" = d."ConcertId")
            AND NOT EXISTS (SELECT 1 FROM "Schedules" e WHERE e."ScheduleId" = d."ScheduleId")
        """;

    /// <summary>
    /// Dates that were there get more seats. As with every change of a date's seats, raising its version comes first and is the lock.
    /// </summary>
    public string ChangeSeatMaps => $"""
        UPDATE "Schedules" SET "Version" = "Version" + 1, "TotalSeats" = "TotalSeats" + n."Seats", "AvailableSeats" = "AvailableSeats" + n."Seats"
        FROM {Counts} n
        WHERE n."ScheduleId" = "Schedules"."ScheduleId"
            AND NOT EXISTS (SELECT 1 FROM "{Schedules}" d WHERE d."ScheduleId" = "Schedules"."ScheduleId")
        """;

    /// <summary>
    /// Position, date, number, the position of the first row with both, and the date's id again where there is such a date or its row was
    /// refused for another reason.
    /// </summary>
    public string WrongSeats => $"""
        SELECT s."Position", s."ScheduleId", s."Number", s."First", COALESCE(d."ScheduleId", p."ScheduleId") AS "Known" FROM {First(Seats, "\"ScheduleId\", \"Number\"")} s
        LEFT JOIN "Schedules" d ON d."ScheduleId" = s."ScheduleId"
        LEFT JOIN (SELECT DISTINCT "ScheduleId" FROM "{Schedules}") p ON p."ScheduleId" = s."ScheduleId"
        LEFT JOIN "Seats" e ON e."ScheduleId" = s."ScheduleId" AND e."Number" = s."Number"
        WHERE s."Position" <> s."First" OR e."Number" IS NOT NULL OR COALESCE(d."ScheduleId", p."ScheduleId") IS NULL
        """;

    /// <summary>In the order of their key, so that the seats of a date lie together however the file had them.</summary>
    public string InsertSeats => $"""
        INSERT INTO "Seats" ("ScheduleId", "Number", "Price", "Status")
        SELECT "ScheduleId", "Number", "Price", '{SeatStatus.Available}' FROM "{Seats}" ORDER BY "ScheduleId", "Number"
        """;

    private string[] Tables => [Concerts, Schedules, Seats];

    private string Counts => $"""(SELECT "ScheduleId", COUNT(*) AS "Seats" FROM "{Seats}" GROUP BY "ScheduleId")""";

    private static string First(string table, string key) => $"""(SELECT *, MIN("Position") OVER (PARTITION BY {key}) AS "First" FROM "{table}")""";
}
