using ConcertSaga.Seats.Data;
using ConcertSaga.Shared.Hosting.Databases;

namespace ConcertSaga.Seats.Import;

/// <summary>
/// Builds the statements of an import. Rows first go into three temporary tables, which need no lock; from there they are checked and
/// moved. Only creating these tables differs between the servers.
/// </summary>
internal sealed class ImportStatements
{
    /// <summary>The maximum number of seats of one schedule: a seat map of 29 MB, and four times the largest stadium.</summary>
    public const int MaxSeats = 500_000;

    /// <summary>Inserts a venue plan unless it exists. Equal plans have equal ids.</summary>
    public const string InsertVenuePlan = """
        INSERT INTO "VenuePlans" ("VenuePlanId", "Content")
        SELECT @id, @content WHERE NOT EXISTS (SELECT 1 FROM "VenuePlans" WHERE "VenuePlanId" = @id)
        """;

    private readonly string _create, _number, _text, _instant;

    private ImportStatements(string create, string prefix, string number, string text, string instant)
    {
        _create = create;
        _number = number;
        _text = text;
        _instant = instant;
        Concerts = $"{prefix}import_concerts";
        Schedules = $"{prefix}import_schedules";
        Seats = $"{prefix}import_seats";
    }

    public string Concerts { get; }

    public string Schedules { get; }

    public string Seats { get; }

    public static ImportStatements Of(SeatsDbContext database) => database.Database.GetProvider() switch
    {
        DatabaseProvider.SqlServer => new("CREATE TABLE", "#", "int", "nvarchar(200)", "datetimeoffset"),
        DatabaseProvider.Sqlite => new("CREATE TEMP TABLE", "", "int", "text", "text"),
        _ => new("CREATE TEMP TABLE", "", "int", "text", "timestamptz")
    };

    public IEnumerable<string> Create =>
    [
        $"""
        {_create} "{Concerts}" (
            "Position" bigint NOT NULL, "ConcertId" {_number} NOT NULL, "Title" {_text} NOT NULL, "Venue" {_text} NOT NULL,
            "SaleOpensAt" {_instant} NOT NULL, "SaleClosesAt" {_instant} NOT NULL, "TimeZone" {_text} NOT NULL)
        """,
        $"""
        {_create} "{Schedules}" (
            "Position" bigint NOT NULL, "ScheduleId" {_number} NOT NULL, "ConcertId" {_number} NOT NULL, "StartsAt" {_instant} NOT NULL,
            "VenuePlanId" {_text} NOT NULL)
        """,
        $"""
        {_create} "{Seats}" (
            "Position" bigint NOT NULL, "ScheduleId" {_number} NOT NULL, "Number" {_number} NOT NULL, "Price" bigint NOT NULL)
        """
    ];

    /// <summary>Gathers statistics, because PostgreSQL plans for an empty table otherwise.</summary>
    public IEnumerable<string> Analyze => Tables.Select(table => $"ANALYZE \"{table}\"");

    public IEnumerable<string> Drop => Tables.Select(table => $"DROP TABLE \"{table}\"");

    /// <summary>Selects concerts that cannot be imported: position, id, and the position of the first row with that id.</summary>
    public string WrongConcerts => $"""
        SELECT c."Position", c."ConcertId", c."First" FROM {First(Concerts, "\"ConcertId\"")} c
        LEFT JOIN "Concerts" e ON e."ConcertId" = c."ConcertId"
        WHERE c."Position" <> c."First" OR e."ConcertId" IS NOT NULL
        """;

    public string InsertConcerts => $"""
        INSERT INTO "Concerts" ("ConcertId", "Title", "Venue", "SaleOpensAt", "SaleClosesAt", "TimeZone")
        SELECT c."ConcertId", c."Title", c."Venue", c."SaleOpensAt", c."SaleClosesAt", c."TimeZone"
        FROM {First(Concerts, "\"ConcertId\"")} c
        WHERE c."Position" = c."First" AND NOT EXISTS (SELECT 1 FROM "Concerts" e WHERE e."ConcertId" = c."ConcertId")
        """;

    /// <summary>
    /// Selects schedules that cannot be imported: position, id, concert, the position of the first row with that id, and the concert's id
    /// again if that concert exists.
    /// </summary>
    public string WrongSchedules => $"""
        SELECT d."Position", d."ScheduleId", d."ConcertId", d."First", c."ConcertId" AS "Known"
        FROM {First(Schedules, "\"ScheduleId\"")} d
        LEFT JOIN "Concerts" c ON c."ConcertId" = d."ConcertId"
        LEFT JOIN "Schedules" e ON e."ScheduleId" = d."ScheduleId"
        WHERE d."Position" <> d."First" OR e."ScheduleId" IS NOT NULL OR c."ConcertId" IS NULL
        """;

    public string InsertSchedules => $"""
        INSERT INTO "Schedules" ("ScheduleId", "ConcertId", "StartsAt", "TotalSeats", "AvailableSeats", "Version", "VenuePlanId")
        SELECT d."ScheduleId", d."ConcertId", d."StartsAt", COALESCE(n."Seats", 0), COALESCE(n."Seats", 0), 0,
            NULLIF(d."VenuePlanId", '')
        FROM {First(Schedules, "\"ScheduleId\"")} d
        LEFT JOIN {Counts} n ON n."ScheduleId" = d."ScheduleId"
        WHERE d."Position" = d."First" AND EXISTS (SELECT 1 FROM "Concerts" c WHERE c."ConcertId" = d."ConcertId")
            AND NOT EXISTS (SELECT 1 FROM "Schedules" e WHERE e."ScheduleId" = d."ScheduleId")
        """;

    /// <summary>
    /// Locks the schedules that get seats in the order of their ids, as commands do; an update does not promise an order. Only PostgreSQL.
    /// </summary>
    public string LockSchedules => $"""
        SELECT FROM "Schedules" s WHERE s."ScheduleId" IN (SELECT n."ScheduleId" FROM {Counts} n) ORDER BY s."ScheduleId" FOR NO KEY UPDATE
        """;

    /// <summary>
    /// Counts the new seats of schedules that exist already. Raising a version also locks its schedule.
    /// </summary>
    public string ChangeSeatMaps => $"""
        UPDATE "Schedules" SET "Version" = "Version" + 1,
            "TotalSeats" = "TotalSeats" + n."Seats", "AvailableSeats" = "AvailableSeats" + n."Seats"
        FROM {Counts} n
        WHERE n."ScheduleId" = "Schedules"."ScheduleId"
            AND NOT EXISTS (SELECT 1 FROM "{Schedules}" d WHERE d."ScheduleId" = "Schedules"."ScheduleId")
        """;

    /// <summary>
    /// Selects seats that cannot be imported: position, schedule, number, and the position of the first row with both. The schedule's id
    /// follows again if it exists, or if its row was refused for another reason.
    /// </summary>
    public string WrongSeats => $"""
        SELECT s."Position", s."ScheduleId", s."Number", s."First", COALESCE(d."ScheduleId", p."ScheduleId") AS "Known"
        FROM {First(Seats, "\"ScheduleId\", \"Number\"")} s
        LEFT JOIN "Schedules" d ON d."ScheduleId" = s."ScheduleId"
        LEFT JOIN (SELECT DISTINCT "ScheduleId" FROM "{Schedules}") p ON p."ScheduleId" = s."ScheduleId"
        LEFT JOIN "Seats" e ON e."ScheduleId" = s."ScheduleId" AND e."Number" = s."Number"
        WHERE s."Position" <> s."First" OR e."Number" IS NOT NULL OR COALESCE(d."ScheduleId", p."ScheduleId") IS NULL
        """;

    /// <summary>Selects schedules with too many seats: the position of their first row, the id, and the new number of seats.</summary>
    public string TooLargeSchedules => $"""
        SELECT MIN(s."Position"), s."ScheduleId", d."TotalSeats" FROM "{Seats}" s
        JOIN "Schedules" d ON d."ScheduleId" = s."ScheduleId"
        WHERE d."TotalSeats" > {MaxSeats}
        GROUP BY s."ScheduleId", d."TotalSeats"
        """;

    /// <summary>Inserts the seats in the order of their key, so the seats of a schedule are stored together.</summary>
    public string InsertSeats => $"""
        INSERT INTO "Seats" ("ScheduleId", "Number", "Price", "Status")
        SELECT "ScheduleId", "Number", "Price", '{SeatStatus.Available}' FROM "{Seats}" ORDER BY "ScheduleId", "Number"
        """;

    private string[] Tables => [Concerts, Schedules, Seats];

    private string Counts => $"""(SELECT "ScheduleId", COUNT(*) AS "Seats" FROM "{Seats}" GROUP BY "ScheduleId")""";

    private static string First(string table, string key) =>
        $"""(SELECT *, MIN("Position") OVER (PARTITION BY {key}) AS "First" FROM "{table}")""";
}
