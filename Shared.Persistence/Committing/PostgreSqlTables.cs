using System.Data.Common;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Metadata;
using Microsoft.EntityFrameworkCore.Storage;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>
/// Writes the inbox and outbox rows of a group in one round trip on PostgreSQL. Each table takes one statement with an array per column, so
/// the server prepares it once for any number of rows. Tracking each row caused a third of a saga's allocations.
/// </summary>
internal sealed class PostgreSqlTables : OutboxTables
{
    // AddInserts passes the values in the same order.
    private static readonly string[] InboxColumns =
    [
        nameof(InboxState.MessageId), nameof(InboxState.ConsumerId), nameof(InboxState.LockId), nameof(InboxState.Received),
        nameof(InboxState.ReceiveCount), nameof(InboxState.ExpirationTime), nameof(InboxState.Consumed), nameof(InboxState.Delivered)
    ];

    private static readonly string[] MessageColumns =
    [
        nameof(OutboxMessage.EnqueueTime), nameof(OutboxMessage.SentTime), nameof(OutboxMessage.Headers), nameof(OutboxMessage.Properties),
        nameof(OutboxMessage.InboxMessageId), nameof(OutboxMessage.InboxConsumerId), nameof(OutboxMessage.MessageId),
        nameof(OutboxMessage.ContentType), nameof(OutboxMessage.MessageType), nameof(OutboxMessage.Body),
        nameof(OutboxMessage.ConversationId), nameof(OutboxMessage.CorrelationId), nameof(OutboxMessage.InitiatorId),
        nameof(OutboxMessage.RequestId), nameof(OutboxMessage.SourceAddress), nameof(OutboxMessage.DestinationAddress),
        nameof(OutboxMessage.ResponseAddress), nameof(OutboxMessage.FaultAddress), nameof(OutboxMessage.ExpirationTime)
    ];

    private readonly string _insertInbox;
    private readonly string _insertMessages;
    private readonly string _deleteMessages;
    private readonly string _deleteOutboxes;
    private readonly string _markInboxes;
    private readonly string _markOutboxes;

    public PostgreSqlTables(DbContext database)
    {
        var inbox = new Table(database, typeof(InboxState));
        var message = new Table(database, typeof(OutboxMessage));
        var outbox = new Table(database, typeof(OutboxState));
        _insertInbox = inbox.Insert(InboxColumns, nameof(InboxState.Id));
        _insertMessages = message.Insert(MessageColumns, nameof(OutboxMessage.SequenceNumber));
        _deleteMessages = $"DELETE FROM {message.Name} WHERE {message.Column(nameof(OutboxMessage.SequenceNumber))} = ANY($1)";
        _deleteOutboxes = $"DELETE FROM {outbox.Name} WHERE {outbox.Column(nameof(OutboxState.OutboxId))} = ANY($1)";
        _markInboxes = $"UPDATE {inbox.Name} SET {inbox.Column(nameof(InboxState.Delivered))} = $2 "
            + $"WHERE {inbox.Column(nameof(InboxState.Id))} = ANY($1)";
        _markOutboxes = $"UPDATE {outbox.Name} SET {outbox.Column(nameof(OutboxState.Delivered))} = $2 "
            + $"WHERE {outbox.Column(nameof(OutboxState.OutboxId))} = ANY($1)";
    }

    public override bool SavesLoneMessages => true;

    public override Task<bool> AddAsync(DbContext database, OutboxRows rows) => Task.FromResult(false);

    // The COMMIT travels with the inserts. The scope makes Entity Framework Core notify its interceptors as for any commit.
    public override async Task CommitAsync(DbContext database, IDbContextTransaction transaction, OutboxRows rows)
    {
        if (OutboxScope.Of(database) is { } scope)
        {
            await scope.CommitByAsync(database, () => WriteAsync(database, rows, andCommit: true)).ConfigureAwait(false);
            return;
        }
        await WriteAsync(database, rows, andCommit: false).ConfigureAwait(false);
        await transaction.CommitAsync().ConfigureAwait(false);
    }

    // Writes in the context's current transaction and copies the generated keys to the rows.
    private async Task WriteAsync(DbContext database, OutboxRows rows, bool andCommit)
    {
        await using var batch = database.Database.GetDbConnection().CreateBatch();
        batch.Transaction = database.Database.CurrentTransaction!.GetDbTransaction();
        AddMarks(batch, rows);
        // Sorted, so that replicas lock rows in the same order and cannot deadlock.
        var consumed = rows.Entries.OrderBy(row => row.MessageId).ThenBy(row => row.ConsumerId).ToArray();
        var messages = rows.Messages;
        AddInserts(batch, consumed, messages);
        if (andCommit)
            Add(batch, "COMMIT");

        await using var reader = await batch.ExecuteReaderAsync().ConfigureAwait(false);
        foreach (var row in consumed)
        {
            await reader.ReadAsync().ConfigureAwait(false);
            row.Id = reader.GetInt64(0);
        }
        if (consumed.Length > 0 && messages.Count > 0)
            await reader.NextResultAsync().ConfigureAwait(false);
        foreach (var row in messages)
        {
            await reader.ReadAsync().ConfigureAwait(false);
            row.SequenceNumber = reader.GetInt64(0);
        }
        // An error of a later statement shows only when the reader reaches it.
        while (await reader.NextResultAsync().ConfigureAwait(false))
        {
        }
    }

    private void AddMarks(DbBatch batch, OutboxRows rows)
    {
        if (rows.Receipts.Count == 0)
            return;
        var entries = rows.DeliveredEntries;
        var outboxes = rows.DeliveredOutboxes;
        var messages = rows.DeliveredMessages;
        if (messages.Length > 0 && !rows.KeepsDelivered)
            Add(batch, _deleteMessages, messages);
        if (entries.Length > 0)
            Add(batch, _markInboxes, entries, rows.Now);
        if (outboxes.Length > 0 && rows.KeepsDelivered)
            Add(batch, _markOutboxes, outboxes, rows.Now);
        else if (outboxes.Length > 0)
            Add(batch, _deleteOutboxes, outboxes);
    }

    private void AddInserts(DbBatch batch, InboxState[] consumed, List<OutboxMessage> messages)
    {
        if (consumed.Length > 0)
        {
            Add(batch, _insertInbox,
                Values(consumed, row => row.MessageId), Values(consumed, row => row.ConsumerId), Values(consumed, row => row.LockId),
                Values(consumed, row => row.Received), Values(consumed, row => row.ReceiveCount),
                Values(consumed, row => Utc(row.ExpirationTime)), Values(consumed, row => row.Consumed),
                Values(consumed, row => row.Delivered));
        }
        if (messages.Count > 0)
        {
            Add(batch, _insertMessages,
                Values(messages, row => row.EnqueueTime), Values(messages, row => row.SentTime), Values(messages, row => row.Headers),
                Values(messages, row => row.Properties), Values(messages, row => row.InboxMessageId),
                Values(messages, row => row.InboxConsumerId), Values(messages, row => row.MessageId),
                Values(messages, row => row.ContentType), Values(messages, row => row.MessageType), Values(messages, row => row.Body),
                Values(messages, row => row.ConversationId), Values(messages, row => row.CorrelationId),
                Values(messages, row => row.InitiatorId), Values(messages, row => row.RequestId),
                Values(messages, row => row.SourceAddress?.ToString()), Values(messages, row => row.DestinationAddress?.ToString()),
                Values(messages, row => row.ResponseAddress?.ToString()), Values(messages, row => row.FaultAddress?.ToString()),
                Values(messages, row => Utc(row.ExpirationTime)));
        }
    }

    private static T[] Values<TRow, T>(IReadOnlyList<TRow> rows, Func<TRow, T> column)
    {
        var values = new T[rows.Count];
        for (var i = 0; i < values.Length; i++)
            values[i] = column(rows[i]);
        return values;
    }

    private static DateTime? Utc(DateTime? value) => value?.Kind == DateTimeKind.Local ? value.Value.ToUniversalTime()
        : value is { } instant ? DateTime.SpecifyKind(instant, DateTimeKind.Utc) : null;

    private static void Add(DbBatch batch, string sql, params ReadOnlySpan<object> values)
    {
        var command = batch.CreateBatchCommand();
        command.CommandText = sql;
        foreach (var value in values)
        {
            var parameter = command.CreateParameter();
            parameter.Value = value;
            command.Parameters.Add(parameter);
        }
        batch.BatchCommands.Add(command);
    }

    private sealed class Table
    {
        private readonly IEntityType _type;
        private readonly ISqlGenerationHelper _sql;
        private readonly StoreObjectIdentifier _table;

        public Table(DbContext database, Type entity)
        {
            _type = database.Model.FindEntityType(entity)
                ?? throw new InvalidOperationException(
                    $"{database.GetType().Name} does not map {entity.Name}. Call AddTransactionalOutboxEntities in OnModelCreating.");
            _sql = database.GetService<ISqlGenerationHelper>();
            _table = StoreObjectIdentifier.Table(_type.GetTableName()!, _type.GetSchema());
            Name = _sql.DelimitIdentifier(_type.GetTableName()!, _type.GetSchema());
        }

        public string Name { get; }

        public string Column(string property) => _sql.DelimitIdentifier(_type.FindProperty(property)!.GetColumnName(_table)!);

        // Inserts one row per element; the server returns the keys in the order of the elements.
        public string Insert(string[] properties, string key) =>
            $"INSERT INTO {Name} ({string.Join(", ", properties.Select(Column))}) "
            + $"SELECT * FROM unnest({string.Join(", ", properties.Select((_, i) => $"${i + 1}"))}) RETURNING {Column(key)}";
    }
}
