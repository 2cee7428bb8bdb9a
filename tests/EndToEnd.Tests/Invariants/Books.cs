using System.Data.Common;
using ConcertSaga.EndToEnd.Tests.Systems;

namespace ConcertSaga.EndToEnd.Tests.Invariants;

internal sealed record ReservationRow(
    Guid Id, string State, string UserId, string? UnpaidUserId, int ScheduleId, int[] Seats, long? Price, string? Outcome,
        string? FailureCode, bool HasDeadline,
    Guid? Pass, bool WasPaid);

internal sealed record TransitionRow(int Sequence, string Trigger, string? From, string To, string? Detail, Guid? MessageId);

/// <summary>What an operator did. <paramref name="Before"/> and <paramref name="After"/> differ exactly if it had an effect.</summary>
internal sealed record ActionRow(
    string Owner, Guid Id, string Action, string Target, string Reason, string? Before, string? After, string? Refusal);

internal sealed record FailedMessageRow(long Id, string MessageId, string Status);

internal sealed record ScheduleRow(int Id, int Available, int Total);

internal sealed record SeatRow(int ScheduleId, int Number, string Status, Guid? Reservation);

internal sealed record AccountRow(string UserId, long Balance, long EntryCount);

internal sealed record EntryRow(string UserId, long Sequence, string Kind, long Amount, long BalanceAfter, Guid? Reservation);

internal sealed record PaymentRow(Guid Reservation, long Amount, string Status);

internal sealed record DeliveryRow(Guid Id, Guid Reservation, int Sequence, string EventType, string Status);

internal sealed record QueueEntryRow(Guid Id, int ConcertId, string UserId, long Number, string Status);

/// <summary>Reads the records of all owners from their databases, without the product's code.</summary>
internal sealed class Books
{
    public required Dictionary<Guid, ReservationRow> Reservations { get; init; }

    public required ILookup<Guid, TransitionRow> Transitions { get; init; }

    public required List<ScheduleRow> Schedules { get; init; }

    public required List<SeatRow> Seats { get; init; }

    public required List<AccountRow> Accounts { get; init; }

    public required List<EntryRow> Entries { get; init; }

    public required List<(string UserId, Guid Key, long Amount)> Charges { get; init; }

    public required Dictionary<Guid, PaymentRow> Payments { get; init; }

    public required Dictionary<Guid, QueueEntryRow> QueueEntries { get; init; }

    /// <summary>The deliveries by reservation, in their order.</summary>
    public required ILookup<Guid, DeliveryRow> Deliveries { get; init; }

    /// <summary>The last assigned queue number by concert.</summary>
    public required Dictionary<int, long> NumbersAssigned { get; init; }

    /// <summary>The actions of operators, from the databases of all owners with such actions.</summary>
    public required List<ActionRow> Actions { get; init; }

    public required List<FailedMessageRow> FailedMessages { get; init; }

    /// <summary>Committed outbox messages that have not reached the bus.</summary>
    public required long Undelivered { get; init; }

    /// <summary>The history of a reservation in one line.</summary>
    public string HistoryOf(Guid id) =>
        string.Join(" ", Transitions[id].Select(row => row.From == row.To ? $"[{row.Trigger}: {row.Detail}]"
            : $"-{row.Trigger}-> {row.To}"));

    /// <summary>Reads the state of every reservation, cheaply enough for polling.</summary>
    public static async Task<Dictionary<Guid, string>> ReadStatesAsync(ISystem system)
    {
        await using var orchestrator = await system.OpenAsync("Orchestrator");
        return (await QueryAsync(orchestrator, """SELECT "ReservationId", "CurrentState" FROM "Reservations" """,
            row => (row.GetGuid(0), row.GetString(1))))
            .ToDictionary(row => row.Item1, row => row.Item2);
    }

    /// <summary>Reads the reservations that have resent a command.</summary>
    public static async Task<HashSet<Guid>> ReadResentAsync(ISystem system)
    {
        await using var orchestrator = await system.OpenAsync("Orchestrator");
        return [.. await QueryAsync(orchestrator, """SELECT "ReservationId" FROM "ReservationTransitions" WHERE "FromState" = "ToState" """,
            row => row.GetGuid(0))];
    }

    /// <summary>Reads the reasons of the operators' actions on reservations.</summary>
    public static async Task<HashSet<string>> ReadReasonsAsync(ISystem system)
    {
        await using var orchestrator = await system.OpenAsync("Orchestrator");
        return [.. await QueryAsync(orchestrator, """SELECT "Reason" FROM "OperatorActions" """, row => row.GetString(0))];
    }

    public static async Task<Books> ReadAsync(ISystem system)
    {
        await using var orchestrator = await system.OpenAsync("Orchestrator");
        await using var seats = await system.OpenAsync("Seats");
        await using var points = await system.OpenAsync("Points");
        await using var payments = await system.OpenAsync("Payments");
        await using var queue = await system.OpenAsync("Queue");
        await using var relay = await system.OpenAsync("DataPlatform");
        await using var operations = await system.OpenAsync("Operations");

        return new Books
        {
            Transitions = await ReadTransitionsAsync(orchestrator),
            Reservations = await ReadReservationsAsync(orchestrator),
            Schedules = await QueryAsync(seats, """SELECT "ScheduleId", "AvailableSeats", "TotalSeats" FROM "Schedules" """,
                row => new ScheduleRow(row.GetInt32(0), row.GetInt32(1), row.GetInt32(2))),
            Seats = await QueryAsync(seats, """SELECT "ScheduleId", "Number", "Status", "ReservationId" FROM "Seats" """,
                row => new SeatRow(row.GetInt32(0), row.GetInt32(1), row.GetString(2), row.IsDBNull(3) ? null : row.GetGuid(3))),
            Accounts = await QueryAsync(points, """SELECT "UserId", "Balance", "EntryCount" FROM "Accounts" """,
                row => new AccountRow(row.GetString(0), row.GetInt64(1), row.GetInt64(2))),
            Entries = await QueryAsync(points,
                """
                SELECT "UserId", "Sequence", "Kind", "Amount", "BalanceAfter", "ReservationId"
                FROM "LedgerEntries" ORDER BY "UserId", "Sequence"
                """,
                row => new EntryRow(row.GetString(0), row.GetInt64(1), row.GetString(2), row.GetInt64(3), row.GetInt64(4), row.IsDBNull(5)
                    ? null : row.GetGuid(5))),
            Charges = await QueryAsync(points, """SELECT "UserId", "IdempotencyKey", "Amount" FROM "ChargeKeys" """,
                row => (row.GetString(0), row.GetGuid(1), row.GetInt64(2))),
            Payments = (await QueryAsync(payments, """SELECT "ReservationId", "Amount", "Status" FROM "Payments" """,
                row => new PaymentRow(row.GetGuid(0), row.GetInt64(1), row.GetString(2)))).ToDictionary(row => row.Reservation),
            Deliveries = (await QueryAsync(relay,
                """
                SELECT "DeliveryId", "ReservationId", "Sequence", "EventType", "Status"
                FROM "Deliveries" ORDER BY "ReservationId", "Sequence"
                """,
                row => new DeliveryRow(row.GetGuid(0), row.GetGuid(1), row.GetInt32(2), row.GetString(3), row.GetString(4))))
                    .ToLookup(row => row.Reservation),
            NumbersAssigned =
                (await QueryAsync(queue, """SELECT "ConcertId", "NextNumber" - 1 FROM "QueueCounters" """,
                    row => (row.GetInt32(0), row.GetInt64(1))))
                .ToDictionary(row => row.Item1, row => row.Item2),
            QueueEntries = (await QueryAsync(queue, """SELECT "TokenId", "ConcertId", "UserId", "Number", "Status" FROM "QueueTokens" """,
                row => new QueueEntryRow(row.GetGuid(0), row.GetInt32(1), row.GetString(2), row.GetInt64(3), row.GetString(4))))
                    .ToDictionary(row => row.Id),
            Actions =
            [
                .. await ReadActionsAsync("Orchestrator", orchestrator), .. await ReadActionsAsync("Seats", seats),
                .. await ReadActionsAsync("Operations", operations)
            ],
            FailedMessages = await QueryAsync(operations, """SELECT "FailedMessageId", "MessageId", "Status" FROM "FailedMessages" """,
                row => new FailedMessageRow(row.GetInt64(0), row.GetString(1), row.GetString(2))),
            Undelivered = (await QueryAsync(orchestrator,
                """
                SELECT (SELECT COUNT(*) FROM "OutboxState" WHERE "Delivered" IS NULL)
                     + (SELECT COUNT(*) FROM "InboxState" WHERE "Delivered" IS NULL)
                """, row => row.GetInt64(0)))[0]
        };
    }

    private static async Task<ILookup<Guid, TransitionRow>> ReadTransitionsAsync(DbConnection orchestrator) =>
        (await QueryAsync(orchestrator,
            """
            SELECT "ReservationId", "Sequence", "Trigger", "FromState", "ToState", "Detail", "MessageId"
            FROM "ReservationTransitions" ORDER BY "ReservationId", "Sequence"
            """,
            row => (Id: row.GetGuid(0), Row: new TransitionRow(row.GetInt32(1), row.GetString(2), Text(row, 3), row.GetString(4),
                Text(row, 5), row.IsDBNull(6) ? null : row.GetGuid(6)))))
            .ToLookup(row => row.Id, row => row.Row);

    private static async Task<Dictionary<Guid, ReservationRow>> ReadReservationsAsync(DbConnection orchestrator) =>
        (await QueryAsync(orchestrator,
            """
            SELECT "ReservationId", "CurrentState", "UserId", "UnpaidUserId", "ScheduleId", "SeatNumbers", "TotalPrice", "Outcome",
                   "FailureCode", "Deadline", "QueueTokenId", "ConfirmedAt"
            FROM "Reservations"
            """,
            row => new ReservationRow(row.GetGuid(0), row.GetString(1), row.GetString(2), Text(row, 3), row.GetInt32(4),
                Array.ConvertAll(row.GetString(5).Split(','), int.Parse), row.IsDBNull(6) ? null : row.GetInt64(6), Text(row, 7),
                Text(row, 8), !row.IsDBNull(9), row.IsDBNull(10) ? null : row.GetGuid(10), !row.IsDBNull(11))))
            .ToDictionary(row => row.Id);

    private static Task<List<ActionRow>> ReadActionsAsync(string owner, DbConnection connection) => QueryAsync(connection,
        """SELECT "ActionId", "Action", "Target", "Reason", "Before", "After", "Refusal" FROM "OperatorActions" """,
        row => new ActionRow(owner, row.GetGuid(0), row.GetString(1), row.GetString(2), row.GetString(3), Text(row, 4), Text(row, 5),
            Text(row, 6)));

    private static async Task<List<T>> QueryAsync<T>(DbConnection connection, string sql, Func<DbDataReader, T> read)
    {
        await using var command = connection.CreateCommand();
#pragma warning disable CA2100 // Constants of this class.
        command.CommandText = sql;
#pragma warning restore CA2100
        await using var reader = await command.ExecuteReaderAsync();
        var rows = new List<T>();
        while (await reader.ReadAsync())
            rows.Add(read(reader));
        return rows;
    }

    private static string? Text(DbDataReader row, int column) => row.IsDBNull(column) ? null : row.GetString(column);
}
